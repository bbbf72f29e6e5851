"""What can be completed: the commands as Typer built them, each option and argument with its values.

The module of each shell writes it down as a script. All that is known beforehand is written into the script,
so a Tab starts no process; only orders and wallets are asked for, by `oee __orders`, which loads next to
nothing. The tests compare the files in `completions/` with what is generated here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from oee_daemon.contract.listed_tokens import STABLE, SYMBOLS
from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status


@dataclass(frozen=True, slots=True)
class Values:
    """What may stand in one place: words with what they mean, files, or what `oee __orders` says.

    `orders`: which of those: `all`, `live` (these first) or `wallets`.
    `listed`: several words, with commas between them.
    """

    words: tuple[tuple[str, str], ...] = ()
    files: bool = False
    orders: str = ""
    listed: bool = False

    @property
    def plain(self) -> str:
        return " ".join(word for word, _ in self.words)

    def __bool__(self) -> bool:
        return bool(self.words or self.files or self.orders)


@dataclass(frozen=True, slots=True)
class Flag:
    """One option: its spellings, its help, and what it takes; `None` where it takes nothing."""

    names: tuple[str, ...]
    help: str
    values: Values | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    values: Values
    many: bool = False


@dataclass(slots=True)
class Node:
    """One command: its path below `oee`, and what may follow it."""

    path: tuple[str, ...]
    help: str
    flags: list[Flag] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    @property
    def name(self) -> str:
        return " ".join(self.path)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    def positions(self) -> Iterator[tuple[str, Values]]:
        """Every place of a positional word as `path:index` (`path:*` for any), and what may stand there."""
        if self.children:
            yield f"{self.name}:0", Values(tuple((c.path[-1], c.help) for c in self.children))
        for i, argument in enumerate(self.arguments):
            yield f"{self.name}:{'*' if argument.many else i}", argument.values


def script(shell: str, command: Any) -> str:
    """The completion script of one shell."""
    from importlib import import_module

    lines = import_module(f"oee_cli.shell.{shell}_completion").script(tree(command))
    return "\n".join([*lines, ""])


def tree(command: Any) -> Node:
    """Every command below this one."""
    from oee_cli.text.topic_text import TOPICS

    root = _command_node(command, ())
    commands = [(child.path[0], child.help) for child in root.children if child.path != ("help",)]
    for child in root.children:
        if child.path == ("help",):
            topics = [(name, topic.line) for name, topic in TOPICS.items()]
            child.arguments = [Argument("COMMAND", Values((*commands, *topics)), many=True)]
    return root


def _command_node(command: Any, path: tuple[str, ...]) -> Node:
    node = Node(path, first_sentence(command.help or ""))
    for parameter in command.params:
        if parameter.param_type_name == "option":
            bare = parameter.is_flag or parameter.count
            values = None if bare else _values_of(parameter, path, parameter.opts[0])
            node.flags.append(Flag(tuple(parameter.opts), first_sentence(parameter.help or ""), values))
        else:
            name = (parameter.metavar or parameter.name).strip("[]…")
            node.arguments.append(Argument(name, _values_of(parameter, path, name), parameter.nargs == -1))
    node.flags.append(Flag(("--help", "-h"), "Show this message and exit", None))
    for name, child in getattr(command, "commands", {}).items():
        node.children.append(_command_node(child, (*path, name)))
    return node


def _values_of(parameter: Any, path: tuple[str, ...], name: str) -> Values:
    """By the parameter's own choices, or else by its name as it is written in the help."""
    if choices := getattr(parameter.type, "choices", ()):
        return _words_to_complete(*choices)
    metavar = str(parameter.metavar or "").strip("[]…")
    if metavar.startswith("FILE"):
        return Values(files=True)
    if metavar == "ID":
        # Only what still runs can be cancelled or goes on to be watched: that comes first.
        live = path[-1] in ("watch", "cancel")
        return Values((("last", "the newest order"),), orders="live" if live else "all")
    if metavar == "NAME" and path[:1] == ("wallet",) and path[-1] not in ("new", "import"):
        return Values(orders="wallets")
    if metavar == "SETTING":
        from oee_daemon.contract.setting_table import SETTINGS

        return Values(tuple((setting.name, first_sentence(setting.meaning)) for setting in SETTINGS))
    if name == "--columns":
        from oee_cli.text.column_text import FILLS, ORDERS

        listing = FILLS if path[-1] == "fills" else ORDERS
        columns = tuple((column, first_sentence(one.says)) for column, one in listing.known.items())
        return Values(columns, listed=True)
    return replace(_words_to_complete(*_KNOWN.get(name, ())), listed=name == "--status")


def _words_to_complete(*words: str) -> Values:
    return Values(tuple((word, "") for word in words))


_TIMES = ("15m", "1h", "24h", "7d", "today", "yesterday")
#: What options and arguments take that have no choices of their own: all of it, or what is often wanted.
_KNOWN: dict[str, tuple[str, ...]] = {
    "BASE": SYMBOLS,
    "QUOTE": SYMBOLS,
    "--token": SYMBOLS,
    "TOKEN": SYMBOLS,
    "--pair": tuple(f"{base}/{quote}" for quote in STABLE for base in SYMBOLS if base not in STABLE),
    "--status": tuple(Status),
    "--type": tuple(OrderType),
    "--since": _TIMES,
    "--until": _TIMES,
    "--slippage": ("0.1%", "0.5%", "1%", "50bps"),
}


def first_sentence(text: str) -> str:
    """The first sentence, without its full stop and without what a shell would read."""
    first = text.strip().split("\n")[0].split("  ")[0]
    return re.sub(r"[`\"\\$]", "", first).rstrip(".")
