"""New tokens of localnet, judged by mainnet's code: each trap is refused by its check and by no other."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oee_daemon.contract.risks import RISKS
from oee_daemon.contract.terms import SwapMode
from oee_daemon.engine import engine_token_safety
from oee_daemon.engine.engine_token_safety import Check, Verdict, waived
from oee_daemon.errors import ChainUnavailable, VenueRefused
from oee_daemon.networks.listings import NewToken
from oee_daemon.networks.localnet.http_door import Answer
from oee_daemon.networks.solana import solana_listings
from oee_daemon.networks.solana.solana_listings import SolanaListings
from oee_daemon.networks.solana.solana_programs import CPMM
from oee_daemon.networks.solana.solana_sell_back import SellBack
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.cpmm_pool import POOL_BYTES, addresses
from oee_daemon.networks.solana.venues.cpmm_venue import Configurations, CpmmVenue
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import TOKENS, Token
from tests.networks.localnet.conftest import USDC, Localnet
from tests.networks.solana.held import held, pool

#: By the page, not by the code: which check refuses which trap.
REFUSED_BY = {
    "pulled": "thin", "thin": "thin", "honeypot": "sellback", "freeze": "freeze", "mint": "mint",
    "fee": "fee", "fee_later": "fee", "delegate": "delegate", "hook": "hook", "frozen_default": "frozen",
    "paused": "paused", "close": "close", "copycat": "copycat", "whale": "holders", "lp_free": "lp",
    "second_pool": "holders",
}  # fmt: skip
#: Slots after which those that only come late may be bought; others may two slots after they are listed.
LATE = {"zero_liquidity": 5, "opens_later": 20, "other_config": 2}
#: Nobody can receive it, and so nobody can say whether it could be sold.
NEVER_BOUGHT = "frozen_default"
SPENT, LEAST_USD, AFTER, END = 20 * 10**6, 10_000, 3, 330


@dataclass
class Stage:
    """A localnet with tokens to come, and the source that looks at them through some of its nodes."""

    net: Localnet
    nodes: tuple[str, ...] = ("",)
    reckons: bool = False
    max_age_s: float = 1e9
    fastest_slot_s: float = 1e-9

    def __post_init__(self) -> None:
        rpc = pool(self.net, *self.nodes)
        pricing = Pricing(rpc, fee_cap=100_000)
        found = Configurations()
        self.venue = CpmmVenue(rpc, pricing, unix_s=lambda: self.net.ms / 1000, configurations=found)
        genesis = self.net.rpc("getGenesisHash")

        async def told() -> str:
            return str(genesis)

        self.source = SolanaListings(
            rpc,
            genesis=told,
            program=CPMM,
            tokens=list(TOKENS.values()),
            directory=None,
            back=self.venue.sold_back
            if self.reckons
            else SellBack(rpc, pricing, CPMM, str(self.net.wallet.pubkey())).of,
            pace_s=0.0,
            max_age_s=self.max_age_s,
            fastest_slot_s=self.fastest_slot_s,
            tells=True,
            configurations=found,
        )

    def look(self, mint: str) -> NewToken | None:
        return asyncio.run(self.source.look(mint, USDC, 2.0, urgent=True))

    def checks(self, mint: str, *accepted: str) -> list[Check] | None:
        """All of them, as the engine asks for them; none where there is no pool."""
        seen = self.look(mint)
        assert seen is not None
        found = engine_token_safety.of_mint(seen, [*TOKENS.values()])
        if seen.pool is None:
            return None
        found = waived(found + engine_token_safety.of_pool(seen.pool, LEAST_USD), accepted)
        request = self.request(mint, seen.facts.decimals)
        # Nobody is asked for a price of what is not to be bought.
        if not bad(found) and (quote := self.quote(request)) is not None:
            back = asyncio.run(self.source.sold_back(request, quote, 2.0))
            traded = engine_token_safety.of_trade(quote, SPENT, back, None, seen.fee_bps or 0)
            found += waived(traded, accepted)
        return found

    def request(self, mint: str, decimals: int) -> QuoteRequest:
        return QuoteRequest(
            input_token=TOKENS["USDC"], output_token=Token(mint, mint, decimals), amount=SPENT,
            mode=SwapMode.EXACT_IN, number=7,
        )  # fmt: skip

    def quote(self, request: QuoteRequest) -> Quote | None:
        try:
            return asyncio.run(self.venue.quote(request, 2.0))
        except VenueRefused:
            return None

    def list(self, *traps: str | None) -> dict[str, str]:
        """Lists one of each; their mints by the name of the trap."""
        for trap in traps:
            self.net.order("listings", trap=trap, after=AFTER)
        self.net.rpc("getSlot")
        with sqlite3.connect(self.net.path) as db:
            rows = db.execute("SELECT trap, mint, n FROM listings").fetchall()
        db.close()
        return {trap or f"honest {n}": mint for trap, mint, n in rows}


@contextmanager
def staged(folder: Path, *nodes: str, reckons: bool = False) -> Iterator[Stage]:
    with held(folder, seed=3) as net:
        net.fund()
        yield Stage(net, nodes or ("",), reckons)


def bad(checks: list[Check]) -> set[str]:
    return {one.name for one in checks if one.verdict in (Verdict.REFUSED, Verdict.UNKNOWN)}


def names(checks: list[Check] | None, verdict: Verdict) -> set[str]:
    return {one.name for one in checks or [] if one.verdict is verdict}


@pytest.mark.parametrize("reckons", [False, True])
def test_each_trap_is_refused_by_its_check_alone_and_every_honest_token_passes(
    tmp_path: Path, reckons: bool
) -> None:
    with staged(tmp_path, reckons=reckons) as stage:
        listed = stage.list(*REFUSED_BY, *LATE, None, None, None, None)
        passed: dict[str, int] = {}
        for slot in range(-AFTER + 1, 40):
            stage.net.blocks(1)
            for name, mint in listed.items():
                found = stage.checks(mint)
                # Where no address tells of the pool, its maker's transaction does.
                expected = slot < (2 if name == "other_config" else 0)
                assert (found is None) == expected, (name, slot)
                if found is not None and not bad(found):
                    passed.setdefault(name, slot)
        honest = {name: passed.pop(name) for name in listed if name.startswith("honest")}
        assert set(honest.values()) <= {2, 3} and len(honest) == 4
        late = {name: passed.pop(name) for name in LATE}
        assert all(LATE[name] <= slot <= LATE[name] + 3 for name, slot in late.items()), late
        # The pool's formula knows nothing of what a program does.
        assert set(passed) == ({"honeypot"} if reckons else set()), passed
        stage.net.blocks(END)
        for name, check in REFUSED_BY.items():
            if name in passed:
                continue
            stage.checks(listed[name])
            stage.net.blocks(3)
            found = stage.checks(listed[name])
            assert found is not None and bad(found) == {check}, (name, found)
            # Waived by its own name, and by no other.
            others = stage.checks(listed[name], *(set(RISKS) - {check}))
            assert others is not None and check in bad(others), name
            taken = stage.checks(listed[name], check)
            assert taken is not None and names(taken, Verdict.ACCEPTED) == {check}, name
            assert bad(taken) == ({"sellback"} if name == NEVER_BOUGHT and not reckons else set()), taken


def unknown(stage: Stage, mint: str) -> bool:
    """Whether nobody can say now: then the order waits."""
    try:
        return Verdict.UNKNOWN in {one.verdict for one in stage.checks(mint) or []}
    except ChainUnavailable:
        return True


def test_what_nodes_do_wrong_makes_nobody_buy(tmp_path: Path) -> None:
    """A node that is behind, one that refuses a method, and answers that are none or broken."""
    with staged(tmp_path, "", "lags") as stage:
        stage.net.order("nodes", name="lags", lag=60)
        mint = stage.list(None)["honest 1"]
        for _ in range(AFTER + 3):
            stage.net.blocks(1)
            found = stage.checks(mint)
        assert found is not None and not bad(found)
        behind = Stage(stage.net, ("lags",))
        behind.checks(mint)
        # Alone it shows a chain that goes on, and its slots are its own.
        assert unknown(behind, mint)
        for method, kind in (
            ("getTokenLargestAccounts", "refused"), ("getTokenLargestAccounts", "null"),
            ("getMultipleAccounts", "html"), ("getMultipleAccounts", "null"), ("getMultipleAccounts", "503"),
            ("getGenesisHash", "null"), ("simulateTransaction", "refused"), ("simulateTransaction", "null"),
        ):  # fmt: skip
            stage.net.order("faults", target="read", kind=kind, method=method)
            fresh = Stage(stage.net)
            for _ in range(2):
                stage.net.blocks(3)
                try:
                    seen = fresh.look(mint)
                except ChainUnavailable:
                    break
                # That there is no such mint is refused or waits; it is no purchase.
                assert seen is None or unknown(fresh, mint), (method, kind)
            with sqlite3.connect(stage.net.path) as db:
                db.execute("DELETE FROM faults")
            db.close()
        stage.net.blocks(3)
        assert not unknown(stage, mint)


def test_nodes_that_contradict_each_other_tell_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two endpoints hides that somebody can freeze the token."""
    with staged(tmp_path, "", "liar") as stage:
        stage.net.order("nodes", name="liar")
        mint = stage.list("freeze")["freeze"]
        assert stage.look(mint) is not None
        lies(monkeypatch, hides_freezer)
        with pytest.raises(ChainUnavailable, match="different things"):
            stage.look(mint)


