"""The fish script: one function that finds the command and the place, and prints what may stand there.

One function rather than fish's conditions: two hundred of them would be asked at every Tab.
"""

from __future__ import annotations

from oee_cli.shell.completion_tree import Node, Values

_TEXT = r"""
# Completion of oee. Made by `oee completion fish`: change the generator, not this file.

# Whether the option $argv[2] of the command $argv[1] takes a value. With a third word: prints those known.
function __oee_value
    switch "$argv[1] $argv[2]"
        @VALUED@
        case '*'
            return 1
    end
end

# Sets what the words before the cursor say: the command, how many words it has, an option that waits.
function __oee_place
    set -g __oee_path ""
    set -g __oee_count 0
    set -g __oee_option ""
    for word in (commandline -opc)[2..-1]
        if test -n "$__oee_option"
            set __oee_option ""
            continue
        end
        switch $word
            case '--*=*'
                continue
            case '-'
                # A word like another. No `?` here: since fish 4 it stands for itself.
            case '-*'
                if __oee_value "$__oee_path" $word
                    set __oee_option $word
                end
                continue
        end
        set -l next (string trim -- "$__oee_path $word")
        switch $next
            case @KNOWN@
                set __oee_path $next
                set __oee_count 0
            case '*'
                set __oee_count (math $__oee_count + 1)
        end
    end
end

# What stands before the last comma of $argv[2], where the option $argv[1] takes several words.
function __oee_listed
    if contains -- $argv[1] @LISTED@
        string replace -r '[^,]*$' '' -- "$argv[2]"
    else
        echo
    end
end

function __oee_offers
    __oee_place
    set -l current (commandline -ct)
    if test -n "$__oee_option"
        for line in (__oee_value "$__oee_path" $__oee_option print)
            echo -- (__oee_listed $__oee_option $current)$line
        end
    else if string match -q -- '--*=*' $current
        set -l name (string replace -r '=.*' '' -- $current)
        for line in (__oee_value "$__oee_path" $name print)
            echo -- $name=(__oee_listed $name (string replace -r '^[^=]*=' '' -- $current))$line
        end
    else if string match -q -- '-*' $current
        switch $__oee_path
            @FLAGS@
        end
    else
        switch "$__oee_path:$__oee_count"
            @PLACES@
        end
    end
end

# Whether a file is wanted here.
function __oee_wants_file
    __oee_place
    contains -- "$__oee_path $__oee_option" @FILE_OPTIONS@; and return 0
    test -z "$__oee_option"; and contains -- "$__oee_path:$__oee_count" @FILE_PLACES@
end

complete -c oee -f -k -a '(__oee_offers)'
complete -c oee -n __oee_wants_file -F
"""


def script(root: Node) -> list[str]:
    valued, flags, places, file_options, file_places = [], [], [], [], []
    listed: set[str] = set()
    for node in root.walk():
        described = [(name, flag.help) for flag in node.flags for name in flag.names]
        flags += [f"case {_quote(node.name)}", f"    {_print_command(described)}"]
        for flag in node.flags:
            if flag.values is not None:
                names = [_quote(f"{node.name} {name}") for name in flag.names]
                valued.append(f"case {' '.join(names)}")
                if flag.values.files:
                    file_options += names
                if flag.values.listed:
                    listed |= set(map(_quote, flag.names))
                valued += [f"    set -q argv[3]; and {command}" for command in _commands(flag.values)]
                valued.append("    return 0")
        for place, values in node.positions():
            if values:
                places.append(f"case {_quote(place)}")
                places += [f"    {command}" for command in _commands(values)]
            if values.files:
                file_places.append(_quote(place))
    text = _TEXT.replace("@LISTED@", " ".join(sorted(listed)))
    known = " ".join(_quote(node.name) for node in root.walk() if node.path)
    text = text.replace("@KNOWN@", known)
    text = text.replace("@FILE_OPTIONS@", " ".join(file_options) or "''")
    text = text.replace("@FILE_PLACES@", " ".join(file_places) or "''")
    for name, depth, lines in (("@VALUED@", 8, valued), ("@FLAGS@", 12, flags), ("@PLACES@", 12, places)):
        text = text.replace(name, ("\n" + " " * depth).join(lines))
    return [line.rstrip() for line in text.strip().splitlines()]


def _commands(values: Values) -> list[str]:
    commands = []
    if values.orders:
        commands.append(f"command oee __orders {values.orders} 2>/dev/null")
    if values.words:
        commands.append(_print_command(list(values.words)))
    return commands


def _print_command(words: list[tuple[str, str]]) -> str:
    pairs = " ".join(f"{_quote(word)} {_quote(what)}" for word, what in words)
    return rf"printf '%s\t%s\n' {pairs}"


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
