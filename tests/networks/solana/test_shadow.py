"""`oee shadow` on localnet: right beside every node that misleads, and wrong where one loses what it had."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import oee_daemon.networks.solana.shadow as shadow_room
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.shadow.shadow_run import _conclude
from oee_daemon.networks.solana.shadow.shadow_swap import WATCHED_BLOCKS, Shadowed, shown_as
from oee_daemon.networks.solana.solana_look_evidence import Answer, Status
from tests.networks.solana.local import SLOT_MS, Local, localnet

NODES: Sequence[dict[str, object]] = (
    {"name": "behind", "lag": 60},
    {"name": "none", "history": "none"},
    {"name": "pruned", "history": "pruned"},
    {"name": "liar", "height_is_slot": 1},
    {"name": "ghost", "ghost": 1},
    {"name": "single", "batches": 0},
    {"name": "lb", "members": "main,behind,liar,none"},
)


def shadowed(
    local: Local, nodes: Sequence[str], home: Path, span: str = "1.5s"
) -> tuple[int, list[dict[str, Any]]]:
    """The command's exit code and lines, while strangers trade."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("OEE_")}
    environ |= {"OEE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    environ["OEE_RPC_URLS"] = ",".join(f"{local.address}/{node}" for node in nodes)
    command = [sys.executable, "-m", "oee_cli", "shadow", "--network", "localnet", "--for", span, "--json"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    for others in itertools.count():
        local.rpc("requestAirdrop", local.wallet.address, 10**6 + others)
        # One a slot: as many as they can would be a hundred in each, which is nothing else to be wrong about.
        with suppress(subprocess.TimeoutExpired):
            process.wait(SLOT_MS / 1000)
            break
    assert process.stdout is not None
    with process.stdout as said:
        return process.returncode, [json.loads(line) for line in said]


def test_beside_every_node_that_misleads_it_is_never_wrong(tmp_path: Path) -> None:
    with localnet(tmp_path, "--confirm", "2", "--final", "8") as local:
        for row in NODES:
            local.order("nodes", **row)
        local.order("faults", target="chain", kind="fork", blocks=6, percent=5)
        code, lines = shadowed(local, ["", *(f"node/{row['name']}" for row in NODES)], tmp_path, "3s")
        *judged, summary = lines
        assert (code, summary["wrong"]) == (0, 0), [line for line in judged if line["wrong"]]
        assert summary["judged"] == len(judged) > 0 and summary["agreed"] > 0
        assert {line["block"] for line in judged} >= {"landed"}


def test_a_node_that_loses_what_it_had_is_told_by_name_and_by_the_exit_code(tmp_path: Path) -> None:
    with localnet(tmp_path) as local:
        local.order("nodes", name="amnesiac")
        local.order("faults", target="read", node="amnesiac", method="getSignatureStatuses", kind="null")
        code, (*judged, summary) = shadowed(local, ["", "node/amnesiac"], tmp_path)
        assert code == 1 and summary["wrong"] > 0
        assert list(summary["deniedBy"]) == ["127.0.0.1 (2)"]
        # One shows it and one proves the opposite: nobody concludes anything.
        assert all(line["outcome"] == "unknown" for line in judged if line["wrong"])


@pytest.mark.parametrize(
    ("judged", "told"), [(1, "1 swap of others judged"), (2, "2 swaps of others judged")]
)
def test_how_many_were_judged_is_told(judged: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    summary = {
        "network": "mainnet",
        "judged": judged,
        "agreed": judged,
        "unknown": 0,
        "unclear": 0,
        "wrong": 0,
    }
    assert _conclude(summary | {"deniedBy": {}}, Output()) is ExitCode.DONE
    assert told in capsys.readouterr().out


def test_without_an_endpoint_that_answers_it_ends_with_6(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "OEE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "oee_cli", "shadow", "--network", "localnet", "--for", "1"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (
        done.returncode == 6 and "No RPC endpoint answers" in done.stderr and "Traceback" not in done.stderr
    )


#: What a process that only reads may ask a node for.
READS = {
    "getBlock", "getTransaction", "getSlot", "getGenesisHash", "getEpochInfo", "getSignatureStatuses",
}  # fmt: skip


def test_nothing_but_reads_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each method that the room names, and those that it takes from the look, is a read."""
    folder = Path(shadow_room.__path__[0])
    sources = [*folder.glob("*.py"), folder.parent / "solana_endpoint_look.py"]
    named = {
        word for path in sources for word in re.findall(r'\(\s*"([a-z]+[A-Z]\w+)",\s*\[', path.read_text())
    }
    assert named == READS


# The judge, round by round.

SLOT, HEIGHT = 5000, 4000


def answer(ahead: int, *, node: str = "a", seen: bool = False, failed: bool = False) -> Answer:
    """Of a node whose final block is so many after the swap's."""
    status = Status(slot=SLOT, failed=failed, final=True) if seen else None
    return Answer(
        node=node, slot=SLOT + ahead, height=HEIGHT + ahead, context=SLOT + ahead + 1, status=status,
    )  # fmt: skip


def followed(*rounds: Sequence[Answer], failed: bool = False) -> Shadowed:
    swap = Shadowed("s", SLOT, HEIGHT, ["a", "b"])
    for answers in rounds:
        seen = any(one.status for one in answers)
        swap.hear(answers, [shown_as(SLOT, failed=failed)] if seen else [])
    return swap


def test_what_is_seen_agrees_with_its_block_and_with_no_other() -> None:
    landed = followed([answer(1, node=n, seen=True) for n in "ab"])
    assert [landed.wrong(t) for t in ("landed", "failed", "absent", "unclear")] == [False, True, True, False]
    failed = followed([answer(1, node=n, seen=True, failed=True) for n in "ab"], failed=True)
    assert [failed.wrong(t) for t in ("landed", "failed", "absent")] == [True, False, True]


def test_an_absence_that_would_count_is_wrong_where_it_landed() -> None:
    denied = followed(*([answer(ahead, node=n) for n in "ab"] for ahead in (11, 31, 51, 71)))
    assert denied.wrong("landed") and denied.wrong("failed") and not denied.wrong("absent")


def test_one_alone_is_held_to_its_word_too() -> None:
    rounds = [[answer(ahead, seen=True), answer(ahead, node="b")] for ahead in (11, 25, 40, 51)]
    swap = followed(*rounds)
    assert swap.denied_by == {"b"} and swap.wrong("landed")
    assert not swap.over and followed([answer(WATCHED_BLOCKS + 1)]).over


def test_what_is_not_known_yet_is_not_wrong() -> None:
    assert not followed([answer(1)]).wrong("landed")


def test_whoever_interrupts_it_before_anything_was_judged_gets_130(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("OEE_")}
        environ |= {"OEE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        environ["OEE_RPC_URLS"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "oee_cli", "shadow", "--network", "localnet"]
        process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
        silent.settimeout(30)
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "")
