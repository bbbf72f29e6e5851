"""Who is told what happens, while who tells it is killed: each event at least once, and none that was not."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.faults.test_daemon import QUICK, every_order, pids
from tests.kit.daemons import Daemon, until

#: Orders, and kills of the worker and of the daemon among them; `OEE_TEST_KILLS=20` for the long proof.
KILLS = int(os.environ.get("OEE_TEST_KILLS", "2"))
#: Keeps what it reads, even where that is nothing.
TELLS = """#!/bin/sh
read -r line
printf '%s\\n' "$line" >> {}
"""
SELL = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}


def told_by(homes: Path, script: str) -> Daemon:
    program = homes / "told"
    program.write_text(script)
    program.chmod(0o700)
    ledger = {"OEE_SIM_LEDGER_FILE": str(homes / "ledger.sqlite")}
    return Daemon(homes / "h", OEE_ON_EVENT=str(program), **ledger, **QUICK)


def place(daemon: Daemon, key: str, body: dict[str, Any]) -> str:
    def answered() -> str | None:
        with suppress(httpx.HTTPError, OSError, ValueError, KeyError), daemon.client() as client:
            answer = client.post("/api/orders/execute", json=body, headers={"Idempotency-Key": key})
            assert answer.status_code in (200, 202, 503), answer.text
            return str(answer.json()["orderId"])
        return None

    return until(answered, within=60, what="an answer")


def bodies(n: int) -> dict[str, Any]:
    """One that trades at once, one that is launched, one that nothing can fill, one that waits in vain."""
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    more: list[dict[str, Any]] = [
        {},
        {"launchTime": soon},
        {"minReceive": "100000"},
        {"type": "limit", "targetPrice": "900", "far": True, "expiresAt": soon},
    ]
    return SELL | more[n % 4]


def worth_telling(order: dict[str, Any]) -> list[tuple[str, str]]:
    found = [(order["orderId"], "fired") for event in order["events"] if "trigger" in event["data"]]
    return [*found, (order["orderId"], order["status"])]


def test_each_event_is_told_across_kills_of_worker_and_daemon(homes: Path) -> None:
    heard = homes / "heard"
    heard.touch()
    daemon = told_by(homes, TELLS.format(heard)).start()

    def told() -> Counter[tuple[str, str]]:
        said = [json.loads(line) for line in heard.read_text().splitlines()]
        return Counter((message["orderId"], message["event"]) for message in said)

    try:
        # A target that is new is told from its first moment on.
        until(lambda: place(daemon, f"{datetime.now(UTC)}", SELL) and told(), what="the first word")
        placed, draw = set[str](), random.Random(KILLS)
        for kill in range(2 * KILLS):
            for n in range(8):
                placed.add(place(daemon, f"the order {kill} {n}", bodies(n)))
            so_far = sum(told().values()) + draw.randrange(6)
            with suppress(AssertionError):
                until(lambda least=so_far: sum(told().values()) >= least, within=5)  # type: ignore[misc]
            if kill % 2:
                daemon.kill()
                daemon.start()
            else:
                os.kill(until(lambda: pids(daemon)["worker"], what="a worker"), signal.SIGKILL)

        def ended() -> bool:
            return all(order["finishedAt"] for order in every_order(daemon))

        until(ended, within=60, what="the end of every order")
        happened = [word for order in every_order(daemon) for word in worth_telling(order)]
        wanted = {word for word in happened if word[0] in placed}
        until(lambda: not wanted - set(told()), within=60, what="the last word")
        assert set(told()) <= set(happened)
        kinds = Counter(kind for _, kind in happened)
        assert min(kinds[kind] for kind in ("fired", "confirmed", "failed", "expired")) >= KILLS
        # What was being told when its teller died is told again by the next one.
        assert max(told().values()) <= 1 + KILLS
    finally:
        daemon.stop()


def test_a_program_that_hangs_holds_up_no_order(homes: Path) -> None:
    daemon = told_by(homes, "#!/bin/sh\nexec sleep 600\n").start()
    try:
        ids = [place(daemon, f"the order {n}", bodies(n % 2)) for n in range(20)]

        def ended() -> bool:
            return all(order["status"] == "confirmed" for order in every_order(daemon))

        # A delivery is given ten seconds: no order waits for one.
        until(ended, within=9, what="the end of every order")
        assert len(ids) == len(set(ids)) == 20
    finally:
        daemon.stop()
