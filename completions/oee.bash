# Completion of oee. Made by `oee completion bash`: change the generator, not this file.

# Whether the option $2 of the command $1 takes a value; says in `words`, `orders`, `files` and `list` which.
_oee_takes_value() {
    words="" orders="" files="" list=""
    case "$1 $2" in
        "buy --spend") return 0 ;;
        "buy --slippage") words="0.1% 0.5% 1% 50bps"; return 0 ;;
        "buy --max-spend") return 0 ;;
        "buy --min-receive") return 0 ;;
        "buy --idempotency-key") return 0 ;;
        "buy --timeout") return 0 ;;
        "buy --valid-for") return 0 ;;
        "sell --receive") return 0 ;;
        "sell --slippage") words="0.1% 0.5% 1% 50bps"; return 0 ;;
        "sell --max-spend") return 0 ;;
        "sell --min-receive") return 0 ;;
        "sell --idempotency-key") return 0 ;;
        "sell --timeout") return 0 ;;
        "sell --valid-for") return 0 ;;
        "limit --spend") return 0 ;;
        "limit --receive") return 0 ;;
        "limit --at") return 0 ;;
        "limit --or-stop") return 0 ;;
        "limit --or-stop-limit") return 0 ;;
        "limit --oco") words="last"; orders="all"; return 0 ;;
        "limit --from") return 0 ;;
        "limit --expires") return 0 ;;
        "limit --slippage") words="0.1% 0.5% 1% 50bps"; return 0 ;;
        "limit --valid-for") return 0 ;;
        "limit --timeout") return 0 ;;
        "limit --idempotency-key") return 0 ;;
        "stop --spend") return 0 ;;
        "stop --receive") return 0 ;;
        "stop --at") return 0 ;;
        "stop --trail") return 0 ;;
        "stop --limit") return 0 ;;
        "stop --confirm") return 0 ;;
        "stop --oco") words="last"; orders="all"; return 0 ;;
        "stop --from") return 0 ;;
        "stop --expires") return 0 ;;
        "stop --slippage") words="0.1% 0.5% 1% 50bps"; return 0 ;;
        "stop --valid-for") return 0 ;;
        "stop --timeout") return 0 ;;
        "stop --idempotency-key") return 0 ;;
        "edit --at") return 0 ;;
        "edit --trail") return 0 ;;
        "edit --limit") return 0 ;;
        "edit --confirm") return 0 ;;
        "edit --amount") return 0 ;;
        "edit --from") return 0 ;;
        "edit --expires") return 0 ;;
        "edit --slippage") words="0.1% 0.5% 1% 50bps"; return 0 ;;
        "snipe --spend") return 0 ;;
        "snipe --at") return 0 ;;
        "snipe --min-liquidity") return 0 ;;
        "snipe --accept") return 0 ;;
        "snipe --max-price") return 0 ;;
        "snipe --within") return 0 ;;
        "snipe --slippage") words="0.1% 0.5% 1% 50bps"; return 0 ;;
        "snipe --valid-for") return 0 ;;
        "snipe --timeout") return 0 ;;
        "snipe --idempotency-key") return 0 ;;
        "submit --max-inflight") return 0 ;;
        "submit --batch") return 0 ;;
        "submit --slippage") words="0.1% 0.5% 1% 50bps"; return 0 ;;
        "submit --valid-for") return 0 ;;
        "submit --timeout") return 0 ;;
        "cancel --group") words="last"; orders="live"; return 0 ;;
        "cancel --pair") words="SOL/USDC JUP/USDC BONK/USDC RAY/USDC WIF/USDC PYTH/USDC JTO/USDC mSOL/USDC JitoSOL/USDC ORCA/USDC MET/USDC SOL/USDT JUP/USDT BONK/USDT RAY/USDT WIF/USDT PYTH/USDT JTO/USDT mSOL/USDT JitoSOL/USDT ORCA/USDT MET/USDT"; return 0 ;;
        "cancel --side") words="buy sell"; return 0 ;;
        "cancel --type") words="market limit stop sniper"; return 0 ;;
        "quote --side") words="buy sell"; return 0 ;;
        "quote --spend") return 0 ;;
        "quote --receive") return 0 ;;
        "waiting --pair") words="SOL/USDC JUP/USDC BONK/USDC RAY/USDC WIF/USDC PYTH/USDC JTO/USDC mSOL/USDC JitoSOL/USDC ORCA/USDC MET/USDC SOL/USDT JUP/USDT BONK/USDT RAY/USDT WIF/USDT PYTH/USDT JTO/USDT mSOL/USDT JitoSOL/USDT ORCA/USDT MET/USDT"; return 0 ;;
        "waiting --type") words="market limit stop sniper"; return 0 ;;
        "waiting --side") words="buy sell"; return 0 ;;
        "waiting --limit" | "waiting -n") return 0 ;;
        "watch --timeout") return 0 ;;
        "history --status") words="waiting pending routing building submitted confirmed failed cancelled expired"; list="1"; return 0 ;;
        "history --pair") words="SOL/USDC JUP/USDC BONK/USDC RAY/USDC WIF/USDC PYTH/USDC JTO/USDC mSOL/USDC JitoSOL/USDC ORCA/USDC MET/USDC SOL/USDT JUP/USDT BONK/USDT RAY/USDT WIF/USDT PYTH/USDT JTO/USDT mSOL/USDT JitoSOL/USDT ORCA/USDT MET/USDT"; return 0 ;;
        "history --token") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; return 0 ;;
        "history --side") words="buy sell"; return 0 ;;
        "history --type") words="market limit stop sniper"; return 0 ;;
        "history --since") words="15m 1h 24h 7d today yesterday"; return 0 ;;
        "history --until") words="15m 1h 24h 7d today yesterday"; return 0 ;;
        "history --limit" | "history -n") return 0 ;;
        "history --columns") words="order when side pair amount for price venue status took note orderId createdAt finishedAt type inputToken outputToken swapMode slippageBps minReceive maxSpend filledIn filledOut fee attempt signature errorCode errorMessage idempotencyKey network tokenAddress minLiquidity accept updatedAt validForS targetPrice limitPrice trailBps confirmMs launchTime expiresAt firedAt firings groupId"; list="1"; return 0 ;;
        "fills --order") words="last"; orders="all"; return 0 ;;
        "fills --limit" | "fills -n") return 0 ;;
        "fills --columns") words="order when paid received slot signature orderId inputToken outputToken amountIn amountOut at"; list="1"; return 0 ;;
        "top --interval") return 0 ;;
        "stats --since") words="15m 1h 24h 7d today yesterday"; return 0 ;;
        "stats --until") words="15m 1h 24h 7d today yesterday"; return 0 ;;
        "stats --by") words="venue pair day"; return 0 ;;
        "stats --pair") words="SOL/USDC JUP/USDC BONK/USDC RAY/USDC WIF/USDC PYTH/USDC JTO/USDC mSOL/USDC JitoSOL/USDC ORCA/USDC MET/USDC SOL/USDT JUP/USDT BONK/USDT RAY/USDT WIF/USDT PYTH/USDT JTO/USDT mSOL/USDT JitoSOL/USDT ORCA/USDT MET/USDT"; return 0 ;;
        "stats --side") words="buy sell"; return 0 ;;
        "daemon logs --lines" | "daemon logs -n") return 0 ;;
        "halt --reason") return 0 ;;
        "drill --orders") return 0 ;;
        "drill --faults") return 0 ;;
        "drill --seed") return 0 ;;
        "drill --workers") return 0 ;;
        "drill --network") words="simulated localnet"; return 0 ;;
        "drill --waiting") return 0 ;;
        "shadow --network") words="mainnet localnet"; return 0 ;;
        "shadow --for") return 0 ;;
        "wallet new --passphrase-file") files="1"; return 0 ;;
        "wallet import --passphrase-file") files="1"; return 0 ;;
        "wallet unlock --for") return 0 ;;
        "wallet unlock --passphrase-file") files="1"; return 0 ;;
        "tokens new --limit" | "tokens new -n") return 0 ;;
        "tokens add --symbol") return 0 ;;
        "tokens add --accept") return 0 ;;
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
            "buy" | "sell" | "limit" | "stop" | "edit" | "snipe" | "submit" | "cancel" | "quote" | "chart" | "waiting" | "watch" | "show" | "history" | "balance" | "fills" | "top" | "stats" | "daemon" | "daemon start" | "daemon stop" | "daemon restart" | "daemon status" | "daemon logs" | "daemon run" | "daemon token" | "worker" | "halt" | "notify" | "notify test" | "limits" | "resume" | "drill" | "shadow" | "backup" | "restore" | "doctor" | "wallet" | "wallet new" | "wallet import" | "wallet list" | "wallet show" | "wallet default" | "wallet lock" | "wallet unlock" | "wallet remove" | "wallet balance" | "tokens" | "tokens search" | "tokens new" | "tokens add" | "tokens remove" | "config" | "config show" | "config path" | "config get" | "config set" | "config unset" | "paths" | "completion" | "help") path="$next"; count=0 ;;
            *) count=$((count + 1)) ;;
        esac
    done
    words="" orders="" files="" list=""
    if [ "$cur" = "=" ]; then cur=""; fi
    if [ -n "$option" ]; then
        _oee_takes_value "$path" "$option"
    elif [ "${cur:0:1}" = "-" ] && [ "$cur" != "-" ]; then
        case "$path" in
            "") words="--version --help -h" ;;
            "buy") words="--spend --slippage --max-spend --min-receive --idempotency-key --dry-run --timeout --valid-for --detach --json --events --quiet -q --no-color --help -h" ;;
            "sell") words="--receive --slippage --max-spend --min-receive --idempotency-key --dry-run --timeout --valid-for --detach --json --events --quiet -q --no-color --help -h" ;;
            "limit") words="--spend --receive --at --or-stop --or-stop-limit --oco --from --expires --slippage --valid-for --far --wait --timeout --idempotency-key --dry-run --json --events --quiet -q --no-color --help -h" ;;
            "stop") words="--spend --receive --at --trail --limit --confirm --oco --from --expires --slippage --valid-for --far --wait --timeout --idempotency-key --dry-run --json --events --quiet -q --no-color --help -h" ;;
            "edit") words="--at --trail --limit --confirm --amount --from --expires --slippage --far --json --no-color --help -h" ;;
            "snipe") words="--spend --at --min-liquidity --accept --max-price --within --slippage --valid-for --wait --timeout --idempotency-key --dry-run --json --events --quiet -q --no-color --help -h" ;;
            "submit") words="--max-inflight --batch --stop-on-failure --slippage --valid-for --dry-run --timeout --detach --json --no-color --quiet -q --help -h" ;;
            "cancel") words="--group --all --pair --side --type --yes -y --json --no-color --help -h" ;;
            "quote") words="--side --spend --receive --watch --json --no-color --help -h" ;;
            "chart") words="--json --no-color --help -h" ;;
            "waiting") words="--pair --type --side --limit -n --json --csv --no-color --help -h" ;;
            "watch") words="--timeout --json --quiet -q --no-color --help -h" ;;
            "show") words="--json --no-color --help -h" ;;
            "history") words="--status --pair --token --side --type --since --until --limit -n --columns --json --csv --no-pager --no-color --help -h" ;;
            "balance") words="--json --no-color --help -h" ;;
            "fills") words="--order --limit -n --columns --json --csv --no-pager --no-color --help -h" ;;
            "top") words="--interval --once --json --no-color --help -h" ;;
            "stats") words="--since --until --by --pair --side --json --csv --no-color --help -h" ;;
            "daemon") words="--help -h" ;;
            "daemon start") words="--switch-database --json --quiet -q --help -h" ;;
            "daemon stop") words="--json --quiet -q --help -h" ;;
            "daemon restart") words="--switch-database --json --quiet -q --help -h" ;;
            "daemon status") words="--json --no-color --help -h" ;;
            "daemon logs") words="--lines -n --follow -f --help -h" ;;
            "daemon run") words="--switch-database --help -h" ;;
            "daemon token") words="--json --help -h" ;;
            "worker") words="--help -h" ;;
            "halt") words="--reason --json --quiet -q --help -h" ;;
            "notify") words="--help -h" ;;
            "notify test") words="--json --no-color --help -h" ;;
            "limits") words="--json --no-color --help -h" ;;
            "resume") words="--yes -y --json --quiet -q --help -h" ;;
            "drill") words="--orders --faults --seed --workers --network --waiting --keep --json --quiet -q --help -h" ;;
            "shadow") words="--network --for --json --quiet -q --no-color --help -h" ;;
            "backup") words="--force --with-wallets --json --quiet -q --no-color --help -h" ;;
            "restore") words="--json --quiet -q --no-color --help -h" ;;
            "doctor") words="--json --no-color --help -h" ;;
            "wallet") words="--help -h" ;;
            "wallet new") words="--passphrase-file --no-passphrase --json --no-color --help -h" ;;
            "wallet import") words="--passphrase-file --no-passphrase --json --no-color --help -h" ;;
            "wallet list") words="--json --no-color --help -h" ;;
            "wallet show") words="--json --no-color --help -h" ;;
            "wallet default") words="--json --no-color --help -h" ;;
            "wallet lock") words="--json --no-color --help -h" ;;
            "wallet unlock") words="--for --passphrase-file --json --no-color --help -h" ;;
            "wallet remove") words="--yes --json --no-color --help -h" ;;
            "wallet balance") words="--json --no-color --help -h" ;;
            "tokens") words="--json --no-color --help -h" ;;
            "tokens search") words="--json --no-color --help -h" ;;
            "tokens new") words="--limit -n --json --no-color --help -h" ;;
            "tokens add") words="--symbol --accept --json --no-color --help -h" ;;
            "tokens remove") words="--json --help -h" ;;
            "config") words="--help -h" ;;
            "config show") words="--origin --json --no-color --help -h" ;;
            "config path") words="--json --help -h" ;;
            "config get") words="--json --help -h" ;;
            "config set") words="--yes-real-money --json --no-color --help -h" ;;
            "config unset") words="--json --no-color --help -h" ;;
            "paths") words="--json --help -h" ;;
            "completion") words="--help -h" ;;
            "help") words="--help -h" ;;
        esac
    else
        case "$path:$count" in
            ":0") words="buy sell limit stop edit snipe submit cancel quote chart waiting watch show history balance fills top stats daemon worker halt notify limits resume drill shadow backup restore doctor wallet tokens config paths completion help"; ;;
            "buy:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "buy:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "sell:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "sell:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "limit:0") words="buy sell"; ;;
            "limit:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "limit:2") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "stop:0") words="buy sell"; ;;
            "stop:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "stop:2") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "edit:0") words="last"; orders="all"; ;;
            "snipe:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "snipe:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "submit:0") files="1"; ;;
            "cancel:"*) words="last"; orders="live"; ;;
            "quote:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "quote:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "chart:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "chart:1") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "watch:0") words="last"; orders="live"; ;;
            "show:0") words="last"; orders="all"; ;;
            "balance:"*) words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "daemon:0") words="start stop restart status logs run token"; ;;
            "notify:0") words="test"; ;;
            "backup:0") files="1"; ;;
            "restore:0") files="1"; ;;
            "wallet:0") words="new import list show default lock unlock remove balance"; ;;
            "wallet show:0") orders="wallets"; ;;
            "wallet default:0") orders="wallets"; ;;
            "wallet remove:0") orders="wallets"; ;;
            "wallet balance:"*) words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "tokens:0") words="search new add remove"; ;;
            "tokens remove:0") words="SOL USDC USDT JUP BONK RAY WIF PYTH JTO mSOL JitoSOL ORCA MET"; ;;
            "config:0") words="show path get set unset"; ;;
            "config get:0") words="home database_url redis_url host port hostnames url token no_autostart worker_threads max_active urgent_places max_attempts keep_days network real_money rpc_urls rpc_rate venues raydium_url jupiter_url jupiter_key_file jupiter_rate max_impact fee_cap max_order max_daily max_slippage max_open tokens notify on_event wallet wallet_passphrase_file paper_balance sim_seed sim_latency_ms sim_failure_rate sim_listing_slots sim_volatility sim_confirm_ms sim_ledger_file service_user log_level"; ;;
            "config set:0") words="home database_url redis_url host port hostnames url token no_autostart worker_threads max_active urgent_places max_attempts keep_days network real_money rpc_urls rpc_rate venues raydium_url jupiter_url jupiter_key_file jupiter_rate max_impact fee_cap max_order max_daily max_slippage max_open tokens notify on_event wallet wallet_passphrase_file paper_balance sim_seed sim_latency_ms sim_failure_rate sim_listing_slots sim_volatility sim_confirm_ms sim_ledger_file service_user log_level"; ;;
            "config unset:0") words="home database_url redis_url host port hostnames url token no_autostart worker_threads max_active urgent_places max_attempts keep_days network real_money rpc_urls rpc_rate venues raydium_url jupiter_url jupiter_key_file jupiter_rate max_impact fee_cap max_order max_daily max_slippage max_open tokens notify on_event wallet wallet_passphrase_file paper_balance sim_seed sim_latency_ms sim_failure_rate sim_listing_slots sim_volatility sim_confirm_ms sim_ledger_file service_user log_level"; ;;
            "paths:0") words="home config socket token wallets database queue logs log completion"; ;;
            "completion:0") words="bash zsh fish"; ;;
            "help:"*) words="buy sell limit stop edit snipe submit cancel quote chart waiting watch show history balance fills top stats daemon worker halt notify limits resume drill shadow backup restore doctor wallet tokens config paths completion orders waiting sniping scripting networks exit-codes"; ;;
        esac
    fi
    if [ -n "$files" ]; then _oee_files; return; fi
    _oee_words
    if [ -n "$orders" ]; then _oee_orders "$orders"; fi
}

complete -F _oee oee
