"""An amount is read alike at every door: a line that moves from a script to a file, or from a file to HTTP,
is the same order there or refused there too.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from oee_cli.batch.batch_input_lines import Lines
from oee_cli.batch.batch_reader import read_rows
from oee_cli.batch.batch_row_keys import Keys
from oee_cli.cli_errors import CliError
from oee_cli.text.price_text import read_price
from oee_cli.text.request_text import TradeRequest, make_order_body
from oee_cli.waiting.waiting_edit import read_changes
from oee_cli.waiting.waiting_options import EditRequest
from oee_daemon.api import request_wire
from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.contract.setting_table import BY_NAME
from oee_daemon.errors import OeeError
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.paper.paper_balance import begun_with
from oee_daemon.orders.tokens import TOKENS

BOOK = TokenBook("simulated", TOKENS.values())
SOL = TOKENS["SOL"]
SELL = {"inputToken": "SOL", "outputToken": "USDC"}
ORDER: Any = SimpleNamespace(
    swap_mode=SwapMode.EXACT_IN, input_mint=SOL.mint, output_mint=TOKENS["USDC"].mint,
    type=OrderType.LIMIT, valid_for_s=300,
)  # fmt: skip


def http(body: bytes, column: str = "amount") -> Decimal:
    value = getattr(request_wire.read_order(request_wire.read_json(body), BOOK), column)
    return SOL.amount(value) if isinstance(value, int) else value


def sent(body: dict[str, Any], column: str = "amount") -> Decimal:
    return http(json.dumps(body).encode(), column)


def submitted(text: str) -> Decimal:
    (row,) = read_rows(Lines(io.BytesIO(text.encode())), {}, Keys("b"))
    if row.fault is not None:
        raise row.fault
    return sent(row.body)


def bought(**typed: Any) -> dict[str, Any]:
    return make_order_body(TradeRequest(**{"side": "sell", "base": "SOL", "quote": "USDC"} | typed))


def edited(body: bytes) -> Decimal:
    return SOL.amount(request_wire.read_edit(request_wire.read_json(body), ORDER, BOOK)["amount"])


def edit(text: str) -> Decimal:
    return edited(json.dumps(read_changes(EditRequest(amount=text))).encode())


def limit(price: str | None) -> dict[str, Any]:
    return {**SELL, "amount": 1, "type": "limit", "targetPrice": price}


def raw(amount: str) -> bytes:
    return b'{"inputToken": "SOL", "outputToken": "USDC", "amount": %b}' % amount.encode()


def worst(text: str) -> Decimal:
    """`--min-receive` counts USDC, of which a unit is a thousand of SOL's."""
    return sent(bought(amount="1", min_receive=text), "min_receive") * 1000


#: What one door makes of a text: a number, or a refusal.
DOORS: dict[str, Callable[[str], Decimal]] = {
    "an amount typed": lambda text: sent(bought(amount=text)),
    "--spend": lambda text: sent(bought(side="buy", base="JUP", quote="SOL", amount=None, spend=text)),
    "--min-receive": worst,
    "--at": lambda text: sent(limit(read_price(text, "--at", "SOL", "USDC").fixed), "target_price"),
    "oee edit --amount": edit,
    "a cell of CSV": lambda text: submitted(f"inputToken,outputToken,amount\nSOL,USDC,{text}\n"),
    "a text of JSON lines": lambda text: submitted(json.dumps({**SELL, "amount": text})),
    "HTTP": lambda text: sent({**SELL, "amount": text}),
    "a price by HTTP": lambda text: sent(limit(text), "target_price"),
    "an edit by HTTP": lambda text: edited(json.dumps({"amount": text}).encode()),
    "OEE_MAX_ORDER": lambda text: BY_NAME["max_order"].read(text),
    "OEE_PAPER_BALANCE": lambda text: SOL.amount(
        begun_with(BY_NAME["paper_balance"].read(f"{text} SOL"), BOOK)[SOL.mint]
    ),
}
#: Where the same digits stand as a number of JSON.
NUMBERS: dict[str, Callable[[str], Decimal]] = {
    "a number of JSON lines": lambda text: submitted(raw(text).decode()),
    "a number by HTTP": lambda text: http(raw(text)),
    "a number in an edit": lambda text: edited(b'{"amount": %b}' % text.encode()),
}
ALL = DOORS | NUMBERS

TAKEN = ["1", "1.5", "1.50", "10", "1e1", "1E1", "1e+1", "1.5e2", "100e-2", "0.00001", "1e-05", "1E-5"]
#: JSON has no numbers that begin so.
TEXT_ONLY = [".5", "007", ".5e1"]
REFUSED = [
    "", " ", "+1", "-1", "+.5", "1.", "1e", "e1", "1e1.5", "1_000", "1,5", "1 000", "0x10", "NaN", "inf",
    "Infinity", "\u0663", "\uff11", "1.5 SOL", "$5", "0", "0.0", "0e5", "-0",
]  # fmt: skip


def read(door: str, text: str) -> Decimal | None:
    try:
        return ALL[door](text)
    except (CliError, OeeError, ValueError):
        return None


@pytest.mark.parametrize("door", ALL)
def test_every_door_takes_the_same_numbers(door: str) -> None:
    texts = TAKEN if door in NUMBERS else TAKEN + TEXT_ONLY
    assert {text: read(door, text) for text in texts} == {text: Decimal(text) for text in texts}


@pytest.mark.parametrize("door", ALL)
def test_every_door_refuses_the_same_texts(door: str) -> None:
    assert not {text: got for text in REFUSED if (got := read(door, text)) is not None}
