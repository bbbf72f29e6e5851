"""What people type to trade, as the one HTTP body that it means.

Everything typed is checked here before anything is started; the daemon checks it again and decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from oee_cli.cli_errors import UsageFault
from oee_cli.text.amount_text import read_amount
from oee_cli.text.terms_text import Terms
from oee_cli.text.time_text import read_whole_seconds
from oee_daemon.contract.listed_tokens import is_stable

#: What is typed as one word for a pair, and for an amount.
_PAIR = re.compile(r"([^/:_-]*)([/:_-])([^/:_-]*)")
_NUMBER = re.compile(r"\.?\d[\d.,]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRequest:
    """One order as it was typed."""

    side: str
    #: The words before the pair, as in an example: `buy`, `limit buy`.
    verb: str = ""
    base: str
    quote: str
    #: Of the base; `None` where the quote's is given, by `spend` when buying, by `receive` when selling.
    amount: str | None = None
    spend: str | None = None
    receive: str | None = None
    terms: Terms = field(default_factory=Terms)
    valid_for: str | None = None
    max_spend: str | None = None
    min_receive: str | None = None


def check_pair(verb: str, base: str, quote: str, amount: str | None) -> None:
    """Raises `UsageFault` where the two words are a pair and an amount, come after it, or are the same."""
    pair = _PAIR.fullmatch(base)
    first, mark, second = pair.groups() if pair else (base, "", "")
    if mark == "/" or (mark and amount is None and _NUMBER.fullmatch(quote)):
        raise UsageFault(
            "A pair is written as two words.", hint=f"oee {verb} {first or 'SOL'} {second or 'USDC'} {quote}"
        )
    if amount is not None and not _NUMBER.fullmatch(amount):
        if _NUMBER.fullmatch(base):
            raise UsageFault("The amount comes last.", hint=f"oee {verb} {quote} {amount} {base}")
        if _NUMBER.fullmatch(quote):
            raise UsageFault("The amount comes last.", hint=f"oee {verb} {base} {amount} {quote}")
    if amount is None and _NUMBER.fullmatch(quote):
        other = "SOL" if is_stable(base) else "USDC"
        raise UsageFault(
            f"QUOTE is missing: the token that {base} is traded against.",
            hint=f"oee {verb} {base} {other} {quote}",
        )
    if base.lower() == quote.lower():
        raise UsageFault(f"BASE and QUOTE are the same: {base}.", hint="Name two different tokens.")


def make_order_body(request: TradeRequest) -> dict[str, Any]:
    """The HTTP body of what was typed. Raises `UsageFault`."""
    buys = request.side == "buy"
    options = [("--spend", request.spend), ("--receive", request.receive)]
    (option, other), (wrong, unasked) = options if buys else reversed(options)
    if unasked is not None:
        raise UsageFault(f"{wrong} does not go with {request.side}.", hint=f"Use {option} instead.")
    check_pair(request.verb or request.side, request.base, request.quote, request.amount)
    if (request.amount is None) == (other is None):
        what = "Both an amount and" if request.amount is not None else "Neither an amount nor"
        example = f"oee {request.verb or request.side} {request.base} {request.quote}"
        counted = ((f"{example} 1.5", request.base), (f"{example} {option} 200", request.quote))
        room = max(len(typed) for typed, _ in counted)
        raise UsageFault(
            f"{what} {option} {'was' if request.amount is None else 'were'} given: it takes one of them.",
            hint="\n".join(f"{typed.ljust(room)}   counts {token}" for typed, token in counted),
        )
    if request.amount is not None:
        amount = read_amount(request.amount, "The amount")
    else:
        amount = read_amount(other or "", option)
    exact_out = buys == (request.amount is not None)
    body: dict[str, Any] = {
        "inputToken": request.quote if buys else request.base,
        "outputToken": request.base if buys else request.quote,
        "amount": amount,
        "swapMode": "ExactOut" if exact_out else "ExactIn",
    }
    if is_stable(request.base) == is_stable(request.quote):
        # The tokens leave it open which way it is.
        body["side"] = request.side
    return {**body, **_read_bounds(request, exact_out)}


def _read_bounds(request: TradeRequest, exact_out: bool) -> dict[str, Any]:
    """The body's optional fields. A bound on the amount that is fixed is refused: it would bind nothing."""
    fields: dict[str, Any] = {}
    if request.max_spend is not None:
        if not exact_out:
            raise UsageFault(
                "--max-spend says nothing here: what is spent is fixed.", hint="Use --min-receive instead."
            )
        fields["maxSpend"] = read_amount(request.max_spend, "--max-spend")
    if request.min_receive is not None:
        if exact_out:
            raise UsageFault(
                "--min-receive says nothing here: what is received is fixed.", hint="Use --max-spend instead."
            )
        fields["minReceive"] = read_amount(request.min_receive, "--min-receive")
    fields |= request.terms.body()
    if request.valid_for is not None:
        fields["validForS"] = read_whole_seconds(request.valid_for, "--valid-for")
    return fields
