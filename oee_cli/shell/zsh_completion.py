"""The zsh script: a function for each command, on zsh's own `_arguments`."""

from __future__ import annotations

from oee_cli.shell.completion_tree import Argument, Flag, Node, Values

_HEAD = r"""
#compdef oee
# Completion of oee. Made by `oee completion zsh`: change the generator, not this file.

# The known orders with what they are, a line each, the newest first; or the wallets.
_oee_orders() {
    local -a ids lines expl last
    local line
    [[ $1 == wallets ]] || last=($'last\tthe newest order')
    for line in ${(f)"$(command oee __orders $1 2>/dev/null)"} $last; do
        ids+=(${line%%$'\t'*})
        lines+=("${line/$'\t'/  }")
    done
    _wanted -V orders expl order compadd -l -d lines -a ids
}

# Words, or `word:what it means`, in whatever case they are typed.
_oee_words() {
    local -a found=("$@")
    _describe value found -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}'
}

# Several of them, with commas between.
_oee_list() {
    compset -P '*,'
    _oee_words "$@"
}
"""
_TAIL = r"""
if [ "$funcstack[1]" = "_oee" ]; then
    _oee "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef _oee oee
fi
"""


def script(root: Node) -> list[str]:
    lines = [*_HEAD.strip().splitlines(), ""]
    for node in reversed(list(root.walk())):
        lines += [f"{_function(node.path)}() {{", *_body(node), "}", ""]
    return [*lines, *_TAIL.strip().splitlines()]


def _function(path: tuple[str, ...]) -> str:
    return "_".join(("_oee", *(part.replace("-", "_") for part in path)))


def _body(node: Node) -> list[str]:
    specs = [spec for flag in node.flags for spec in _flag(flag)]
    if not node.children:
        specs += [_argument(argument) for argument in node.arguments]
        return [f"    _arguments -s -S {_fold(specs)}"]
    described = [f"        {_quote(f'{c.path[-1]}:{c.help}')}" for c in node.children]
    cases = [f"        {c.path[-1]}) {_function(c.path)} ;;" for c in node.children]
    specs += ["'1: :->command'", "'*:: :->rest'"]
    return [
        "    local state line curcontext=$curcontext",
        "    local -a commands",
        "    commands=(",
        *described,
        "    )",
        f"    _arguments -C {_fold(specs)}",
        "    case $state in",
        "    command) _describe -t commands command commands ;;",
        "    rest)",
        "        case $words[1] in",
        *cases,
        "        esac ;;",
        "    esac",
    ]


def _fold(specs: list[str]) -> str:
    return " ".join("\\\n        " + spec for spec in specs)


def _flag(flag: Flag) -> list[str]:
    text = flag.help.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
    prefix = f"({' '.join(flag.names)})" if len(flag.names) > 1 else ""
    specs = []
    for name in flag.names:
        # `--side=buy` is understood beside `--side buy`.
        spelled = name if flag.values is None else f"{name}=" if name.startswith("--") else f"{name}+"
        value = "" if flag.values is None else f":{name.lstrip('-')}:{_action(flag.values) or ' '}"
        specs.append(_quote(f"{prefix}{spelled}[{text}]{value}"))
    return specs


def _argument(argument: Argument) -> str:
    label = argument.name.replace(":", " ")
    return _quote(f"{'*' if argument.many else ''}:{label}:{_action(argument.values) or '()'}")


def _action(values: Values) -> str:
    if values.files:
        return "_files"
    if values.orders:
        return f" _oee_orders {values.orders}"
    if not values.words:
        return ""
    words = (
        _escape(f"{word.replace(':', chr(92) + ':')}:{what}" if what else word) for word, what in values.words
    )
    return f" {'_oee_list' if values.listed else '_oee_words'} {' '.join(words)}"


def _escape(text: str) -> str:
    return "".join(f"\\{c}" if c in " :()[]{}'\"\\$`;&|<>*?~#!" else c for c in text)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
