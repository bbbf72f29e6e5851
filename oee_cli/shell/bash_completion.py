"""The bash script: one function that finds the command and the place, and tables of what may stand there.

bash 3.2 is what macOS has: no associative arrays, no mapfile.
"""

from __future__ import annotations

from oee_cli.shell.completion_tree import Node, Values

_TEXT = r"""
# Completion of oee. Made by `oee completion bash`: change the generator, not this file.

# Whether the option $2 of the command $1 takes a value; says in `words`, `orders`, `files` and `list` which.
_oee_takes_value() {
    words="" orders="" files="" list=""
    case "$1 $2" in
        @VALUED@
    esac
    return 1
}

# Adds the known orders, or wallets, that begin with what was typed, with what they are where several do.
_oee_orders() {
    local id what tab=$'\t'
    local -a ids=() lines=()
    while IFS=$tab read -r id what; do
        case "$id" in "$cur"*) ids+=("$id"); lines+=("$id  $what") ;; esac
    done < <(command oee __orders "$1" 2>/dev/null)
    compopt -o nosort 2>/dev/null
    # A word that Tab puts on the line whole (one match, or going round the matches) is the id alone.
    if ((${#ids[@]} + ${#COMPREPLY[@]} == 1)) || [ "$COMP_TYPE" = 37 ] || [ "$COMP_TYPE" = 42 ]; then
        COMPREPLY=("${ids[@]}" "${COMPREPLY[@]}")
    elif ((${#ids[@]})); then
        COMPREPLY=("${lines[@]}" "${COMPREPLY[@]}")
    fi
}

# Whether the word $1 sends a stream to the word after it, or takes it from there.
_oee_redirects() {
    case "$1" in
        *">(" | *"<(") return 1 ;;
        ">"* | "<"* | "&>"* | [0-9]">"* | [0-9]"<"*) return 0 ;;
    esac
    return 1
}

_oee_files() {
    compopt -o filenames 2>/dev/null
    local IFS=$'\n'
    COMPREPLY=($(compgen -f -- "$cur"))
}

# The words that begin with what was typed; in whatever case, where none does just so.
_oee_words() {
    local before="" word restore=""
    if [ -n "$list" ]; then case "$cur" in *,*) before="${cur%,*},"; cur="${cur##*,}" ;; esac; fi
    COMPREPLY=($(compgen -P "$before" -W "$words" -- "$cur"))
    if ((${#COMPREPLY[@]})) || [ -z "$cur" ]; then return; fi
    shopt -q nocasematch || restore=1
    shopt -s nocasematch
    for word in $words; do
        case "$word" in "$cur"*) COMPREPLY+=("$before$word") ;; esac
    done
    if [ -n "$restore" ]; then shopt -u nocasematch; fi
}

_oee() {
    local cur="${COMP_WORDS[COMP_CWORD]}" path="" next="" word="" option="" i count=0
    local words="" orders="" files="" list=""
    COMPREPLY=()
    if _oee_redirects "$cur"; then cur=""; _oee_files; return; fi
    if _oee_redirects "${COMP_WORDS[COMP_CWORD - 1]}"; then _oee_files; return; fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        # A redirection and its file are no words of ours, nor is the number before it.
        if _oee_redirects "$word"; then i=$((i + 1)); continue; fi
        case "$word" in [0-9]) if _oee_redirects "${COMP_WORDS[i + 1]}"; then continue; fi ;; esac
        # `--side=buy` comes as three words.
        if [ "$word" = "=" ]; then continue; fi
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
    words="" orders="" files="" list=""
    if [ "$cur" = "=" ]; then cur=""; fi
    if [ -n "$option" ]; then
        _oee_takes_value "$path" "$option"
    elif [ "${cur:0:1}" = "-" ] && [ "$cur" != "-" ]; then
        case "$path" in
            @FLAGS@
        esac
    else
        case "$path:$count" in
            @PLACES@
        esac
    fi
    if [ -n "$files" ]; then _oee_files; return; fi
    _oee_words
    if [ -n "$orders" ]; then _oee_orders "$orders"; fi
}

complete -F _oee oee
"""


def script(root: Node) -> list[str]:
    valued, flags, places = [], [], []
    for node in root.walk():
        names = " ".join(name for flag in node.flags for name in flag.names)
        flags.append(f'"{node.name}") words="{names}" ;;')
        for flag in node.flags:
            if flag.values is not None:
                keys = " | ".join(f'"{node.name} {name}"' for name in flag.names)
                valued.append(f"{keys}) {_find_values(flag.values)}return 0 ;;")
        for place, values in node.positions():
            if values:
                path, _, at = place.rpartition(":")
                pattern = f'"{path}:"*' if at == "*" else f'"{place}"'
                places.append(f"{pattern}) {_find_values(values)};;")
    known = [f'"{node.name}"' for node in root.walk() if node.path]
    text = _TEXT.replace("@KNOWN@", " | ".join(known))
    for name, depth, lines in (("@VALUED@", 8, valued), ("@FLAGS@", 12, flags), ("@PLACES@", 12, places)):
        text = text.replace(name, ("\n" + " " * depth).join(lines))
    return text.strip().splitlines()


def _find_values(values: Values) -> str:
    parts = (
        ("words", values.plain),
        ("orders", values.orders),
        ("files", "1" if values.files else ""),
        ("list", "1" if values.listed else ""),
    )
    return "".join(f'{name}="{text}"; ' for name, text in parts if text)
