"""What was typed wrong, said in three parts: what, why, and what to do next; and `oee help`.

Knows commands and options only through the tree that Typer built; nothing here runs a command.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from oee_cli import exit_codes
from oee_cli.errors import UsageFault

_NUMBER = re.compile(r"-[\d.]")
_NO_COMMAND = re.compile(r"No such command '(.*)'")
_TOPICS = ("exit-codes",)


def explain(error: Any, root: Any, arguments: list[str]) -> UsageFault:
    """A parser's error as one of ours. Not every one of them knows in which command it happened."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _path(root, arguments)
    more = f"See: {path} --help"
    command = getattr(context, "command", None)
    message = str(error.format_message()).strip()
    option = getattr(error, "option_name", None)
    unknown = _NO_COMMAND.match(message)
    if unknown:
        known = list(getattr(command, "commands", {}))
        return _unknown(f"{path} has no command {unknown[1]!r}.", unknown[1], known, f"{path} ", more)
    if type(error).__name__ == "NoSuchOption" and option:
        if _NUMBER.match(option):
            return UsageFault("An amount has to be more than 0.", hint=f"Write it without a sign. {more}")
        known = [name for p in getattr(command, "params", []) for name in p.opts if name.startswith("--")]
        return _unknown(f"{path} has no option {option}.", option, [*known, "--help"], "", more)
    if type(error).__name__ == "MissingParameter":
        parameter = getattr(error, "param", None)
        name = getattr(parameter, "metavar", None) or getattr(parameter, "name", "an argument")
        return UsageFault(f"{name} is missing.", hint=f"{_usage(context)}\n{more}")
    if "unexpected extra argument" in message:
        extra = message.rpartition("(")[2].rstrip(").")
        return UsageFault(f"More was given than {path} takes: {extra}", hint=f"{_usage(context)}\n{more}")
    return UsageFault(message.replace("a valid int range", "a whole number"), hint=more)


def _path(command: Any, arguments: list[str]) -> str:
    path = ["oee"]
    for word in arguments:
        if word in (known := getattr(command, "commands", {})):
            path.append(word)
            command = known[word]
    return " ".join(path)


def _unknown(what: str, typed: str, known: list[str], before: str, more: str) -> UsageFault:
    near = difflib.get_close_matches(typed, known, n=1, cutoff=0.5)
    return UsageFault(what, hint=f"Did you mean {before}{near[0]}?\n{more}" if near else more)


def _usage(context: Any) -> str:
    if context is None:
        return "It is used as: oee COMMAND"
    pieces = context.command.collect_usage_pieces(context)
    return "It is used as: " + " ".join([context.command_path, *pieces])


def help_text(root: Any, topic: list[str]) -> str:
    """The help of a command, or of a topic. Raises `UsageFault` for what there is not."""
    if topic in (["exit-codes"], ["exit", "codes"]):
        return exit_codes.table()
    settings = dict(root.context_settings)
    context = root.context_class(root, info_name="oee", **settings)
    command = root
    for word in topic:
        known = getattr(command, "commands", {})
        if word not in known:
            names = [*known, *(_TOPICS if command is root else ())]
            raise _unknown(
                f"There is no help on {' '.join(topic)!r}.", word, names, "oee help ", "See: oee help"
            )
        command = known[word]
        context = command.context_class(command, parent=context, info_name=word)
    return str(command.get_help(context))