Lie = Callable[[dict[str, Any], list[str]], None]


def lies(monkeypatch: pytest.MonkeyPatch, lie: Lie) -> None:
    """What the node `liar` tells in a look is what `lie` makes of the answer, and of which accounts it was
    asked for."""
    answer = Localnet.answer

    def told(self: Localnet, verb: str, target: str, body: bytes = b"") -> Answer:
        found = answer(self, verb, target, body)
        if target == "/node/liar" and b"getGenesisHash" in body and found.body is not None:
            said, asked = json.loads(found.body), json.loads(body)
            for one, call in zip(said, asked, strict=True):
                if call["method"] == "getMultipleAccounts":
                    lie(one["result"], call["params"][0])
            found = found._replace(body=json.dumps(said).encode())
        return found

    monkeypatch.setattr(Localnet, "answer", told)


def overwrite(row: dict[str, Any], at: int, what: bytes) -> None:
    data = base64.b64decode(row["data"][0])
    row["data"][0] = base64.b64encode(data[:at] + what + data[at + len(what) :]).decode()


def hides_freezer(said: dict[str, Any], _asked: list[str]) -> None:
    overwrite(said["value"][0], 46, bytes(36))


@pytest.mark.parametrize("first", [0, 10**6])
def test_who_tells_higher_slots_leaves_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """The liar runs ahead as fast as slots can be, or was heard of first, alone, from any height."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(solana_listings, "time", SimpleNamespace(monotonic=lambda: now.s))
    with staged(tmp_path, "", "liar") as stage:
        stage.net.order("nodes", name="liar")
        mint = stage.list("freeze")["freeze"]
        both = Stage(stage.net, ("", "liar"), max_age_s=15.0, fastest_slot_s=0.1)
        ahead = SimpleNamespace(slots=first)

        def lie(said: dict[str, Any], asked: list[str]) -> None:
            hides_freezer(said, asked)
            said["context"]["slot"] += ahead.slots

        lies(monkeypatch, lie)
        if first:
            stage.net.order("faults", target="read", kind="503", method="getMultipleAccounts", remaining=1)
            assert both.look(mint) is not None
        for _ in range(20):
            with pytest.raises(ChainUnavailable, match="different things"):
                both.look(mint)
            stage.net.blocks(5)
            now.s += 2.0
            ahead.slots += 30


def multiplies_supply(said: dict[str, Any], _asked: list[str]) -> None:
    (supply,) = struct.unpack_from("<Q", base64.b64decode(said["value"][0]["data"][0]), 36)
    overwrite(said["value"][0], 36, struct.pack("<Q", supply * 10))
    said["context"]["slot"] += 1


def test_of_the_supply_the_least_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The liar is the furthest: ten wallets would hold a tenth of what they have."""
    with staged(tmp_path, "", "liar") as stage:
        stage.net.order("nodes", name="liar")
        mint = stage.list("whale")["whale"]
        lies(monkeypatch, multiplies_supply)
        for _ in range(AFTER + 3):
            stage.net.blocks(1)
            found = stage.checks(mint)
        assert found is not None and bad(found) == {"holders"}


