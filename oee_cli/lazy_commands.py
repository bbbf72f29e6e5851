"""A command tree that is known by name and built by need.

Typer inspects a function's signature to build its command, a millisecond or more for each, which would be
paid for every command whichever one was typed. Here a table says each command's name, its line in
`oee --help` and where its function is; only the command that is asked for is imported and built.
What there is stands in `app`, nothing of it here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import wraps
from importlib import import_module
from typing import Any, NamedTuple, get_type_hints

import typer
import typer.core


class PlainCommand(typer.core.TyperCommand):
    """Its usage line without the braces that Typer puts around what is required."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class WholeLines(typer.core.TyperGroup):
    """A group whose commands' first sentences are folded where they are long, and never cut."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, self.commands[name].get_short_help_str(limit=1000)) for name in self.commands]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def group(text: str) -> typer.Typer:
    """A command with commands of its own, which says what they are where none is typed; `text`: its help."""
    made = typer.Typer(help=text, rich_markup_mode=None, suggest_commands=False)

    @made.callback(invoke_without_command=True)
    def say_help(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            typer.echo(ctx.get_help())

    return made


def _spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command as Typer can read it: a parameter that has to be named, and is a named tuple, gives way to
    the options that its fields describe, and a field that is one itself to those of that."""
    if not command.__code__.co_kwonlyargcount:
        return command
    signature = inspect.signature(command, eval_str=True)
    groups = {one.name: one.annotation for one in signature.parameters.values() if _is_group(one.annotation)}
    parameters = []
    for one in signature.parameters.values():
        if one.name in groups:
            parameters += [one.replace(**option) for option in _options_of(groups[one.name])]
        else:
            parameters.append(one)

    @wraps(command)
    def spread(**given: Any) -> Any:
        for name, group in groups.items():
            given[name] = _gather(group, given)
        return command(**given)

    spread.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return spread


def _is_group(annotation: Any) -> bool:
    return hasattr(annotation, "_fields")


def _options_of(group: Any) -> Iterator[dict[str, Any]]:
    for name, said in get_type_hints(group, include_extras=True).items():
        if _is_group(said):
            yield from _options_of(said)
        else:
            yield {"name": name, "default": group._field_defaults[name], "annotation": said}


def _gather(group: Any, given: dict[str, Any]) -> Any:
    """The named tuple, of what Typer has read; taken out of `given`."""
    said = get_type_hints(group)
    fields = ((name, said[name]) for name in group._fields)
    return group(*(_gather(kind, given) if _is_group(kind) else given.pop(name) for name, kind in fields))


class Entry(NamedTuple):
    """One command: its name, the first sentence of its help, and `room:function` or `room:typer`, as the
    room's `command.py` calls it."""

    name: str
    line: str
    target: str

    def build(self) -> Any:
        room, _, attribute = self.target.partition(":")
        found = getattr(import_module(f"oee_cli.{room}.command"), attribute)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, suggest_commands=False)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=self.name, cls=WholeLines)
            group: Any = typer.main.get_command(alone)
            return group.commands[self.name]
        alone.command(self.name, cls=PlainCommand)(_spread(found))
        return typer.main.get_command(alone)


class _Commands(MutableMapping[str, Any]):
    """The table as the mapping that Typer's groups work with; a value is built when it is first asked for."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self.built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.built:
            self.built[name] = self.entries[name].build()
        return self.built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self.built[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("a command is taken out of the table, not out of the tree")

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class LazyGroup(typer.core.TyperGroup):
    """The group of a table: `sections` is what a child class says."""

    sections: Mapping[str, tuple[Entry, ...]]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        table = {entry.name: entry for section in self.sections.values() for entry in section}
        self.commands = _Commands(table)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section each, from the table alone."""
        width = max(len(name) for name in self.commands)
        for title, entries in self.sections.items():
            with formatter.section(title):
                # The same column in every section.
                formatter.write_dl([(entry.name.ljust(width), entry.line) for entry in entries])
