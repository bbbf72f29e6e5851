"""New tokens of localnet, judged by mainnet's code: each trap is refused by its check and by no other."""

from __future__ import annotations

import base64
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from oee_daemon.contract.risks import RISKS
from oee_daemon.engine.engine_token_safety import Verdict
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.localnet.localnet_http_door import Answer
from oee_daemon.networks.solana.venues.cpmm_pool import POOL_BYTES
from tests.networks.localnet.conftest import Localnet
from tests.networks.solana.launch_stage import AFTER, END, Stage, bad, names, staged

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


def test_a_pool_that_no_venue_trades_in_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was judged, and another one of the same token was bought in."""
    with staged(tmp_path) as stage:
        mint = stage.list(None)["honest 1"]
        for _ in range(2):
            stage.net.blocks(AFTER + 3)
            seen = stage.look(mint)
        answer = Localnet.answer

        def pays_of_something_else(self: Localnet, verb: str, target: str, body: bytes = b"") -> Answer:
            found = answer(self, verb, target, body)
            if b"getMultipleAccounts" in body and found.body is not None:
                said = json.loads(found.body)
                for row in said[-1]["result"]["value"]:
                    data = base64.b64decode(row["data"][0]) if row else b""
                    if len(data) == POOL_BYTES:
                        row["data"][0] = base64.b64encode(data[:389] + b"\x03" + data[390:]).decode()
                found = found._replace(body=json.dumps(said).encode())
            return found

        assert seen is not None and seen.pool is not None
        request = stage.request(mint, seen.facts.decimals)
        quoted = stage.quote(replace(request, route=seen.pool.route))
        assert quoted is not None and quoted.route == seen.pool.route
        monkeypatch.setattr(Localnet, "answer", pays_of_something_else)
        seen = stage.look(mint)
        assert seen is not None and seen.pool is None
