"""Completion scripts for bash, zsh and fish: a static function of the commands that Typer built.

The scripts start no process: what they offer is written into them. The words come from the command tree, the
token symbols from `wire`; the tests compare the files in `completions/` with what is generated here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from oee_cli.wire import SYMBOLS

_HEADER = "# Completion of oee. Made by `oee completion %s`: change the generator, not this file."
#: What an argument is completed with, by its metavar.
_ARGUMENTS: dict[str, tuple[str, ...]] = {"BASE": SYMBOLS, "QUOTE": SYMBOLS, "ID": ("last",)}
_FILES = "FILE|-"

#: bash 3.2 is what macOS has: no associative arrays, no mapfile.
_BASH = r"""
# Whether the option $2 of the command $1 takes a value; sets `values` to those that are known.
_oee_takes_value() {
    values=""
    case "$1 $2" in
        @VALUED@
    esac
    return 1
}

_oee() {
    local cur="${COMP_WORDS[COMP_CWORD]}" path="" next="" word="" words="" values=""
    local files="" option="" i count=0
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if [ -n "$option" ]; then option=""; continue; fi
        case "$word" in
            -?*) if _oee_takes_value "$path" "$word"; then option="$word"; fi; continue ;;
        esac
        next="${path:+$path }$word"
        case "$next" in
            @KNOWN@) path="$next"; count=0 ;;
            *) count=$((count + 1)) ;;
        esac
    done
    if [ -n "$option" ]; then
        _oee_takes_value "$path" "$option" && words="$values"
    elif [ "${cur:0:1}" = "-" ] && [ "$cur" != "-" ]; then
        case "$path" in
            @FLAGS@
        esac
    else
        case "$path:$count" in
            @WORDS@
        esac
    fi
    if [ -n "$files" ]; then
        compopt -o filenames 2>/dev/null
        local IFS=$'\n'
        COMPREPLY=($(compgen -f -- "$cur"))
    else
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    fi
}

