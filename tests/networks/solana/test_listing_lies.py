"""Nodes that lie about a new token: nobody buys by it, and nobody is left out."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oee_daemon.engine.engine_token_safety import Verdict
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.localnet.localnet_http_door import Answer
from oee_daemon.networks.solana import solana_listings
from oee_daemon.networks.solana.solana_programs import CPMM
from oee_daemon.networks.solana.venues.cpmm_pool import addresses
from tests.networks.localnet.conftest import USDC, Localnet
from tests.networks.solana.launch_stage import AFTER, Stage, bad, names, staged


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
