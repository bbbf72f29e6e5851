"""What a user does to orders that wait, in a drill: edits, cancels, one or many, halts and resumes.

Each is asked for until it has been answered, and noted with its times by the drill's own clock.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oee_cli.api.client_transport import httpx
from oee_cli.drill.drill_asked import Asked, Cancel, Edit, Halt, Look
from oee_cli.drill.drill_ledger import read_ledger
from oee_cli.drill.drill_orders import PAIRS, Placed
from oee_cli.drill.drill_processes import Crew
from oee_cli.drill.drill_socket import client_of

#: How often each is drawn, relative to the other faults.
HAND_WEIGHTS = {"halted": 6, "all cancelled": 3}
#: Seconds that a halt holds; for an answer; and between two tries.
HALTED_S, ANSWER_S, AGAIN_S = (0.5, 4.0), 15.0, 0.2
#: Seconds for `oee halt` to come to its end: it kills what does not answer.
_HALT_S = 60.0
_COUNTED = """SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM swaps),
    (SELECT coalesce(sum(firings), 0) FROM orders)"""
_TAKEN = "SELECT count(*) FROM sim_ledger WHERE state <> 'tip'"


class Hands:
    """Of a drill on that ledger's file."""

    def __init__(self, home: Path, ledger: Path, crew: Crew, environ: Mapping[str, str]) -> None:
        self._home, self._ledger, self._crew, self._environ = home, ledger, crew, {**environ}
        self._halting = threading.Lock()
        self.asked = Asked()

    def edit(self, order_id: str, placed: Placed) -> bool:
        """Asks once. False: it has to be asked again."""
        edit = self.asked.edits.get(order_id)
        if edit is None:
            change = placed.wait.edit
            assert change is not None
            body = change.body(placed.wait.edited(), datetime.now(UTC))
            edit = self.asked.edits[order_id] = Edit(placed.edited(body), body, _now_ms())
        answer = self._ask("PATCH", f"/api/orders/{order_id}", edit.body)
        if answer is None or answer.status_code >= 500 or answer.json().get("code") == "halted":
            edit.unsure = edit.unsure or answer is None or answer.status_code >= 500
            return False
        refused = answer.status_code != 200
        edit.done = None if refused and edit.unsure else not refused
        edit.told_ms = _now_ms()
        return True

    def cancel(self, order_id: str) -> bool:
        """As `edit`."""
        sent_ms = _now_ms()
        answer = self._ask("POST", f"/api/orders/{order_id}/cancel")
        if answer is not None and answer.status_code < 500:
            left = frozenset() if answer.status_code == 200 else frozenset((order_id,))
        else:
            left = None
        self.asked.cancels.append(
            Cancel(sent_ms=sent_ms, told_ms=_now_ms(), ids=frozenset((order_id,)), left=left)
        )
        return left is not None

    def cancel_group(self, group_id: str, ids: Iterable[str]) -> bool:
        return self._cancel_many({"group": group_id}, ids=frozenset(ids))

    def sweep(self, draw: random.Random) -> bool:
        """Cancels all of one kind."""
        (base, quote, _), side = draw.choice(PAIRS), draw.choice(("buy", "sell"))
        which = {"pair": f"{base}/{quote}", "side": side, "type": draw.choice(("limit", "stop"))}
        return self._cancel_many({"all": True, **which}, **which)

    def _cancel_many(self, body: Mapping[str, Any], **which: Any) -> bool:
        sent_ms = _now_ms()
        answer = self._ask("POST", "/api/orders/cancel", body)
        told = answer.json() if answer is not None and answer.status_code == 200 else None
        left = frozenset(map(str, told["submitted"])) if told is not None and not told["unsent"] else None
        self.asked.cancels.append(Cancel(sent_ms=sent_ms, told_ms=_now_ms(), left=left, **which))
        return left is not None

    @property
    def halts(self) -> bool:
        """Whether a halt is under way or stands."""
        return self._halting.locked()

    def halt(self, draw: random.Random) -> bool:
        """Begins to halt, and resumes after a while. False: a halt stands already."""
        if not self._halting.acquire(blocking=False):
            return False
        held_s = draw.uniform(*HALTED_S)
        threading.Thread(target=self._halt_for, args=(held_s,), daemon=True).start()
        return True

    def _halt_for(self, held_s: float) -> None:
        sent_ms = _now_ms()
        try:
            done = self._run_halt()
            if done is not None:
                # Without a daemon it is halted here; workers elsewhere hear of it by the next one.
                sure = done["halt"] is not None and not done["unanswered"]
                self._wait_until_stored()
                sent, told_ms = self._count_sent(), _now_ms()
                halt = Halt(sent_ms, told_ms, sure, self._look(sent))
                self.asked.halts.append(halt)
                threading.Event().wait(held_s)
                halt.after, halt.until_ms = self._look(self._count_sent()), _now_ms()
            while (answer := self._ask("POST", "/api/resume")) is None or answer.status_code != 200:
                threading.Event().wait(AGAIN_S)
        finally:
            self.asked.still.append((sent_ms, _now_ms()))
            self._halting.release()

    def _wait_until_stored(self) -> None:
        while (answer := self._ask("GET", "/api/halt")) is None or not answer.json().get("halt"):
            threading.Event().wait(AGAIN_S)

    def _run_halt(self) -> dict[str, Any] | None:
        """What `oee halt` says; none where it does not say that it has halted."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
        done = subprocess.run(
            [sys.executable, "-m", "oee_cli", "halt", "--json", "--reason", "drill"],
            env=clean | self._environ | {"OEE_HOME": str(self._home)},
            capture_output=True,
            timeout=_HALT_S,
            check=False,
        )
        try:
            told: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            return None
        return told if "halt" in told else None

    def _look(self, sent: int) -> Look:
        """As soon as Postgres answers: nothing that it counts becomes less."""
        while not (rows := self._crew.ask(_COUNTED)):
            threading.Event().wait(AGAIN_S)
        accepted, signed, fired = map(int, rows[0])
        return Look(accepted, signed, fired, sent)

    def _count_sent(self) -> int:
        return int(read_ledger(self._ledger, _TAKEN)[0][0])

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer; none where none came."""
        with suppress(httpx.HTTPError, KeyError, ValueError), client_of(self._home, ANSWER_S) as client:
            return client.request(method, path, json=body)
        return None


def _now_ms() -> float:
    return time.time() * 1000