complete -F _oee oee
"""


@dataclass(frozen=True, slots=True)
class Flag:
    """One option: its spellings, its help, and, where it takes a value, the values that are known."""

    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    choices: tuple[str, ...] = ()
    files: bool = False
    many: bool = False


@dataclass(slots=True)
class Node:
    """One command: its path below `oee`, and what may follow it."""

    path: tuple[str, ...]
    help: str
    flags: list[Flag] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()


def script(shell: str, command: Any) -> str:
    """The completion script of one shell."""
    root = _node(command, ())
    topics = tuple(child.path[0] for child in root.children if child.path[0] != "help")
    for child in root.children:
        if child.path == ("help",):
            child.arguments = [Argument("COMMAND", (*topics, "exit-codes"), many=True)]
    lines = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](root)
    return "\n".join(lines) + "\n"


def _node(command: Any, path: tuple[str, ...]) -> Node:
    node = Node(path, _sentence(command.help or ""))
    for parameter in command.params:
        choices = tuple(getattr(parameter.type, "choices", ()) or ())
        choices = tuple(str(getattr(choice, "value", choice)) for choice in choices)
        if parameter.param_type_name == "option":
            takes_value = not (parameter.is_flag or parameter.count)
            node.flags.append(
                Flag(tuple(parameter.opts), _sentence(parameter.help or ""), takes_value, choices)
            )
        else:
            name = (parameter.metavar or parameter.name).strip("[]")
            known = choices or _ARGUMENTS.get(name, ())
            node.arguments.append(Argument(name, known, files=name == _FILES))
    node.flags.append(Flag(("--help", "-h"), "Show this message and exit.", False))
    for name, child in getattr(command, "commands", {}).items():
        node.children.append(_node(child, (*path, name)))
    return node


def _sentence(text: str) -> str:
    """The first sentence, without its full stop and without what a shell would read."""
    first = text.strip().split("\n")[0].split("  ")[0]
    return re.sub(r"[`\"\\$]", "", first).rstrip(".")


def _bash(root: Node) -> list[str]:
    flags, valued, words = [], [], []
    for node in root.walk():
        path = " ".join(node.path)
        names = [name for flag in node.flags for name in flag.names]
        flags.append(f'            "{path}") words="{" ".join(names)}" ;;')
        for flag in node.flags:
            if flag.takes_value:
                keys = " | ".join(f'"{path} {name}"' for name in flag.names)
                valued.append(f'        {keys}) values="{" ".join(flag.choices)}"; return 0 ;;')
        if node.children:
            words.append(f'            "{path}:0") words="{" ".join(c.path[-1] for c in node.children)}" ;;')
        for i, argument in enumerate(node.arguments):
            at = f'"{path}:"*' if argument.many else f'"{path}:{i}"'
            if argument.files:
                words.append(f"            {at}) files=1 ;;")
            elif argument.choices:
                words.append(f'            {at}) words="{" ".join(argument.choices)}" ;;')
    known = " | ".join(f'"{" ".join(node.path)}"' for node in root.walk() if node.path)
    text = _BASH.replace("@KNOWN@", known)
    for name, lines in (("@VALUED@", valued), ("@FLAGS@", flags), ("@WORDS@", words)):
        text = text.replace(name, "\n".join(lines).strip())
    return [_HEADER % "bash", "", *text.strip().splitlines()]


def _zsh(root: Node) -> list[str]:
    lines = ["#compdef oee", _HEADER % "zsh", ""]
    for node in reversed(list(root.walk())):
        name = "_".join(("_oee", *(part.replace("-", "_") for part in node.path)))
        lines += [f"{name}() {{", *_zsh_body(node, name), "}", ""]
    lines += ['if [ "$funcstack[1]" = "_oee" ]; then', '    _oee "$@"', "else", "    compdef _oee oee", "fi"]
    return lines


def _zsh_body(node: Node, name: str) -> list[str]:
    specs = [spec for flag in node.flags for spec in _zsh_flag(flag)]
    if not node.children:
        specs += [_zsh_argument(argument) for argument in node.arguments]
        return [f"    _arguments -s -S {' '.join(chr(92) + chr(10) + '        ' + s for s in specs)}"]
    described = [f"        {_zsh_quote(c.path[-1] + ':' + c.help)}" for c in node.children]
    cases = [f"        {c.path[-1]}) {name}_{c.path[-1].replace('-', '_')} ;;" for c in node.children]
    specs += ["'1: :->command'", "'*:: :->rest'"]
    return [
        "    local state line curcontext=$curcontext",
        "    local -a commands",
        "    commands=(",
        *described,
        "    )",
        f"    _arguments -C {' '.join(chr(92) + chr(10) + '        ' + s for s in specs)}",
        "    case $state in",
        "    command) _describe -t commands command commands ;;",
        "    rest)",
        "        case $words[1] in",
        *cases,
        "        esac ;;",
        "    esac",
    ]


def _zsh_flag(flag: Flag) -> list[str]:
    text = flag.help.replace("[", r"\[").replace("]", r"\]")
    value = ""
    if flag.takes_value:
        value = f": :({' '.join(flag.choices)})" if flag.choices else ": : "
    excluded = " ".join(flag.names)
    prefix = f"({excluded})" if len(flag.names) > 1 else ""
    return [_zsh_quote(f"{prefix}{name}[{text}]{value}") for name in flag.names]


def _zsh_argument(argument: Argument) -> str:
    action = "_files" if argument.files else f"({' '.join(argument.choices)})" if argument.choices else "()"
    label = argument.name.replace(":", " ")
    return _zsh_quote(f"{'*' if argument.many else ''}:{label}:{action}")


def _zsh_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(root: Node) -> list[str]:
    lines = [
        _HEADER % "fish",
        "",
        "# Whether the words before the cursor, without options, begin with these.",
        "function __oee_in",
        "    set -l words (string match -v -- '-*' (commandline -opc))[2..-1]",
        "    set -l n (count $argv)",
        '    test (count $words) -ge $n; and test "$words[1..$n]" = "$argv"',
        "end",
        "",
        "# Whether they are exactly these.",
        "function __oee_at",
        "    set -l words (string match -v -- '-*' (commandline -opc))[2..-1]",
        '    test "$words" = "$argv"',
        "end",
        "",
        "complete -c oee -f",
    ]
    for node in root.walk():
        path = " ".join(node.path)
        at = f"-n '__oee_at {path}'" if path else "-n __oee_at"
        inside = f"-n '__oee_in {path}'" if path else at
        lines += [f"complete -c oee {at} -a {c.path[-1]} -d {_fish_quote(c.help)}" for c in node.children]
        where = at if node.children else inside
        lines += [f"complete -c oee {where} {_fish_flag(flag)}" for flag in node.flags]
        words = dict.fromkeys(" ".join(argument.choices) for argument in node.arguments if argument.choices)
        lines += [f"complete -c oee {inside} -a {_fish_quote(text)}" for text in words]
        if any(argument.files for argument in node.arguments):
            lines.append(f"complete -c oee {inside} -F")
    return lines


def _fish_flag(flag: Flag) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names]
    if flag.takes_value:
        parts.append("-x")
        if flag.choices:
            parts.append(f"-a {_fish_quote(' '.join(flag.choices))}")
    return " ".join([*parts, f"-d {_fish_quote(flag.help)}"])


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
