"""A chain behind a deadline: whatever it does wrong is an answer that is missing.

Each call runs on a thread of the chain's own, so that one that never returns costs its caller a few seconds.
What comes after that is heard by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from oee_daemon.calls import Calls
from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.chain import Chain, FillPage
from oee_daemon.orders.swap import Anchor, Fill, Look, SignedSwap

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that the chain has to answer.
CHAIN_S = 4.0


class BoundedChain:
    """A `Chain` that knows its deadlines: its calls end in time, and raise nothing but what a `Chain` may."""

    def __init__(self, chain: Chain, threads: int, faults: FaultLog) -> None:
        self._chain = chain
        self._faults = faults
        self._calls = Calls(threads, "chain")
        self.inside = chain.inside
        self.nodes = chain.nodes

    def close(self) -> None:
        """Nobody waits for what still hangs."""
        self._calls.shutdown(wait=False)

    @property
    def hang_s(self) -> float:
        """For how long nothing could be asked, because no call returns; seconds."""
        return self._calls.hang_s

    def expected_s(self) -> float:
        return self._chain.expected_s()

    def identity(self) -> str:
        return self._ask(CHAIN_S, self._chain.identity)

    def anchor(self) -> Anchor:
        return self._ask(CHAIN_S, self._chain.anchor, CHAIN_S)

    def submit(self, swap: SignedSwap) -> None:
        self._ask(CHAIN_S, self._chain.submit, swap, CHAIN_S)

    def look(self, swap: SignedSwap, wait_s: float = 0) -> Sequence[Look]:
        return self._ask(wait_s + CHAIN_S, self._chain.look, swap, wait_s=wait_s)

    def fill(self, signature: str) -> Fill | None:
        return self._ask(CHAIN_S, self._chain.fill, signature)

    def fills(self, *, limit: int, before: str | None = None) -> FillPage:
        return self._ask(CHAIN_S, self._chain.fills, limit=limit, before=before)

    def _ask(self, deadline_s: float, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return self._calls.ask(deadline_s, fn, *args, **kwargs)
        except (ChainUnavailable, BadCursor):
            raise
        except TimeoutError:
            raise ChainUnavailable(f"The chain did not answer within {deadline_s:g} s.") from None
        except Exception as e:
            self._faults.say("the chain failed", e)
            raise ChainUnavailable(f"The chain failed: {type(e).__name__}.") from e
