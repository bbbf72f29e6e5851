"""What was typed wrong, said in three parts: what, why, and what to do next.

Knows commands and options only through the tree that Typer built; nothing here runs a command.
"""

from __future__ import annotations

import re
from typing import Any

from oee_cli.cli_errors import CliError, Refused, UsageFault
from oee_cli.text.nearest_word_text import nearest

_NUMBER = re.compile(r"-[\d.]")
_NO_COMMAND = re.compile(r"No such command '(.*)'")
#: What the parser says of a value that is no choice, no whole number, or out of its range.
_WRONG_VALUE = re.compile(r"Invalid value for .*?: '?(.*?)'? is not (?:one of|in the range|a )", re.DOTALL)
#: Words that other tools have for it.
_OTHERS_SAY = {"list": "history", "ls": "history", "orders": "history", "order": "show", "trades": "fills"}
#: Commands that others have, and what does that here.
_DONE_BY = {
    "dca": 'cron, with a key for each day: oee buy SOL USDC --spend 50 --idempotency-key "dca-$(date +%F)"',
    "twap": "oee submit, with a launchTime in each row",
}

_BOUND = ("bound_contradicts", "The price that it waits for is the bound.", "Leave it out.")
_AT_ONCE = ("field_contradicts", "It waits for nothing: it trades at once.", "To wait: oee limit, oee stop")
#: Options of another command, or of another kind of market: code, why not here, what to do.
_ELSEWHERE = {
    ("oee limit", "--trail"): ("field_contradicts", "Trails belong to stops.", "oee stop … --trail 5%"),
    ("oee limit", "--limit"): ("field_contradicts", "A limit's price is its --at.", "oee limit … --at 140"),
    ("oee limit", "--confirm"): ("field_contradicts", "Its own quote confirms a limit.", "Leave it out."),
    **{
        (f"oee {kind}", bound): _BOUND
        for kind in ("limit", "stop")
        for bound in ("--max-spend", "--min-receive")
    },
    **{
        (f"oee {side}", option): _AT_ONCE
        for side in ("buy", "sell")
        for option in ("--at", "--limit", "--stop", "--price", "--trail", "--expires", "--oco", "--or-stop")
    },
    ("oee buy", "--receive"): (
        "field_contradicts",
        "What a purchase receives is BASE, and AMOUNT counts it.",
        "oee buy SOL USDC 1.5, or what it pays: oee buy SOL USDC --spend 200",
    ),
    ("oee sell", "--spend"): (
        "field_contradicts",
        "What a sale spends is BASE, and AMOUNT counts it.",
        "oee sell SOL USDC 1.5, or what it brings: oee sell SOL USDC --receive 200",
    ),
    **{
        (f"oee {side}", "--tif"): (
            "no_such_option",
            "It is filled at once and whole, or not at all, by its bound.",
            f"For example {bound}",
        )
        for side, bound in (("buy", "--max-spend 215"), ("sell", "--min-receive 205"))
    },
    **{
        (f"oee {command}", "--wait"): (
            "usage",
            "It waits for the end by itself.",
            "For how long: --timeout 5m. Not at all: --detach",
        )
        for command in ("buy", "sell", "submit")
    },
    **{
        (f"oee {command}", "--detach"): (
            "usage",
            "It prints the id once the order is durable, and returns, by itself.",
            "To wait for its end: --wait",
        )
        for command in ("limit", "stop", "snipe")
    },
    ("", "--tif"): (
        "no_such_option",
        "It waits until it is cancelled, or as --expires says; a market without days has no DAY.",
        "For example --expires 24h",
    ),
    **{
        ("", option): (
            "no_such_option",
            "An exit is placed once there is something to exit.",
            "Once it is bought: oee limit sell SOL USDC 1.5 --at 160 --or-stop 130",
        )
        for option in ("--take-profit", "--stop-loss")
    },
    ("", "--iceberg"): (
        "no_such_option",
        "Nothing of an order rests in a pool, so there is nothing to hide.",
        "Several smaller orders: oee submit",
    ),
}