@pytest.mark.parametrize("further", [1, -1])
def test_of_a_pool_that_not_every_endpoint_shows_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, further: int
) -> None:
    """Made up by the furthest, or hidden by it."""
    with staged(tmp_path, "", "liar") as stage:
        stage.net.order("nodes", name="liar")
        mint = stage.list(None)["honest 1"]

        def hides(said: dict[str, Any], asked: list[str]) -> None:
            gone = str(addresses(CPMM, 0, USDC, mint).pool)
            said["value"] = [
                None if key == gone else row for key, row in zip(asked, said["value"], strict=True)
            ]
            said["context"]["slot"] += further

        lies(monkeypatch, hides)
        for _ in range(AFTER + 6):
            stage.net.blocks(1)
            found = stage.checks(mint)
        assert found is not None
        assert names(found, Verdict.UNKNOWN) == {"thin", "lp"}
        assert "not every RPC endpoint" in str(found)


def test_a_pool_that_no_venue_trades_in_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was judged, and another one of the same token was bought in."""
    with staged(tmp_path) as stage:
        mint = stage.list(None)["honest 1"]
        for _ in range(2):
            stage.net.blocks(AFTER + 3)
            seen = stage.look(mint)
        answer = Localnet.answer

        def pays_its_maker(self: Localnet, verb: str, target: str, body: bytes = b"") -> Answer:
            found = answer(self, verb, target, body)
            if b"getMultipleAccounts" in body and found.body is not None:
                said = json.loads(found.body)
                for row in said[-1]["result"]["value"]:
                    data = base64.b64decode(row["data"][0]) if row else b""
                    if len(data) == POOL_BYTES:
                        row["data"][0] = base64.b64encode(data[:390] + b"\x01" + data[391:]).decode()
                found = found._replace(body=json.dumps(said).encode())
            return found

        assert seen is not None and seen.pool is not None
        request = stage.request(mint, seen.facts.decimals)
        quoted = stage.quote(replace(request, route=seen.pool.route))
        assert quoted is not None and quoted.route == seen.pool.route
        monkeypatch.setattr(Localnet, "answer", pays_its_maker)
        seen = stage.look(mint)
        assert seen is not None and seen.pool is None
