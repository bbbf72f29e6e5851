"""What no order that waits can mean is refused by its code, with what to type instead."""

from __future__ import annotations

import json

import pytest

from tests.e2e.test_cli_waiting import run
from tests.kit.api_daemon import Shared
from tests.kit.commands import Cli

#: What is typed, the code, the sentence, and what to do.
WRONG: list[tuple[str, str, str, str]] = [
    ("limit buy SOL USDC 1.5", "missing_field", "--at is missing", "--at 140"),
    ("limit buy SOL USDC 1.5 --at 140USDC", "invalid_price", "USDC for one SOL", "--at 140"),
    ("limit buy SOL USDC 1.5 --at 1e3x", "invalid_price", "USDC for one SOL", "--at 140"),
    ("limit buy SOL USDC 1.5 --at 0", "invalid_price", "more than 0", "-5% is 5 % under now"),
    ("limit buy SOL USDC 1.5 --at -5", "invalid_price", "more than 0", "-5% is 5 % under now"),
    ("limit buy SOL USDC 1.5 --at 5%", "invalid_price", "no sign", "+5% or -5%"),
    ("limit buy SOL USDC 1.5 --at 14000", "price_far", "buy at once", "example --at 1"),
    ("limit buy SOL USDC 1.5 --at 0.00704", "price_inverted", "SOL for one USDC", "--far if it is meant"),
    ("limit buy USDC SOL 100 --at -2%", "invalid_price", "name the pair", "oee limit sell SOL USDC"),
    ("limit buy SOL USDC 1.5 --at 140 --trail 5%", "field_contradicts", "belong to stops", "oee stop"),
    ("limit sell SOL USDC --spend 5 --at 140", "usage", "--spend", "--receive"),
    ("stop sell SOL USDC 1.5 --at 500", "would_fire", "met already", "oee sell trades at once; --far"),
    ("stop sell SOL USDC 1.5 --at 130 --limit 135", "floor_contradicts", "floor is under", "--limit 104"),
    (
        "stop sell SOL USDC 1.5 --at 130 --trail 5%",
        "field_contradicts",
        "Both --at and --trail",
        "one of them",
    ),
    ("stop sell SOL USDC 1.5", "missing_field", "--at or --trail is missing", "--at 140"),
    ("stop sell SOL USDC 1.5 --trail 60%", "out_of_range", "0.1% to 50%", "5%"),
    ("limit buy SOL USDC 1.5 --at 140 --max-spend 9", "bound_contradicts", "is the bound", "Leave it out"),
    ("limit buy SOL USDC 1.5 --at 140 --expires 2099-12-01", "ambiguous_time", "start or its end", "T23:59"),
    ("limit buy SOL USDC 1.5 --at 140 --expires yesterday", "expired_already", "past", "24h"),
    ("limit buy SOL USDC 1.5 --at 140 --expires 2027-03-28T02:30", "no_such_time", "skip", "00:30Z"),
    ("limit buy SOL USDC 1.5 --at 140 --expires 2027-10-31T02:30", "ambiguous_time", "twice", "+02:00"),
    ("limit buy SOL USDC 1.5 --at 140 --tif day", "no_such_option", "without days", "--expires 24h"),
    ("limit buy SOL USDC 1.5 --at 140 --iceberg", "no_such_option", "nothing to hide", "oee submit"),
    ("limit buy SOL USDC 1.5 --at 140 --take-profit 160", "no_such_option", "something to exit", "--or-stop"),
    ("buy SOL USDC 1.5 --stop-loss 130", "no_such_option", "something to exit", "oee limit sell"),
    ("limit hold SOL USDC 1.5 --at 140", "usage", "buy or sell comes first", "oee limit buy SOL USDC"),
    ("limit buy SOL USDC 1.5 --at 140 --slippage 60%", "out_of_range", "it takes 0% to 50%", "0.5%"),
    ("limit buy SOL USDC 1.5 --at 140 --valid-for 99d", "out_of_range", "it takes 1s to 7d", "1h"),
    ("dca buy SOL USDC", "usage", "no command 'dca'", "--idempotency-key"),
    ("limit buy SOL USDC 1.5 --at 140 --timeout 5", "usage", "without --wait", "Add --wait"),
    ("limit buy SOL USDC 1.5 --at 140 --oco x", "usage", "too short", "oee history"),
    ("limit sell SOL USDC 1.5 --at 160 --or-stop 180", "would_fire", "met already", "--far"),
    ("limit sell SOL USDC 1.5 --at 160 --or-stop 13x", "invalid_price", "--or-stop", "--or-stop 140"),
    (
        "limit sell SOL USDC 1.5 --at 160 --or-stop 130 --or-stop-limit 135",
        "floor_contradicts",
        "floor is under",
        "--or-stop-limit 104",
    ),
    ("limit sell SOL USDC 1.5 --at 160 --or-stop-limit 9", "usage", "without --or-stop", "--or-stop PRICE"),
    ("limit sell SOL USDC 1.5 --at 160 --or-stop 130 --wait", "usage", "places two", "oee watch ID"),
    (
        "limit sell SOL USDC 1.5 --at 160 --or-stop 130 --oco 0c2f",
        "field_contradicts",
        "Both --oco and --or-stop",
        "oee stop",
    ),
    ("cancel --all --type limits --yes", "invalid_choice", "--type can't be 'limits': it takes 'market'", ""),
    ("cancel --group 0c2f --all", "usage", "--group says", "Leave the rest out"),
    ("snipe JUP USDC --at 10m", "missing_field", "--spend is missing", "--spend 100"),
    ("snipe BONK USDC --spend 100", "already_listed", "quoted all along", "oee buy BONK USDC"),
    ("snipe NEWCOIN USDC --spend 100", "needs_mint", "symbols are free to copy", "32 bytes"),
    (f"snipe {'x' * 45} USDC --spend 100", "needs_mint", f"'{'x' * 45}' is no mint", "32 bytes"),
    (f"snipe {'4' * 43} USDC --spend 100 --accept all", "invalid_choice", "one by one", "freeze"),
    (f"snipe {'4' * 43} USDC --spend 100 --min-liquidity 9.5", "out_of_range", "whole US dollars", "20000"),
    (f"snipe {'4' * 43} USDC --spend 100 --max-price +5%", "invalid_price", "has none", "0.002"),
    (f"snipe {'4' * 43} USDC --spend 100", "unknown_token", "not a token", ""),
    ("snipe JUP USDC --spend 100 --at 9m --accept lp", "field_contradicts", "new token", "Leave it out"),
    ("snipe JUP USDC --spend 100 --at 140", "invalid_time", "it is a time here", "--max-price 140"),
    ("snipe JUP USDC --spend 100 --at 2020-12-01T09:00:00Z", "expired_already", "is past", "24h"),
    ("snipe JUP USDC --spend 100 --at 9m --within 5m", "field_contradicts", "has to be after", "later"),
    ("snipe USDC SOL --spend 100 --at 9m", "side_contradicts", "buys", "oee snipe SOL USDC"),
    ("snipe JUP USDC --spend 100 --at 9m --max-price 0", "invalid_price", "more than 0", "-5%"),
    ("buy SOL USDC 1.5 --at 140", "field_contradicts", "trades at once", "oee limit"),
    ("sell SOL USDC 1.5 --oco 0c2f", "field_contradicts", "trades at once", "oee limit"),
    ("buy SOL USDC 1.5 --tif ioc", "no_such_option", "at once and whole", "--max-spend 215"),
    ("limit buy BONK USDC 0.00001 --at 0.0000000001", "amount_too_small", "smallest unit", "Ask for more"),
]


@pytest.mark.parametrize(("typed", "code", "sentence", "hint"), WRONG, ids=[line for line, *_ in WRONG])
def test_a_wrong_use_is_refused_by_code_sentence_and_hint(
    cli: Cli, api: Shared, typed: str, code: str, sentence: str, hint: str
) -> None:
    before = api.stored()
    done = run(cli, typed, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, code), error
    assert sentence in error["message"]
    assert hint in error["hint"]
    assert api.stored() == before