def explain_wrong_usage(error: Any, root: Any, arguments: list[str]) -> UsageFault:
    """A parser's error as one of ours. Not every one of them knows in which command it happened."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _typed_path(root, arguments)
    more = f"See: {path} --help"
    command = getattr(context, "command", None)
    message = str(error.format_message()).strip()
    option = getattr(error, "option_name", None)
    unknown = _NO_COMMAND.match(message)
    if unknown:
        return _unknown_command(path, command, unknown[1], more)
    if type(error).__name__ == "NoSuchOption" and option:
        return _unknown_option(path, command, option, arguments, more)
    if type(error).__name__ == "MissingParameter":
        parameter = getattr(error, "param", None)
        name = getattr(parameter, "metavar", None) or getattr(parameter, "name", "an argument")
        pair = next((word for word in arguments if "/" in word), None)
        if name == "QUOTE" and pair is not None:
            base, _, quote = pair.partition("/")
            return UsageFault("A pair is written as two words.", hint=f"{path} {base} {quote}\n{more}")
        if arguments == ["stop"]:
            more = f"The daemon: oee daemon stop\n{more}"
        return UsageFault(f"{name} is missing.", hint=f"{_usage_line(context)}\n{more}")
    if "unexpected extra argument" in message:
        extra = message.rpartition("(")[2].rstrip(").")
        return UsageFault(
            f"More was given than {path} takes: {extra}", hint=f"{_usage_line(context)}\n{more}"
        )
    wrong = _WRONG_VALUE.match(message)
    return _wrong_value(path, error.param, wrong[1], more) if wrong else UsageFault(message, hint=more)


def _wrong_value(path: str, parameter: Any, typed: str, more: str) -> UsageFault:
    """`--workers can't be '9': it takes a whole number from 1 to 8.`"""
    option = parameter.param_type_name == "option"
    name = parameter.opts[0] if option else str(parameter.metavar or parameter.name).strip("[]")
    known = list(getattr(parameter.type, "choices", ()))
    low, high = (getattr(parameter.type, bound, None) for bound in ("min", "max"))
    takes = ", ".join(known) or "a whole number"
    if name == "buy|sell":
        hint = f"{path} buy SOL USDC 1.5 --at 140\n{more}"
        return UsageFault(f"buy or sell comes first, and not {typed[:40]!r}.", hint=hint)
    if not known and low is not None:
        takes += f" from {low} on" if high is None else f" from {low} to {high}"
    return guess_error(f"{name} can't be {typed[:40]!r}: it takes {takes}.", typed, known, "", more)


def _unknown_command(path: str, command: Any, typed: str, more: str) -> UsageFault:
    known = dict(getattr(command, "commands", {}))
    what = f"{path} has no command {typed!r}."
    if path == "oee" and typed in _OTHERS_SAY:
        return UsageFault(what, hint=f"Did you mean oee {_OTHERS_SAY[typed]}?\n{more}")
    if path == "oee" and typed in _DONE_BY:
        return UsageFault(what, hint=f"{_DONE_BY[typed]}\n{more}")
    for name, group in known.items():
        if typed in getattr(group, "commands", {}):
            return UsageFault(what, hint=f"Did you mean {path} {name} {typed}?\n{more}")
    return guess_error(what, typed, list(known), f"{path} ", more)


def _unknown_option(path: str, command: Any, option: str, arguments: list[str], more: str) -> UsageFault:
    what = f"{path} has no option {option}."
    known_elsewhere = _ELSEWHERE.get((path, option)) or _ELSEWHERE.get(("", option))
    if known_elsewhere is not None:
        code, why, hint = known_elsewhere
        return UsageFault(f"{what} {why}", hint=f"{hint}\n{more}", code=code)
    commands = getattr(command, "commands", {})
    if _NUMBER.match(option) and not commands:
        return UsageFault("An amount has to be more than 0.", hint=f"Write it without a sign. {more}")
    following = next((word for word in arguments if word in commands), None)
    if following:
        return UsageFault(what, hint=f"Options stand after the command: {path} {following} {option}\n{more}")
    known = [name for p in getattr(command, "params", []) for name in p.opts if name.startswith("--")]
    return guess_error(what, option, [*known, "--help"], "", more)


#: What to do about errors that come without an advice of their own, by code.
_ADVICE = {
    "over_limit": "The limits, and how much of each is used: oee limits",
    "no_reference_price": "The limits: oee limits. Whether a venue has a price: oee quote",
    "key_file": "Which wallets there are: oee wallet list",
    "passphrase_file": "It takes a file of yours alone (mode 0600) whose one line is the passphrase.",
    "wrong_passphrase": "Which wallets there are: oee wallet list",
    "token_pinned": "Which tokens there are: oee tokens",
}


def what_next(error: CliError, root: Any, arguments: list[str]) -> str:
    """What to do about an error that came without an advice of its own."""
    if error.code in _ADVICE:
        return _ADVICE[error.code]
    if isinstance(error, UsageFault | Refused):
        # It would say no again, and nothing is out of order.
        return f"See: {_typed_path(root, arguments)} --help"
    return "What is wrong here, and what mends it: oee doctor"


def name_option(error: CliError, arguments: list[str]) -> None:
    """Says `--pair` for what the daemon calls `pair`, where that option was typed."""
    name = error.message.partition(" ")[0]
    if isinstance(error, UsageFault) and f"--{name}" in (word.partition("=")[0] for word in arguments):
        error.message = f"--{error.message}"


def _typed_path(command: Any, arguments: list[str]) -> str:
    path = ["oee"]
    for word in arguments:
        if word in (known := getattr(command, "commands", {})):
            path.append(word)
            command = known[word]
    return " ".join(path)


def guess_error(what: str, typed: str, known: list[str], before: str, more: str) -> UsageFault:
    near = nearest(typed, known)
    return UsageFault(what, hint=f"Did you mean {before}{near}?\n{more}" if near else more)


def _usage_line(context: Any) -> str:
    if context is None:
        return "It is used as: oee COMMAND"
    pieces = context.command.collect_usage_pieces(context)
    return "It is used as: " + " ".join([context.command_path, *pieces])
