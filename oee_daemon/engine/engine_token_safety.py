"""What speaks against buying a token that is only just traded: one verdict a check, each by its name.

Pure. Unknown is not ok: it is asked again while there is time, and then refused. A check is waived by its
name alone. Passed checks are no promise: a token may be pulled a slot later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from oee_daemon.contract.ranking import BPS
from oee_daemon.contract.risks import RISKS
from oee_daemon.networks.holdings import MintFacts
from oee_daemon.networks.network_listings import NewPool, NewToken
from oee_daemon.networks.network_token_symbols import alike
from oee_daemon.orders.swap import Quote
from oee_daemon.orders.tokens import Token

#: Basis points: of a transfer kept, of the price moved, of the supply in ten wallets, of the liquidity that
#: has to be locked, and by which the reserve may fall within two slots.
FEE, IMPACT, HOLDERS, LOCKED, FALLS = 100, 1000, 5000, 9500, 2000
#: Seconds for which liquidity that is not locked may still be: many lock it a minute or two after.
LOCKS_S = 120.0
#: What selling back may cost beside fees and impact, basis points; and what of a venue's fee counts, which
#: it tells itself: that of Raydium's dearest pools.
SPREAD, VENUE_FEE = 500, 400
#: What is said where nothing is known.
NOBODY = "nobody could say"


class Verdict(StrEnum):
    OK = "ok"
    REFUSED = "refused"
    #: Not known, or not yet so.
    UNKNOWN = "unknown"
    #: Not ok, and taken knowingly.
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Check:
    """`says`: what was found, without a full stop."""

    name: str
    verdict: Verdict
    says: str

    def as_dict(self) -> dict[str, Any]:
        return {"check": self.name, "verdict": self.verdict.value, "says": self.says}


def _check(name: str, refused: bool | None, says: str, *, unknown: str = NOBODY) -> Check:
    if refused is None:
        return Check(name, Verdict.UNKNOWN, unknown)
    return Check(name, Verdict.REFUSED if refused else Verdict.OK, says)


#: Extensions of a mint by which somebody keeps a power over it.
_POWERS = {
    "permanent-delegate": "delegate",
    "transfer-hook": "hook",
    "default-frozen": "frozen",
    "pausable": "paused",
}


def of_mint(token: NewToken, pinned: Sequence[Token]) -> list[Check]:
    """What the mint alone says, which exists before its pool. `pinned`: tokens that everybody knows."""
    facts = token.facts
    maker, freezer = facts.mint_authority, facts.freeze_authority
    checks = [
        _check("mint", maker is not None, f"{maker or 'nobody'} can make more of it"),
        _check("freeze", freezer is not None, f"{freezer or 'nobody'} can freeze it in your wallet"),
        _copycat(facts, pinned),
    ]
    risks = {one.name: one for one in facts.extensions if one.risk}
    for extension, name in _POWERS.items():
        found = risks.pop(extension, None)
        checks.append(_check(name, found is not None, found.detail if found else "nobody has that power"))
    closes = "somebody" if token.can_be_closed else "nobody"
    checks.append(_check("close", token.can_be_closed, f"{closes} can close the mint"))
    checks.append(_fee(token))
    # What is left is not known, or can't be sold: nobody can take that risk.
    checks += [Check(one.name, Verdict.REFUSED, one.detail) for one in risks.values()]
    return checks


def _copycat(facts: MintFacts, pinned: Sequence[Token]) -> Check:
    others = [token for token in pinned if token.mint != facts.mint]
    names = [name for name in (facts.symbol, facts.name) if name is not None]
    same = next((found for name in names if (found := alike(name, others)) is not None), None)
    says = "it calls itself like no known token" if same is None else f"it calls itself like {same.symbol}"
    return _check("copycat", same is not None, says)


def _fee(token: NewToken) -> Check:
    bps, alive = token.fee_bps, token.fee_can_change
    if bps is not None and bps > FEE:
        return _check("fee", True, f"{_percent(bps)} of every transfer is kept")
    if bps is None or alive is None:
        return _check("fee", None, "")
    return _check("fee", alive, "somebody can set what is kept of every transfer" if alive else _percent(bps))


def of_pool(pool: NewPool, least_usd: int) -> list[Check]:
    """What the pool says before anybody asks it for a price."""
    checks = [_thin(pool, least_usd), _check_locked(pool), _holders(pool)]
    if pool.opens_in_s is None or pool.opens_in_s > 0:
        # Nobody can waive that: there is no price before.
        checks.append(Check("opens", Verdict.UNKNOWN, "the pool is not open yet"))
    return checks


def _thin(pool: NewPool, least_usd: int) -> Check:
    now, before = pool.reserve_usd, pool.reserve_before_usd
    if now is None:
        return _check("thin", None, "", unknown=_unsaid(pool, "thin"))
    said = f"{now:,.0f} USD in it, {least_usd:,} asked for"
    if now < least_usd:
        return Check("thin", Verdict.UNKNOWN, said)
    if before is None:
        return Check("thin", Verdict.UNKNOWN, f"{said}; seen for less than two slots")
    if now * BPS < before * (BPS - FALLS):
        return Check("thin", Verdict.UNKNOWN, f"{said}; it was {before:,.0f} USD two slots before")
    return Check("thin", Verdict.OK, said)


def _check_locked(pool: NewPool) -> Check:
    bps = pool.locked_bps
    if bps is None or (bps < LOCKED and pool.age_s < LOCKS_S):
        said = _unsaid(pool, "lp") if bps is None else f"{_percent(bps)} is locked so far"
        return Check("lp", Verdict.UNKNOWN, said)
    return _check("lp", bps < LOCKED, f"{_percent(bps)} is locked")


def _holders(pool: NewPool) -> Check:
    bps = pool.holders_bps
    refused = None if bps is None else bps > HOLDERS
    says = f"ten wallets hold {_percent(bps or 0)}"
    return _check("holders", refused, says, unknown=_unsaid(pool, "holders"))


def _unsaid(pool: NewPool, check: str) -> str:
    return pool.unsaid.get(check, NOBODY)


def of_trade(
    quote: Quote, spent: int, back: int | None, most_impact: int | None, kept_bps: int = 0
) -> list[Check]:
    """What the order's own size says. `back`: what comes back of `spent` by selling at once; `most_impact`:
    the engine's own limit, basis points; `kept_bps`: of every transfer, which `fee` has judged. An impact
    that nobody says is over."""
    impact, most = quote.price_impact_bps, min(IMPACT, most_impact or IMPACT)
    said = "nobody says how far" if impact is None else f"by {_percent(impact)}"
    checks = [_check("impact", impact is None or impact > most, f"it moves the price: {said}")]
    if back is None:
        return [*checks, _check("sellback", None, "")]
    fees = 2 * min(quote.fee or 0, spent * VENUE_FEE // BPS)
    least = spent - fees - spent * (2 * (impact or 0) + 2 * kept_bps + SPREAD) // BPS
    return [*checks, _check("sellback", back < least, f"{_percent(back * BPS // spent)} of it comes back")]


def waived(checks: Sequence[Check], accepted: Collection[str]) -> list[Check]:
    """The checks as they count for who accepts these risks."""
    return [
        Check(one.name, Verdict.ACCEPTED, one.says)
        if one.verdict is not Verdict.OK and one.name in accepted and one.name in RISKS
        else one
        for one in checks
    ]


def against(checks: Sequence[Check], verdict: Verdict) -> Iterator[Check]:
    return (one for one in checks if one.verdict is verdict)


def _percent(bps: int) -> str:
    return f"{Decimal(bps) / 100:f} %"
