"""The memo in each swap: whose it is, which attempt, and where its anchor was. Pure.

It tells an order's swaps apart on the chain, even where no database remembers them, and no two attempts have
the same bytes. The anchor's slot and height travel in it too, so that whoever holds the bytes can judge a
node's answers.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from oee_daemon.networks.solana.solana_look_evidence import Anchored

_MARK = "oee1"
_FORM = re.compile(rb"oee1 ([A-Za-z0-9_-]{22}) (\d{1,5}) (\d{1,12}) (\d{1,12})")


@dataclass(frozen=True, slots=True)
class Memo:
    """What a memo of ours says."""

    order_id: UUID
    attempt: int
    anchored: Anchored

    def text(self) -> bytes:
        """About 45 bytes: each of them counts against the 1,232 of a transaction."""
        order = base64.urlsafe_b64encode(self.order_id.bytes).rstrip(b"=").decode()
        return f"{_MARK} {order} {self.attempt} {self.anchored.slot} {self.anchored.height}".encode()


# Each swap's is read by the guard, by the look for it and by its fill.
@lru_cache(maxsize=256)
def read_memo(text: bytes) -> Memo | None:
    """None where it is not one of ours."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    order = UUID(bytes=base64.urlsafe_b64decode(found[1] + b"=="))
    memo = Memo(order, int(found[2]), Anchored(slot=int(found[3]), height=int(found[4])))
    # One text for one memo: else two would be the same order's.
    return memo if memo.text() == text else None
