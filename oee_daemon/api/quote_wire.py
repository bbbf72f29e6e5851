"""How the API writes quotes and what events say: amounts net, as decimal strings, in camelCase.

Events are stored as `orders.events` writes them. Those of releases up to 0.1.0 are stored as they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.alias_generators import to_camel

from oee_daemon.contract.fields import BY_COLUMN, Field, Kind
from oee_daemon.contract.status import Status
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.events import answer_data
from oee_daemon.orders.order import Event, price_text
from oee_daemon.orders.swap import VenueAnswer
from oee_daemon.orders.terms import Terms
from oee_daemon.orders.tokens import TOKENS, Token

#: Seconds for what the network would take: a list of quotes does without it.
FEES_S = 1.0
#: What says which tokens an amount counts.
Traded = Terms | Event


async def quotes_json(answers: Sequence[VenueAnswer], terms: Terms, network: Network) -> list[dict[str, Any]]:
    """One object a venue, those without a quote too, in the given order; each with about what the network
    would take of its swap."""
    names = ("venue", "amountIn", "amountOut", "price", "fee", "priceImpactBps", "latencyMs", "error")
    found = [_quote_json(answer_data(answer), terms, network.tokens) for answer in answers]
    fees = await _fees_about(answers, network)
    return [
        {name: quote[name] for name in names} | {"networkFee": _coin_text(fees.get(quote["venue"]))}
        for quote in found
    ]


async def _fees_about(answers: Sequence[VenueAnswer], network: Network) -> dict[str, int]:
    """By venue; without those of which nobody tells."""
    tolls = {one.venue: one.quote.toll for one in answers if one.quote and one.quote.toll}
    if network.fees is None:
        return {}
    try:
        return dict(zip(tolls, await network.fees.about(list(tolls.values()), FEES_S), strict=True))
    except ChainUnavailable:
        return {}


def _coin_text(units: int | None) -> str | None:
    """Of the network's own coin."""
    return _text(TOKENS["SOL"], units)


def limits_json(network: Network) -> dict[str, Any]:
    """What no swap may go beyond: the network's part, in its own coin, and how far the price may move."""
    return {
        "networkFee": _coin_text(network.fee_cap),
        "maxImpactBps": network.max_impact,
    }


def event_data(event: Event, tokens: TokenBook) -> dict[str, Any]:
    """The event's `data` as it is shown. Keys are in the order in which Postgres keeps those of JSON."""
    data = event.data
    if "amount_in" in data:
        given, taken = tokens.by_mint(event.input_mint), tokens.by_mint(event.output_mint)
        paid = data.get("network_fee")
        return {
            "fee": _text(given, data["fee"]),
            "slot": data["slot"],
            "price": _price(data, event, tokens),
            "filledIn": given.text(data["amount_in"]),
            "filledOut": taken.text(data["amount_out"]),
            "signature": data["signature"],
        } | ({} if paid is None else {"networkFee": _coin_text(paid)})
    if event.status is Status.WAITING or "trigger" in data or "by" in data:
        return _condition_data(data, event, tokens)
    answered = "answers" in data
    if not answered and ("quotes" in data or "error" not in data or event.status is Status.EXPIRED):
        return data
    shown: dict[str, Any] = {
        name: data[name] for name in ("error", "venue", "barred", "checks") if name in data
    }
    shown["quotes"] = [_quote_json(answer, event, tokens) for answer in data.get("answers", ())]
    if "retry_in_ms" in data:
        shown["retryInMs"] = data["retry_in_ms"]
    return shown


def _condition_data(data: dict[str, Any], event: Event, tokens: TokenBook) -> dict[str, Any]:
    """What a condition, a trigger or a return to waiting says."""
    shown = {to_camel(name): _camel(value) for name, value in data.items() if name != "answers"}
    if "answers" in data:
        shown["quotes"] = [_quote_json(answer, event, tokens) for answer in data["answers"]]
    if "edited" in data:
        shown["edited"] = {
            BY_COLUMN[name].name if name in BY_COLUMN else to_camel(name): [
                _edited_value(BY_COLUMN.get(name), value, event, tokens, *mint) for value in (old, new)
            ]
            for name, (old, new, *mint) in data["edited"].items()
        }
    return shown


def _edited_value(field: Field | None, value: Any, event: Event, tokens: TokenBook, mint: str = "") -> Any:
    """A value before or after an edit; amounts in whole tokens. `field`: none of a setting; `mint`: of what
    the amount counts."""
    if field is None or field.kind is not Kind.AMOUNT or value is None:
        return value
    counted = event.output_mint if field.counts == "output_token" else event.input_mint
    return tokens.by_mint(mint or counted).text(value)


def _camel(value: Any) -> Any:
    return {to_camel(name): told for name, told in value.items()} if isinstance(value, dict) else value


def _quote_json(answer: Mapping[str, Any], traded: Traded, tokens: TokenBook) -> dict[str, Any]:
    given, taken = tokens.by_mint(traded.input_mint), tokens.by_mint(traded.output_mint)
    amounts: dict[str, str | None] = {"amountIn": None, "amountOut": None}
    quoted = "amount_in" in answer
    if quoted:
        amounts["amountIn"] = _text(given, answer["amount_in"])
        amounts["amountOut"] = _text(taken, answer["amount_out"])
    return {
        "fee": _text(given, answer.get("fee")),
        "error": answer.get("error"),
        "price": _price(answer, traded, tokens) if quoted else None,
        "venue": answer["venue"],
        **amounts,
        "latencyMs": answer["latency_ms"],
        "priceImpactBps": answer.get("price_impact_bps"),
    }


def _text(token: Token, units: int | None) -> str | None:
    return None if units is None else token.text(units)


def _price(amounts: Mapping[str, Any], traded: Traded, tokens: TokenBook) -> str:
    given, taken = tokens.by_mint(traded.input_mint), tokens.by_mint(traded.output_mint)
    return price_text(traded.side, given.amount(amounts["amount_in"]), taken.amount(amounts["amount_out"]))
