"""When what a chain's nodes show is an outcome. Pure: no I/O and no clock.

What is final is believed of two nodes, or of the only one; of one of several it is believed after a while, a
landing sooner where the others say nothing, and never against an absence that counts. That a swap never
landed has to be proven, for it means that another is signed. A look counts for an absence
where one node, of one time, remembers far enough back, is past the last block that could have taken the swap,
and shows nothing. It has to show so again some blocks later, with nothing seen between: two nodes soon, one
alone after longer. A node that says nothing may know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from oee_daemon.orders.swap import Landed, Lapsed, Look, Outcome, Rejected, SignedSwap, Unknown

#: Blocks for which a swap can land after the one that it is anchored to: Solana's figure
#: (https://solana.com/developers/guides/advanced/confirmation).
VALID_BLOCKS = 150
#: Blocks past a swap's last one before its absence counts: the next one still takes it, and a node's count
#: may be a little ahead.
MARGIN_BLOCKS = 10
#: Blocks between a node's two sights of an absence that prove it: of two nodes or more, of the only one that
#: there is, of one against others that can't tell or are silent. Of 200 ms these are 2, 8 and 30 seconds, of
#: longer ones more. Blocks, not seconds: a node that stands still never counts twice, however long one waits.
APART_BLOCKS, ALONE_BLOCKS, AGAINST_BLOCKS = 10, 40, 150
#: Sights of an absence that one node alone needs: a node whose history fails now and then says nothing then,
#: and whoever asks seldom would take two such answers, far apart, for a proof.
ALONE_SIGHTS = 4


class Case:
    """What has been seen of one swap by one who asks, round by round; `nodes`: of how many one can ask."""

    def __init__(self, last_valid_height: int, nodes: int) -> None:
        self._last, self._nodes = last_valid_height, nodes
        self._alone = ALONE_BLOCKS if nodes == 1 else AGAINST_BLOCKS
        #: The height at which each node was first found to lack it; empty while nothing speaks for that.
        self.absent_at: dict[str, int] = {}
        self._sights: Counter[str] = Counter()
        #: The height at which each node first showed it as final, alone.
        self.final_at: dict[str, int] = {}

    def judge(self, looks: Sequence[Look]) -> Outcome:
        """What this round, a look of each node that answered, makes of it."""
        final = {look.seen for look in looks if look.final and look.seen is not None}
        told = next(iter(final), None)
        agreed = len(final) == 1 and isinstance(told, Landed | Rejected)
        if agreed and self._is_believed(looks):
            assert isinstance(told, Landed | Rejected)
            return told
        if final or any(look.seen is not None for look in looks):
            # What is not final may become so, or vanish with its fork.
            self.absent_at.clear()
            self._sights.clear()
            if agreed:
                return Unknown("final, as one node alone says")
            return Unknown("its nodes contradict each other" if final else "not confirmed yet")
        absent = [look for look in looks if self._is_absent(look)]
        if not absent:
            past = any(look.height > self._last for look in looks)
            return Unknown("no node can tell that it never landed" if past else "not on the chain yet")
        # Each by its own count: the heights of two nodes may differ by more than what has to lie between.
        apart = [look.height - self.absent_at.setdefault(look.node, look.height) for look in absent]
        self._sights.update(look.node for look in absent)
        sure = any(
            blocks >= self._alone and self._sights[look.node] >= ALONE_SIGHTS
            for look, blocks in zip(absent, apart, strict=True)
        )
        if not sure and sum(blocks >= APART_BLOCKS for blocks in apart) < 2:
            return Unknown("seen nowhere, and looked for once more")
        return Lapsed()

    def _is_believed(self, looks: Sequence[Look]) -> bool:
        """What some show as final, all the same: a wrong landing loses the order, a wrong rejection doubles
        it. One that shows nothing yet may lag, and is waited for; one that is silent is not for so long."""
        said = [look for look in looks if look.final]
        others = [look for look in looks if not look.final]
        if self._nodes == 1 or len(said) > 1:
            return True
        landed = isinstance(said[0].seen, Landed)
        if landed and any(self._is_absent(look) for look in others if look.seen is None):
            return False
        since = self.final_at.setdefault(said[0].node, said[0].height)
        if landed and not others:
            return said[0].height - since >= APART_BLOCKS
        # Before its last block nobody can prove that it did not land.
        return said[0].height - (max(since, self._last) if landed else since) >= AGAINST_BLOCKS

    def _is_absent(self, look: Look) -> bool:
        return (
            look.height > self._last + MARGIN_BLOCKS
            # Of one time: else it is the height of one node and the memory of another that lags behind it.
            and look.as_of >= look.height
            # Whoever has forgotten shows nothing as well.
            and look.remembers_from <= max(0, self._last - VALID_BLOCKS)
        )


class Cases:
    """The cases of one worker: what speaks for an absence outlasts the thread that asked."""

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self._open: dict[str, Case] = {}

    def judge(self, swap: SignedSwap, looks: Sequence[Look]) -> Outcome:
        """As `Case.judge`, with what was seen of this swap before."""
        case = self._open.pop(swap.signature, None) or Case(swap.last_valid_height, self._nodes)
        outcome = case.judge(looks)
        if isinstance(outcome, Unknown) and (case.absent_at or case.final_at):
            self._open[swap.signature] = case
        return outcome
