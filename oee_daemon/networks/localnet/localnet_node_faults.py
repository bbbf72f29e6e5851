"""Faults that tests and drills order as rows of the table `faults`, and which of them a request meets.

| target | kinds |
|---|---|
| `send` | `drop` (said to be taken, then forgotten), those of an answer; `landed`: after it was passed on |
| `fate` | a signature's, drawn once: `never`; `late`: `blocks` after its last valid one; `delayed` by `ms` |
| `read` | `null`, and those of an answer |
| `raydium`, `jupiter` | `empty`, `huge`, `slow` by `ms`, `wrong_mint`, `wrong_amount`, those of an answer |
| `raydium` | `routed`: it builds by its router |
| `chain` | `fork`: at a new block, the newest `blocks` slots lose |

Those of an answer: `429` (with `Retry-After`), `503`, `unhealthy` (-32005), `refused` (-32010, as of a node
without that index), `unsold` (-32601), `html`, `cut`, `hang`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from oee_daemon.networks.localnet.localnet_sqlite import Ledger

#: Kinds that replace an answer, whoever gives it.
ANSWERS = frozenset(("429", "503", "unhealthy", "refused", "unsold", "html", "cut", "hang"))


@dataclass(slots=True, kw_only=True)
class Fault:
    """A row. `percent` of what matches meets it, until `remaining` have; None: for ever."""

    id: int
    target: str
    kind: str
    node: str | None
    method: str | None
    landed: int
    ms: int
    blocks: int
    remaining: int | None
    percent: int

    def matches(self, target: str, node: str, method: str) -> bool:
        return (
            self.target == target
            and self.node in (None, node)
            and self.method in (None, method)
            and (self.remaining is None or self.remaining > 0)
        )


class Faults:
    """The rows as they are now, and the draws among them: the same rows and requests draw the same."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self._ledger = ledger
        self._seed = seed
        self._drawn = 0
        self._rows: list[Fault] = []
        self.load()

    def load(self) -> None:
        self._rows = [Fault(**row) for row in self._ledger.rows("faults")]

    def draw(self, target: str, node: str = "", method: str = "") -> Fault | None:
        """The first row that matches and is drawn; it has come once more then."""
        for row in self._rows:
            if row.matches(target, node, method) and self._hits(row):
                if row.remaining is not None:
                    row.remaining -= 1
                    self._ledger.use_up(row.id)
                return row
        return None

    def _hits(self, row: Fault) -> bool:
        self._drawn += 1
        text = f"{self._seed} {row.id} {self._drawn}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") % 100 < row.percent


def twisted(kind: str, body: Any) -> Any:
    """A venue's answer, in the right shape with something wrong in it."""
    if isinstance(body, list):
        return [twisted(kind, part) for part in body]
    if not isinstance(body, dict):
        return body
    told = {name: twisted(kind, part) for name, part in body.items()}
    if kind == "wrong_mint" and "outputMint" in told:
        told["outputMint"] = told.get("inputMint")
    for name in ("outAmount", "outputAmount"):
        if kind == "wrong_amount" and name in told:
            told[name] = str(int(told[name]) * 2)
    return told
