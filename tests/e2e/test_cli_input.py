"""Every kind of wrong input by the command line: what is said, with which code, and nothing stored."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, Cli

#: The words typed, and what has to be said: the argument or field at fault, and what to do about it.
WRONG: list[tuple[str, str, str]] = [
    # Commands and options.
    ("bu SOL USDC 1", "no command 'bu'", "Did you mean oee buy?"),
    ("daemon stat", "no command 'stat'", "Did you mean oee daemon st"),
    ("buy SOL USDC 1 --slipage 1%", "no option --slipage", "Did you mean --slippage?"),
    ("buy SOL USDC 1 --side sell", "no option --side", "oee buy --help"),
    ("buy SOL USDC 1 --limit 140", "it trades at once", "oee limit, oee stop"),
    ("sell SOL USDC --spend 1", "what a sale spends is base", "oee sell SOL USDC 1.5"),
    ("limit SOL USDC 1 --at 140", "buy or sell comes first", "oee limit buy SOL"),
    ("stop sell SOL USDC 1 --trail 5% --limit 9", "--limit does not go with --trail", ""),
    (
        "limit buy SOL USDC 1 --at 140 --from 2d --expires 1d",
        "--expires has to be after --from",
        "Name a later",
    ),
    ("stop buy SOL USDC 1 --at 150 --limit 140", "--limit 140, --at 150", "--limit"),
    ("buy SOL USDC 1 2", "takes: 2", "It is used as: oee buy"),
    ("buy", "BASE is missing", "It is used as: oee buy"),
    ("buy SOL USDC 1 --slippage", "--slippage", "oee buy --help"),
    ("help nope", "no help on 'nope'", "oee help"),
    ("completion tcsh", "tcsh", "bash, zsh, fish"),
    ("paths nowhere", "place can't be", "home, config, socket"),
    ("drill --workers 9", "--workers can't be '9'", "from 1 to 8"),
    ("drill --orders none", "--orders can't be", "a whole number from 1 on"),
    # Amounts.
    ("buy SOL USDC", "neither an amount", "oee buy SOL USDC 1.5"),
    ("buy SOL USDC 0", "amount", "For example 1.5"),
    ("buy SOL USDC -1", "amount", "without a sign"),
    ("buy SOL USDC abc", "amount", "plain digits"),
    ("buy SOL USDC +1e3", "amount", "plain digits"),
    ("buy SOL USDC ''", "amount", "plain digits"),
    ("buy SOL USDC 1.0000000001", "amount", "has: 9"),
    ("buy SOL USDC 99999999999999999999999", "amount", ""),
    ("buy SOL USDC 1 --spend 2", "--spend were given", "one of"),
    ("buy SOL USDC --spend 0", "--spend", "For example"),
    ("sell SOL USDC 1 --receive 2", "--receive", "one of"),
    ("sell SOL USDC --receive 0.0000001", "amount", "has: 6"),
    # Tokens and pairs.
    ("buy NOPE USDC 1", "NOPE", "SOL, USDC"),
    ("buy SOL NOPE 1", "NOPE", "SOL, USDC"),
    ("buy SOL SOL 1", "base and quote are the same", ""),
    ("buy SOL/USDC 1.5", "two words", "oee buy SOL USDC 1.5"),
    ("buy SOL-USDC 1.5", "two words", "oee buy SOL USDC 1.5"),
    ("quote SOL/USDC 1.5", "two words", "oee quote SOL USDC 1.5"),
    ("chart SOL/USDC", "two words", "oee chart SOL USDC"),
    ("buy 1.5 SOL USDC", "the amount comes last", "oee buy SOL USDC 1.5"),
    ("buy SOL 1.5 USDC", "the amount comes last", "oee buy SOL USDC 1.5"),
    ("buy SOL .5", "QUOTE is missing", "oee buy SOL USDC .5"),
    ("limit sell JUP 5 --at 1", "QUOTE is missing", "oee limit sell JUP USDC 5"),
    ("buy \udcff USDC 1", "outputToken", "plain characters"),
    ("buy So11111111111111111111111111111111111111113 USDC 1", "So1111", "SOL, USDC"),
    # Bounds and how long.
    ("buy SOL USDC 1 --slippage 1", "--slippage", "Write 1% or 1bps"),
    ("buy SOL USDC 1 --slippage -1%", "--slippage", ""),
    ("buy SOL USDC 1 --slippage 101%", "--slippage", "takes 0% to 50%"),
    ("buy SOL USDC 1 --slippage 0.001%", "--slippage", "0.01%"),
    ("buy SOL USDC 1 --max-spend 0", "--max-spend", "For example"),
    ("buy SOL USDC 1 --max-spend 1.0000001", "--max-spend", "has: 6"),
    ("buy SOL USDC 1 --min-receive 1", "--min-receive", "--max-spend"),
    ("sell SOL USDC 1 --max-spend 1", "--max-spend", "--min-receive"),
    ("sell SOL USDC 1 --min-receive x", "--min-receive", "plain digits"),
    ("buy SOL USDC 1 --timeout soon", "--timeout", "90s, 5m or 1h"),
    ("buy SOL USDC 1 --timeout -5", "--timeout", "90s, 5m or 1h"),
    ("buy SOL USDC 1 --valid-for 0", "--valid-for", "90s, 5m or 1h"),
    ("buy SOL USDC 1 --valid-for 1.5", "--valid-for", "90s, 5m or 1h"),
    ("buy SOL USDC 1 --valid-for 9999999w", "--valid-for", "takes 1s to 7d"),
    ("buy SOL USDC 1 --detach --events", "--events says nothing", "oee watch ID --json"),
    ("limit buy SOL USDC 1 --at 9 --events", "--events says nothing", "Add --wait"),
    # Keys.
    ("buy SOL USDC 1 --idempotency-key short", "--idempotency-key", "uuidgen"),
    ("buy SOL USDC 1 --idempotency-key schlüssel-eins", "--idempotency-key", "uuidgen"),
    (f"buy SOL USDC 1 --idempotency-key {'x' * 256}", "--idempotency-key", "uuidgen"),
    # Quotes.
    ("quote SOL USDC", "neither an amount", "oee quote SOL USDC 1.5"),
    ("quote SOL USDC 1 --side hold", "--side", "it takes buy, sell"),
    ("quote SOL USDC --receive 1", "--receive", "--spend"),
    ("quote NOPE USDC 1", "NOPE", "SOL, USDC"),
    # Ids and lists.
    ("show", "ID is missing", "oee show [OPTIONS] ID"),
    ("show abc", "abc", "oee history"),
    ("history --pair \udcff", "pair", "plain characters"),
    ("watch 0", "'0'", "oee history"),
    ("cancel", "ID is missing", "oee cancel --all"),
    ("cancel --all", "nobody can be asked here", "Add --yes"),
    ("tokens search ''", "text is empty", "oee tokens"),
    ("cancel last --all --yes", "Both --all and an ID", "one of them"),
    ("cancel last --pair SOL/USDC", "--pair narrows --all", "Leave it out"),
    ("cancel --all --yes --pair SOL", "--pair has to be BASE/QUOTE.", "SOL/USDC"),
    ("cancel --all --yes --pair USDC/SOL", "USDC is always the quote", "It is SOL/USDC"),
    ("waiting --pair USDT/JUP", "USDT is always the quote", "It is JUP/USDT"),
    ("stats --pair SOL/SOL", "pair names one token twice", "SOL/USDC"),
    ("cancel ''", "''", "oee history"),
    ("watch last --timeout x", "--timeout", "90s, 5m or 1h"),
    ("buy SOL USDC 1 --wait", "waits for the end by itself", "--detach"),
    ("submit x --wait", "waits for the end by itself", "--timeout 5m"),
    ("limit buy SOL USDC 1 --at 9 --detach", "returns, by itself", "--wait"),
    ("stop", "buy|sell is missing", "oee daemon stop"),
    ("stats --pair=x", "--pair has to be BASE/QUOTE.", "SOL/USDC"),
    ("history --status done", "--status", "submitted, confirmed, failed"),
    ("history --side up", "--side", "it takes buy, sell"),
    ("history --pair SOL", "pair", ""),
    ("history --pair NOPE/USDC", "NOPE", "SOL, USDC"),
    ("history --since soon", "--since", "yesterday"),
    ("history --limit -1", "--limit", "all"),
    ("history --since 1h --until 2h", "--since", "--until"),
    ("history --columns order,prise", "'prise'", "--columns help"),
    ("history --columns price,price", "twice", "once"),
    ("history --columns ,", "--columns", "order,when"),
    ("history --columns price --json", "--columns", "jq"),
    ("history --until 31.12.", "--until", "yesterday"),
    ("history --token NOPE", "NOPE", "SOL, USDC"),
    ("history --type iceberg", "type", "market"),
    ("fills --columns orders", "order", "amountIn"),
    ("fills -n few", "--limit", "all"),
    ("history --limit many", "--limit", ""),
    ("history --json --csv", "--csv", "one of"),
    ("fills --order ab", "ab", "oee history"),
    # Files of orders.
    ("submit", "FILE|- is missing", "oee submit"),
    ("submit /no/such/file", "/no/such/file", "or - for stdin"),
    ("submit / --max-inflight 0", "--max-inflight", "from 1 to"),
    ("submit / --slippage 1", "--slippage", "1% or 1bps"),
    ("daemon logs -n -1", "--lines", ""),
]


@pytest.mark.parametrize(("typed", "named", "remedy"), WRONG, ids=[ascii(case[0])[1:60] for case in WRONG])
def test_wrong_input_is_refused_in_words(cli: Cli, api: Shared, typed: str, named: str, remedy: str) -> None:
    before = api.stored()
    done = cli.inside(*shlex.split(typed))
    said = " ".join(done.stderr.split())
    assert done.returncode == 2, said
    assert done.stdout == "" or "error" in json.loads(done.stdout)
    assert named.lower() in said.lower()
    assert remedy.lower() in said.lower()
    assert "Traceback" not in said
    assert api.stored() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OEE_HOME", "relative/path"),
        ("OEE_URL", "ftp://elsewhere"),
        ("OEE_NO_AUTOSTART", "perhaps"),
        ("OEE_TOKEN", "with\nnewline"),
    ],
)
def test_a_wrong_setting_is_named(cli: Cli, name: str, value: str) -> None:
    done = cli.run(*BUY, **{name: value})
    assert done.returncode == 2
    assert f"{name} can't be " in done.stderr and ": it takes " in done.stderr


def test_a_broken_config_file_is_named(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "oee"
    folder.mkdir()
    (folder / "config.toml").write_text("home = ")
    done = cli.run(*BUY, XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 2
    assert str(folder / "config.toml") in " ".join(done.stderr.split())


#: Lines for `oee submit`, and what the line's result has to name.
WRONG_LINES: list[tuple[str, str]] = [
    ("{", "JSON object"),
    ("[1, 2]", "JSON object"),
    ("null", "JSON object"),
    ("hello", "JSON object"),
    ('{"inputToken": "SOL", "inputToken": "SOL"}', "twice"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": NaN}', "NaN"),
    ('{"inputToken": "SOL", "outputToken": "USDC"}', "amount"),
    ('{"inputToken": "SOL", "amount": 1}', "outputToken"),
    ('{"outputToken": "USDC", "amount": 1}', "inputToken"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 0}', "amount"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": -1}', "amount"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": "x"}', "amount"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": true}', "amount"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": {}}', "amount"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 1e999999999}', "amount"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "colour": "red"}', "colour"),
    ('{"inputToken": "NOPE", "outputToken": "USDC", "amount": 1}', "NOPE"),
    ('{"inputToken": "SOL", "outputToken": "SOL", "amount": 1}', "SOL"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "slippageBps": 10001}', "slippageBps"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "slippageBps": 1.5}', "slippageBps"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "validForS": 0}', "validForS"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "side": "buy"}', "side"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "swapMode": "Both"}', "swapMode"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "idempotencyKey": "x"}', "idempotencyKey"),
    ('{"inputToken": "\\ud800", "outputToken": "USDC", "amount": 1}', "inputToken"),
    ("x" * 70_000, "longer"),
    ("{" * 5_000, "JSON object"),
    ('{"a":' * 500 + "1" + "}" * 500, "nested"),
    ('{"inputToken": "SOL", "outputToken": "USDC", "amount": {"a": 1.5}}', "amount"),
]


def test_a_wrong_line_names_its_field_and_stores_nothing(cli: Cli, api: Shared) -> None:
    good = '{"inputToken": "SOL", "outputToken": "USDC", "amount": 1}'
    before = api.stored()
    lines = [good, *(line for line, _ in WRONG_LINES), good]
    done = cli.run("submit", "-", "--batch", "wrong-lines", stdin="\n".join(lines))
    assert done.returncode == 2
    results: dict[int, Any] = {(r := json.loads(line))["line"]: r for line in done.stdout.splitlines()}
    assert sorted(results) == list(range(1, len(lines) + 1))
    for number, (line, named) in enumerate(WRONG_LINES, 2):
        error = results[number]["error"]
        assert named in error["message"], (line[:100], error)
        assert error["code"] and not error["retryable"]
    assert {results[n]["order"]["status"] for n in (1, len(lines))} == {"confirmed"}
    assert api.stored() == before + 2
    assert f"{len(lines)} lines: 2 confirmed, {len(WRONG_LINES)} wrong" in done.stderr


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"amount,amount\n1,2\n", "each once"),
        (b"inputToken,,amount\nSOL,USDC,1\n", "Column 2 of the CSV has no name"),
        (b'"inputToken\n', "a quote is left open"),
        (b"SOL,USDC,1.5\n", "names its fields"),
        (b"\xff\xfe\x00bad", "UTF-8"),
    ],
    ids=["a field twice", "a field without a name", "a quote left open", "no names at all", "not UTF-8"],
)
def test_a_file_that_is_wrong_as_a_whole(
    cli: Cli, api: Shared, tmp_path: Path, content: bytes, named: str
) -> None:
    before = api.stored()
    (tmp_path / "orders").write_bytes(content)
    done = cli.run("submit", str(tmp_path / "orders"))
    assert done.returncode == 2
    assert named in done.stderr
    assert api.stored() == before


def test_a_row_of_csv_that_is_wrong(cli: Cli, api: Shared) -> None:
    before = api.stored()
    rows = 'inputToken,outputToken,amount\nSOL,USDC\nSOL,USDC,x\nSOL,USDC,1,2\n"SOL,USDC,1\n'
    done = cli.run("submit", "-", stdin=rows)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 2
    assert {r["line"] for r in results} == {2, 3, 4, 5}
    assert all("error" in r for r in results)
    assert api.stored() == before
