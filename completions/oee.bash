# Completion of oee. Made by `oee completion bash`: change the generator, not this file.

# Whether the option $2 of the command $1 takes a value; sets `values` to those that are known.
_oee_takes_value() {
    values=""
    case "$1 $2" in
        "buy --spend") values=""; return 0 ;;
        "buy --slippage") values=""; return 0 ;;
        "buy --max-spend") values=""; return 0 ;;
        "buy --min-receive") values=""; return 0 ;;
        "buy --idempotency-key") values=""; return 0 ;;
        "buy --timeout") values=""; return 0 ;;
        "buy --valid-for") values=""; return 0 ;;
        "sell --receive") values=""; return 0 ;;
        "sell --slippage") values=""; return 0 ;;
        "sell --max-spend") values=""; return 0 ;;
        "sell --min-receive") values=""; return 0 ;;
        "sell --idempotency-key") values=""; return 0 ;;
        "sell --timeout") values=""; return 0 ;;
        "sell --valid-for") values=""; return 0 ;;
        "quote --side") values="buy sell"; return 0 ;;
        "quote --spend") values=""; return 0 ;;
        "quote --receive") values=""; return 0 ;;
        "watch --timeout") values=""; return 0 ;;
        "history --status") values="pending routing building submitted confirmed failed cancelled expired"; return 0 ;;
        "history --pair") values=""; return 0 ;;
        "history --side") values="buy sell"; return 0 ;;
        "history --since") values=""; return 0 ;;
        "history --limit") values=""; return 0 ;;
        "fills --order") values=""; return 0 ;;
        "fills --limit") values=""; return 0 ;;
        "submit --max-inflight") values=""; return 0 ;;
        "submit --batch") values=""; return 0 ;;
        "submit --slippage") values=""; return 0 ;;
        "submit --valid-for") values=""; return 0 ;;
        "submit --timeout") values=""; return 0 ;;
        "drill --orders") values=""; return 0 ;;
        "drill --faults") values=""; return 0 ;;
        "drill --seed") values=""; return 0 ;;
        "daemon logs --lines" | "daemon logs -n") values=""; return 0 ;;
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
            "buy" | "sell" | "quote" | "watch" | "show" | "cancel" | "history" | "fills" | "submit" | "worker" | "drill" | "completion" | "help" | "daemon" | "daemon start" | "daemon stop" | "daemon restart" | "daemon status" | "daemon logs" | "daemon run" | "daemon token") path="$next"; count=0 ;;
            *) count=$((count + 1)) ;;
        esac
    done
    if [ -n "$option" ]; then
        _oee_takes_value "$path" "$option" && words="$values"
    elif [ "${cur:0:1}" = "-" ] && [ "$cur" != "-" ]; then
        case "$path" in
            "") words="--version --help -h" ;;
            "buy") words="--spend --slippage --max-spend --min-receive --idempotency-key --dry-run --timeout --valid-for --detach --json --events --quiet -q --no-color --help -h" ;;
            "sell") words="--receive --slippage --max-spend --min-receive --idempotency-key --dry-run --timeout --valid-for --detach --json --events --quiet -q --no-color --help -h" ;;
            "quote") words="--side --spend --receive --json --no-color --help -h" ;;
            "watch") words="--timeout --json --quiet -q --no-color --help -h" ;;
            "show") words="--json --no-color --help -h" ;;
            "cancel") words="--json --no-color --help -h" ;;
            "history") words="--status --pair --side --since --limit --json --csv --no-color --help -h" ;;
            "fills") words="--order --limit --json --csv --no-color --help -h" ;;
            "submit") words="--max-inflight --batch --slippage --valid-for --dry-run --timeout --detach --quiet -q --help -h" ;;
            "worker") words="--help -h" ;;
            "drill") words="--orders --faults --seed --keep --json --quiet -q --help -h" ;;
            "completion") words="--help -h" ;;
            "help") words="--help -h" ;;
            "daemon") words="--help -h" ;;
            "daemon start") words="--json --quiet -q --help -h" ;;
            "daemon stop") words="--json --quiet -q --help -h" ;;
            "daemon restart") words="--json --quiet -q --help -h" ;;
            "daemon status") words="--json --no-color --help -h" ;;
            "daemon logs") words="--lines -n --follow -f --help -h" ;;
            "daemon run") words="--help -h" ;;
            "daemon token") words="--json --help -h" ;;
        esac
    else
        case "$path:$count" in
            ":0") words="buy sell quote watch show cancel history fills submit worker drill completion help daemon" ;;
            "buy:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET" ;;
            "buy:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET" ;;
            "sell:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET" ;;
            "sell:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET" ;;
            "quote:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET" ;;
            "quote:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET" ;;
            "watch:0") words="last" ;;
            "show:0") words="last" ;;
            "cancel:0") words="last" ;;
            "submit:0") files=1 ;;
            "completion:0") words="bash zsh fish" ;;
            "help:"*) words="buy sell quote watch show cancel history fills submit worker drill completion daemon exit-codes" ;;
            "daemon:0") words="start stop restart status logs run token" ;;
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
