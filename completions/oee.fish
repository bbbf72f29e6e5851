# Completion of oee. Made by `oee completion fish`: change the generator, not this file.

# Whether the option $argv[2] of the command $argv[1] takes a value. With a third word: prints those known.
function __oee_value
    switch "$argv[1] $argv[2]"
        case 'buy --spend'
            return 0
        case 'buy --slippage'
            set -q argv[3]; and printf '%s\t%s\n' '0.1%' '' '0.5%' '' '1%' '' '50bps' ''
            return 0
        case 'buy --max-spend'
            return 0
        case 'buy --min-receive'
            return 0
        case 'buy --idempotency-key'
            return 0
        case 'buy --timeout'
            return 0
        case 'buy --valid-for'
            return 0
        case 'sell --receive'
            return 0
        case 'sell --slippage'
            set -q argv[3]; and printf '%s\t%s\n' '0.1%' '' '0.5%' '' '1%' '' '50bps' ''
            return 0
        case 'sell --max-spend'
            return 0
        case 'sell --min-receive'
            return 0
        case 'sell --idempotency-key'
            return 0
        case 'sell --timeout'
            return 0
        case 'sell --valid-for'
            return 0
        case 'limit --spend'
            return 0
        case 'limit --receive'
            return 0
        case 'limit --at'
            return 0
        case 'limit --or-stop'
            return 0
        case 'limit --or-stop-limit'
            return 0
        case 'limit --oco'
            set -q argv[3]; and command oee __orders all 2>/dev/null
            set -q argv[3]; and printf '%s\t%s\n' 'last' 'the newest order'
            return 0
        case 'limit --from'
            return 0
        case 'limit --expires'
            return 0
        case 'limit --slippage'
            set -q argv[3]; and printf '%s\t%s\n' '0.1%' '' '0.5%' '' '1%' '' '50bps' ''
            return 0
        case 'limit --valid-for'
            return 0
        case 'limit --timeout'
            return 0
        case 'limit --idempotency-key'
            return 0
        case 'stop --spend'
            return 0
        case 'stop --receive'
            return 0
        case 'stop --at'
            return 0
        case 'stop --trail'
            return 0
        case 'stop --limit'
            return 0
        case 'stop --confirm'
            return 0
        case 'stop --oco'
            set -q argv[3]; and command oee __orders all 2>/dev/null
            set -q argv[3]; and printf '%s\t%s\n' 'last' 'the newest order'
            return 0
        case 'stop --from'
            return 0
        case 'stop --expires'
            return 0
        case 'stop --slippage'
            set -q argv[3]; and printf '%s\t%s\n' '0.1%' '' '0.5%' '' '1%' '' '50bps' ''
            return 0
        case 'stop --valid-for'
            return 0
        case 'stop --timeout'
            return 0
        case 'stop --idempotency-key'
            return 0
        case 'edit --at'
            return 0
        case 'edit --trail'
            return 0
        case 'edit --limit'
            return 0
        case 'edit --confirm'
            return 0
        case 'edit --amount'
            return 0
        case 'edit --from'
            return 0
        case 'edit --expires'
            return 0
        case 'edit --slippage'
            set -q argv[3]; and printf '%s\t%s\n' '0.1%' '' '0.5%' '' '1%' '' '50bps' ''
            return 0
        case 'snipe --spend'
            return 0
        case 'snipe --at'
            return 0
        case 'snipe --min-liquidity'
            return 0
        case 'snipe --accept'
            return 0
        case 'snipe --max-price'
            return 0
        case 'snipe --within'
            return 0
        case 'snipe --slippage'
            set -q argv[3]; and printf '%s\t%s\n' '0.1%' '' '0.5%' '' '1%' '' '50bps' ''
            return 0
        case 'snipe --valid-for'
            return 0
        case 'snipe --timeout'
            return 0
        case 'snipe --idempotency-key'
            return 0
        case 'submit --max-inflight'
            return 0
        case 'submit --batch'
            return 0
        case 'submit --slippage'
            set -q argv[3]; and printf '%s\t%s\n' '0.1%' '' '0.5%' '' '1%' '' '50bps' ''
            return 0
        case 'submit --valid-for'
            return 0
        case 'submit --timeout'
            return 0
        case 'cancel --group'
            set -q argv[3]; and command oee __orders live 2>/dev/null
            set -q argv[3]; and printf '%s\t%s\n' 'last' 'the newest order'
            return 0
        case 'cancel --pair'
            set -q argv[3]; and printf '%s\t%s\n' 'SOL/USDC' '' 'JUP/USDC' '' 'BONK/USDC' '' 'RAY/USDC' '' 'WIF/USDC' '' 'PYTH/USDC' '' 'JTO/USDC' '' 'mSOL/USDC' '' 'JitoSOL/USDC' '' 'ORCA/USDC' '' 'MET/USDC' '' 'SOL/USDT' '' 'JUP/USDT' '' 'BONK/USDT' '' 'RAY/USDT' '' 'WIF/USDT' '' 'PYTH/USDT' '' 'JTO/USDT' '' 'mSOL/USDT' '' 'JitoSOL/USDT' '' 'ORCA/USDT' '' 'MET/USDT' ''
            return 0
        case 'cancel --side'
            set -q argv[3]; and printf '%s\t%s\n' 'buy' '' 'sell' ''
            return 0
        case 'cancel --type'
            set -q argv[3]; and printf '%s\t%s\n' 'market' '' 'limit' '' 'stop' '' 'sniper' ''
            return 0
        case 'quote --side'
            set -q argv[3]; and printf '%s\t%s\n' 'buy' '' 'sell' ''
            return 0
        case 'quote --spend'
            return 0
        case 'quote --receive'
            return 0
        case 'waiting --pair'
            set -q argv[3]; and printf '%s\t%s\n' 'SOL/USDC' '' 'JUP/USDC' '' 'BONK/USDC' '' 'RAY/USDC' '' 'WIF/USDC' '' 'PYTH/USDC' '' 'JTO/USDC' '' 'mSOL/USDC' '' 'JitoSOL/USDC' '' 'ORCA/USDC' '' 'MET/USDC' '' 'SOL/USDT' '' 'JUP/USDT' '' 'BONK/USDT' '' 'RAY/USDT' '' 'WIF/USDT' '' 'PYTH/USDT' '' 'JTO/USDT' '' 'mSOL/USDT' '' 'JitoSOL/USDT' '' 'ORCA/USDT' '' 'MET/USDT' ''
            return 0
        case 'waiting --type'
            set -q argv[3]; and printf '%s\t%s\n' 'market' '' 'limit' '' 'stop' '' 'sniper' ''
            return 0
        case 'waiting --side'
            set -q argv[3]; and printf '%s\t%s\n' 'buy' '' 'sell' ''
            return 0
        case 'waiting --limit' 'waiting -n'
            return 0
        case 'watch --timeout'
            return 0
        case 'history --status'
            set -q argv[3]; and printf '%s\t%s\n' 'waiting' '' 'pending' '' 'routing' '' 'building' '' 'submitted' '' 'confirmed' '' 'failed' '' 'cancelled' '' 'expired' ''
            return 0
        case 'history --pair'
            set -q argv[3]; and printf '%s\t%s\n' 'SOL/USDC' '' 'JUP/USDC' '' 'BONK/USDC' '' 'RAY/USDC' '' 'WIF/USDC' '' 'PYTH/USDC' '' 'JTO/USDC' '' 'mSOL/USDC' '' 'JitoSOL/USDC' '' 'ORCA/USDC' '' 'MET/USDC' '' 'SOL/USDT' '' 'JUP/USDT' '' 'BONK/USDT' '' 'RAY/USDT' '' 'WIF/USDT' '' 'PYTH/USDT' '' 'JTO/USDT' '' 'mSOL/USDT' '' 'JitoSOL/USDT' '' 'ORCA/USDT' '' 'MET/USDT' ''
            return 0
        case 'history --token'
            set -q argv[3]; and printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            return 0
        case 'history --side'
            set -q argv[3]; and printf '%s\t%s\n' 'buy' '' 'sell' ''
            return 0
        case 'history --type'
            set -q argv[3]; and printf '%s\t%s\n' 'market' '' 'limit' '' 'stop' '' 'sniper' ''
            return 0
        case 'history --since'
            set -q argv[3]; and printf '%s\t%s\n' '15m' '' '1h' '' '24h' '' '7d' '' 'today' '' 'yesterday' ''
            return 0
        case 'history --until'
            set -q argv[3]; and printf '%s\t%s\n' '15m' '' '1h' '' '24h' '' '7d' '' 'today' '' 'yesterday' ''
            return 0
        case 'history --limit' 'history -n'
            return 0
        case 'history --columns'
            set -q argv[3]; and printf '%s\t%s\n' 'order' 'the id; its first 8 characters in a table' 'when' 'when it was placed; how long ago in a table' 'side' 'buy or sell' 'pair' 'BASE/QUOTE' 'amount' 'what was asked for' 'for' 'what was paid or received for it' 'price' 'quote per base, net of everything' 'venue' 'where it was filled' 'status' 'waiting, pending, routing, building, submitted, or how it ended' 'took' 'seconds from placed, or its condition met, to its end' 'note' 'why it failed, or how many attempts it took' 'orderId' 'the whole id' 'createdAt' 'when it was placed' 'finishedAt' 'when it ended' 'type' 'market, limit, stop or sniper' 'inputToken' 'what leaves the wallet' 'outputToken' 'what arrives' 'swapMode' 'ExactIn or ExactOut: which token the amount counts' 'slippageBps' 'how much worse than its quote it may be' 'minReceive' 'the least to receive' 'maxSpend' 'the most to spend' 'filledIn' 'what left the wallet' 'filledOut' 'what arrived' 'fee' 'the venue\'s part of what left' 'attempt' 'which attempt it ended in, or is in' 'signature' 'of the swap that was sent last' 'errorCode' 'why it failed, for programs' 'errorMessage' 'why it failed, for people' 'idempotencyKey' 'the key that it was placed with' 'network' 'where it was traded' 'tokenAddress' 'the mint that it waits to be listed' 'minLiquidity' 'US dollars that the pool has to hold' 'accept' 'risks that are taken' 'updatedAt' 'when it last moved' 'validForS' 'seconds after which it expires unsent' 'targetPrice' 'the price that it waits for' 'limitPrice' 'the worst price of a stop or sniper' 'trailBps' 'how far behind the best price it stops' 'confirmMs' 'milliseconds for which its price has to hold' 'launchTime' 'not looked at before' 'expiresAt' 'until when it waits' 'firedAt' 'when its condition was met last' 'firings' 'how often its condition was met' 'groupId' 'of the orders of which at most one is filled'
            return 0
        case 'fills --order'
            set -q argv[3]; and command oee __orders all 2>/dev/null
            set -q argv[3]; and printf '%s\t%s\n' 'last' 'the newest order'
            return 0
        case 'fills --limit' 'fills -n'
            return 0
        case 'fills --columns'
            set -q argv[3]; and printf '%s\t%s\n' 'order' 'the order\'s id; its first 8 characters in a table' 'when' 'when it landed; how long ago in a table' 'paid' 'what left the wallet' 'received' 'what arrived' 'slot' 'the chain\'s slot' 'signature' 'of the swap' 'orderId' 'the order\'s whole id' 'inputToken' 'what left the wallet' 'outputToken' 'what arrived' 'amountIn' 'how much left' 'amountOut' 'how much arrived' 'at' 'when it landed'
            return 0
        case 'top --interval'
            return 0
        case 'stats --since'
            set -q argv[3]; and printf '%s\t%s\n' '15m' '' '1h' '' '24h' '' '7d' '' 'today' '' 'yesterday' ''
            return 0
        case 'stats --until'
            set -q argv[3]; and printf '%s\t%s\n' '15m' '' '1h' '' '24h' '' '7d' '' 'today' '' 'yesterday' ''
            return 0
        case 'stats --by'
            set -q argv[3]; and printf '%s\t%s\n' 'venue' '' 'pair' '' 'day' ''
            return 0
        case 'stats --pair'
            set -q argv[3]; and printf '%s\t%s\n' 'SOL/USDC' '' 'JUP/USDC' '' 'BONK/USDC' '' 'RAY/USDC' '' 'WIF/USDC' '' 'PYTH/USDC' '' 'JTO/USDC' '' 'mSOL/USDC' '' 'JitoSOL/USDC' '' 'ORCA/USDC' '' 'MET/USDC' '' 'SOL/USDT' '' 'JUP/USDT' '' 'BONK/USDT' '' 'RAY/USDT' '' 'WIF/USDT' '' 'PYTH/USDT' '' 'JTO/USDT' '' 'mSOL/USDT' '' 'JitoSOL/USDT' '' 'ORCA/USDT' '' 'MET/USDT' ''
            return 0
        case 'stats --side'
            set -q argv[3]; and printf '%s\t%s\n' 'buy' '' 'sell' ''
            return 0
        case 'daemon logs --lines' 'daemon logs -n'
            return 0
        case 'halt --reason'
            return 0
        case 'drill --orders'
            return 0
        case 'drill --faults'
            return 0
        case 'drill --seed'
            return 0
        case 'drill --workers'
            return 0
        case 'drill --network'
            set -q argv[3]; and printf '%s\t%s\n' 'simulated' '' 'localnet' ''
            return 0
        case 'drill --waiting'
            return 0
        case 'shadow --network'
            set -q argv[3]; and printf '%s\t%s\n' 'mainnet' '' 'localnet' ''
            return 0
        case 'shadow --for'
            return 0
        case 'wallet new --passphrase-file'
            return 0
        case 'wallet import --passphrase-file'
            return 0
        case 'wallet unlock --for'
            return 0
        case 'wallet unlock --passphrase-file'
            return 0
        case 'tokens new --limit' 'tokens new -n'
            return 0
        case 'tokens add --symbol'
            return 0
        case 'tokens add --accept'
            return 0
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
            case 'buy' 'sell' 'limit' 'stop' 'edit' 'snipe' 'submit' 'cancel' 'quote' 'chart' 'waiting' 'watch' 'show' 'history' 'balance' 'fills' 'top' 'stats' 'daemon' 'daemon start' 'daemon stop' 'daemon restart' 'daemon status' 'daemon logs' 'daemon run' 'daemon token' 'worker' 'halt' 'notify' 'notify test' 'limits' 'resume' 'drill' 'shadow' 'backup' 'restore' 'doctor' 'wallet' 'wallet new' 'wallet import' 'wallet list' 'wallet show' 'wallet default' 'wallet lock' 'wallet unlock' 'wallet remove' 'wallet balance' 'tokens' 'tokens search' 'tokens new' 'tokens add' 'tokens remove' 'config' 'config show' 'config path' 'config get' 'config set' 'config unset' 'paths' 'completion' 'help'
                set __oee_path $next
                set __oee_count 0
            case '*'
                set __oee_count (math $__oee_count + 1)
        end
    end
end

# What stands before the last comma of $argv[2], where the option $argv[1] takes several words.
function __oee_listed
    if contains -- $argv[1] '--columns' '--status'
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
            case ''
                printf '%s\t%s\n' '--version' 'Show the version and exit' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'buy'
                printf '%s\t%s\n' '--spend' 'Pay exactly this much QUOTE instead' '--slippage' 'How much worse than the first quote a fill may be. (0.5%)' '--max-spend' 'Never pay more than this' '--min-receive' 'Never get less than this' '--idempotency-key' 'The same key places the order only once' '--dry-run' 'Quotes and every check; places nothing' '--timeout' 'How long to wait for the end: seconds, 90s, 5m' '--valid-for' 'Expires if not sent by then (300 s)' '--detach' 'Print the id once the order is durable, and return' '--json' 'One JSON object on stdout' '--events' 'Every event as a line of JSON on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'sell'
                printf '%s\t%s\n' '--receive' 'Get exactly this much QUOTE instead' '--slippage' 'How much worse than the first quote a fill may be. (0.5%)' '--max-spend' 'Never pay more than this' '--min-receive' 'Never get less than this' '--idempotency-key' 'The same key places the order only once' '--dry-run' 'Quotes and every check; places nothing' '--timeout' 'How long to wait for the end: seconds, 90s, 5m' '--valid-for' 'Expires if not sent by then (300 s)' '--detach' 'Print the id once the order is durable, and return' '--json' 'One JSON object on stdout' '--events' 'Every event as a line of JSON on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'limit'
                printf '%s\t%s\n' '--spend' 'Pay exactly this much QUOTE instead' '--receive' 'Get exactly this much QUOTE instead' '--at' 'QUOTE for one BASE, or a step from now' '--or-stop' 'And a stop there; at most one of both is filled' '--or-stop-limit' 'That stop\'s worst price. (20 % past it)' '--oco' 'Join that order or its group: at most one is filled' '--from' 'Begin to wait then: 24h, 7d, ISO. (at once)' '--expires' 'Stop waiting then: 24h, 7d, ISO. (never)' '--slippage' 'How much worse than the first quote a fill may be. (0.5%)' '--valid-for' 'Expires if not sent by then (300 s)' '--far' 'The price is meant, although it is far from the market' '--wait' 'Follow the order to its end; else its id is printed' '--timeout' 'With --wait: for how long. (for ever)' '--idempotency-key' 'The same key places the order only once' '--dry-run' 'Quotes and every check; places nothing' '--json' 'One JSON object on stdout' '--events' 'Every event as a line of JSON on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'stop'
                printf '%s\t%s\n' '--spend' 'Pay exactly this much QUOTE instead' '--receive' 'Get exactly this much QUOTE instead' '--at' 'QUOTE for one BASE, or a step from now' '--trail' 'Follow the best price at this distance instead' '--limit' 'Never fill worse. (20 % past --at)' '--confirm' 'How long the price has to hold. (800ms)' '--oco' 'Join that order or its group: at most one is filled' '--from' 'Begin to wait then: 24h, 7d, ISO. (at once)' '--expires' 'Stop waiting then: 24h, 7d, ISO. (never)' '--slippage' 'How much worse than each try\'s quote a fill may be. (1%)' '--valid-for' 'Expires if not sent by then (300 s)' '--far' 'The price is meant, although it is far from the market' '--wait' 'Follow the order to its end; else its id is printed' '--timeout' 'With --wait: for how long. (for ever)' '--idempotency-key' 'The same key places the order only once' '--dry-run' 'Quotes and every check; places nothing' '--json' 'One JSON object on stdout' '--events' 'Every event as a line of JSON on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'edit'
                printf '%s\t%s\n' '--at' 'QUOTE for one BASE, or a step from now' '--trail' 'Follow the best price at this distance instead' '--limit' 'Never fill worse. (20 % past --at)' '--confirm' 'How long the price has to hold. (800ms)' '--amount' 'A new amount, of the token that it counts' '--from' 'Begin to wait then: 24h, 7d, ISO. (at once)' '--expires' 'Stop waiting then: 24h, 7d, ISO' '--slippage' 'How much worse than the first quote a fill may be' '--far' 'The price is meant, although it is far from the market' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'snipe'
                printf '%s\t%s\n' '--spend' 'How much QUOTE to pay, exactly. Needed' '--at' 'The moment: ISO with up to microseconds, 10m' '--min-liquidity' 'What the pool has to hold of QUOTE, in USD. (10000)' '--accept' 'Risks that you take, one by one' '--max-price' 'Never pay more QUOTE for one TOKEN' '--within' 'Give up then. (24h; a known token\'s 30 s after --at)' '--slippage' 'How much worse than each try\'s quote a fill may be. (5%)' '--valid-for' 'Expires if not sent by then (30 s)' '--wait' 'Follow the order to its end; else its id is printed' '--timeout' 'With --wait: for how long. (for ever)' '--idempotency-key' 'The same key places the order only once' '--dry-run' 'Quotes and every check; places nothing' '--json' 'One JSON object on stdout' '--events' 'Every event as a line of JSON on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'submit'
                printf '%s\t%s\n' '--max-inflight' 'Orders on their way at once' '--batch' 'The same batch again places nothing twice' '--stop-on-failure' 'Send nothing more after the first line that fails' '--slippage' 'How much worse than the first quote a fill may be. (0.5%; stop 1%, sniper 5%)' '--valid-for' 'Expires if not sent by then (300 s; sniper 30 s)' '--dry-run' 'Quotes and every check; places nothing' '--timeout' 'How long to wait for the end: seconds, 90s, 5m' '--detach' 'A result once each order is durable' '--json' '' '--no-color' 'No colours' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'cancel'
                printf '%s\t%s\n' '--group' 'Every order of its group, or of that one' '--all' 'Every order that has not ended' '--pair' 'Only this pair' '--side' 'Only this side' '--type' 'Only orders of this type' '--yes' 'With --all: does not ask' '-y' 'With --all: does not ask' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'quote'
                printf '%s\t%s\n' '--side' 'Which way to ask' '--spend' 'Pay exactly this much QUOTE instead' '--receive' 'Get exactly this much QUOTE instead' '--watch' 'Follow the price of a little, until Ctrl-C' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'chart'
                printf '%s\t%s\n' '--json' 'Every price as a line of JSON on stdout, as oee quote --watch' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'waiting'
                printf '%s\t%s\n' '--pair' 'Only this pair' '--type' 'Only orders of this type' '--side' 'Only this side' '--limit' 'At most this many, or every one. (20)' '-n' 'At most this many, or every one. (20)' '--json' 'One JSON array on stdout' '--csv' 'CSV with a header row on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'watch'
                printf '%s\t%s\n' '--timeout' 'How long to watch; for ever if not given' '--json' 'Every event as a line of JSON on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'show'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'history'
                printf '%s\t%s\n' '--status' 'Only orders that are this; several with commas' '--pair' 'Only this pair' '--token' 'Only with this token' '--side' 'Only this side' '--type' 'Only orders of this type' '--since' 'Only placed since: 2h, today, monday, ISO' '--until' 'Only placed before: written the same way' '--limit' 'At most this many, or every one. (20)' '-n' 'At most this many, or every one. (20)' '--columns' 'Which columns, of the table and of --csv' '--json' 'One JSON array on stdout' '--csv' 'CSV with a header row on stdout' '--no-pager' 'No pager for what is longer than the screen' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'balance'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'fills'
                printf '%s\t%s\n' '--order' 'Only this order\'s' '--limit' 'At most this many, or every one. (20)' '-n' 'At most this many, or every one. (20)' '--columns' 'Which columns, of the table and of --csv' '--json' 'One JSON array on stdout' '--csv' 'CSV with a header row on stdout' '--no-pager' 'No pager for what is longer than the screen' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'top'
                printf '%s\t%s\n' '--interval' 'How often to look: seconds, 500ms, 5s' '--once' 'One look as plain text, without a terminal' '--json' 'One look as a JSON object' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'stats'
                printf '%s\t%s\n' '--since' 'Only orders placed since then' '--until' 'Only orders placed before then' '--by' 'A line each; days are days in UTC' '--pair' 'Only this pair' '--side' 'Only this side' '--json' 'One JSON object on stdout' '--csv' 'CSV with a header row on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'daemon'
                printf '%s\t%s\n' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'daemon start'
                printf '%s\t%s\n' '--switch-database' 'Work on another database than this home has worked on before' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'daemon stop'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'daemon restart'
                printf '%s\t%s\n' '--switch-database' 'Work on another database than this home has worked on before' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'daemon status'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'daemon logs'
                printf '%s\t%s\n' '--lines' 'The last N lines' '-n' 'The last N lines' '--follow' 'Go on with what is added' '-f' 'Go on with what is added' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'daemon run'
                printf '%s\t%s\n' '--switch-database' 'Work on another database than this home has worked on before' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'daemon token'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'worker'
                printf '%s\t%s\n' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'halt'
                printf '%s\t%s\n' '--reason' 'Why: shown wherever the halt is' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'notify'
                printf '%s\t%s\n' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'notify test'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'limits'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'resume'
                printf '%s\t%s\n' '--yes' 'Don\'t ask' '-y' 'Don\'t ask' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'drill'
                printf '%s\t%s\n' '--orders' 'How many orders' '--faults' 'How many faults' '--seed' 'Repeats the faults; drawn if not given' '--workers' 'How many workers; the daemon\'s is one' '--network' 'On which network' '--waiting' 'How many of a hundred wait for a price' '--keep' 'Keep the drill\'s home' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'shadow'
                printf '%s\t%s\n' '--network' 'Whose swaps' '--for' 'How long: 10m, 6h, 7d' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'backup'
                printf '%s\t%s\n' '--force' 'Take the place of a file that exists' '--with-wallets' 'The wallets\' secret keys too: guard the file as them' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'restore'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--quiet' 'No progress on stderr' '-q' 'No progress on stderr' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'doctor'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet'
                printf '%s\t%s\n' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet new'
                printf '%s\t%s\n' '--passphrase-file' 'Its one line is the passphrase (mode 0600)' '--no-passphrase' 'Leave the key in the file as it is: who reads it can spend' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet import'
                printf '%s\t%s\n' '--passphrase-file' 'Its one line is the passphrase (mode 0600)' '--no-passphrase' 'Leave the key in the file as it is: who reads it can spend' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet list'
                printf '%s\t%s\n' '--json' 'One JSON array on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet show'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet default'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet lock'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet unlock'
                printf '%s\t%s\n' '--for' 'Lock again by itself: 30m, 8h, 2d' '--passphrase-file' 'Its one line is the passphrase (mode 0600)' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet remove'
                printf '%s\t%s\n' '--yes' 'There is a backup, or nothing to lose; ask nothing' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'wallet balance'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'tokens'
                printf '%s\t%s\n' '--json' 'One JSON array on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'tokens search'
                printf '%s\t%s\n' '--json' 'One JSON array on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'tokens new'
                printf '%s\t%s\n' '--limit' 'At most this many' '-n' 'At most this many' '--json' 'One JSON array on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'tokens add'
                printf '%s\t%s\n' '--symbol' 'What you call it from now on' '--accept' 'The extensions whose risk you take, by name' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'tokens remove'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'config'
                printf '%s\t%s\n' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'config show'
                printf '%s\t%s\n' '--origin' 'Where each value comes from' '--json' 'One JSON array on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'config path'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'config get'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'config set'
                printf '%s\t%s\n' '--yes-real-money' 'Orders may spend real money: ask nobody' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'config unset'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--no-color' 'No colours' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'paths'
                printf '%s\t%s\n' '--json' 'One JSON object on stdout' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'completion'
                printf '%s\t%s\n' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
            case 'help'
                printf '%s\t%s\n' '--help' 'Show this message and exit' '-h' 'Show this message and exit'
        end
    else
        switch "$__oee_path:$__oee_count"
            case ':0'
                printf '%s\t%s\n' 'buy' 'Buy BASE with QUOTE at the best price of all venues' 'sell' 'Sell BASE for QUOTE at the best price of all venues' 'limit' 'Trade once the whole amount has your price or a better one, fees and impact included' 'stop' 'Trade once the price has reached a level, or fallen back N % from its best' 'edit' 'Change what an order waits for, while it waits' 'snipe' 'Buy a new token once it is listed and passes every check, or any token at one moment' 'submit' 'Place many orders, one a line' 'cancel' 'Stop orders of which nothing can be on the chain' 'quote' 'Every venue\'s price, best first; trades nothing' 'chart' 'A pair\'s price live, with the levels of orders that wait and with fills' 'waiting' 'Orders that wait, those nearest to their price first' 'watch' 'Follow one order from its first event on, or every order' 'show' 'One order explained: its timeline, attempts, quotes and fill' 'history' 'Past orders, newest first' 'balance' 'What the wallet holds, and what it is worth' 'fills' 'The chain\'s own ledger, for audits' 'top' 'The engine live: orders in flight, queue, workers, venues, fills' 'stats' 'Execution quality: routing\'s gain, slippage, latency' 'daemon' 'The local daemon; any command that needs it starts it' 'worker' 'Run one more worker' 'halt' 'Let nothing be signed or sent any more, by any worker' 'notify' 'Who is told what happens while you are away' 'limits' 'How much of each limit is used, and when it frees' 'resume' 'Let a halted engine go on: what is due then, goes on' 'drill' 'Check the promise on this machine, in a home of its own' 'shadow' 'Judge strangers\' swaps as your own, and compare with the blocks' 'backup' 'Copy all orders into one file, while the daemon works' 'restore' 'Put a backup into a fresh home, where nothing is executed again' 'doctor' 'Check everything here, and say what mends it' 'wallet' 'The key that signs: make, import, lock, unlock, list' 'tokens' 'What can be traded by its symbol; add tokens by their mints' 'config' 'Look at settings and change them' 'paths' 'Where home, database, logs and everything else are' 'completion' 'Print the completion script of a shell' 'help' 'Explain a command or a topic'
            case 'buy:0'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'buy:1'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'sell:0'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'sell:1'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'limit:0'
                printf '%s\t%s\n' 'buy' '' 'sell' ''
            case 'limit:1'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'limit:2'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'stop:0'
                printf '%s\t%s\n' 'buy' '' 'sell' ''
            case 'stop:1'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'stop:2'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'edit:0'
                command oee __orders all 2>/dev/null
                printf '%s\t%s\n' 'last' 'the newest order'
            case 'snipe:0'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'snipe:1'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'submit:0'
            case 'cancel:*'
                command oee __orders live 2>/dev/null
                printf '%s\t%s\n' 'last' 'the newest order'
            case 'quote:0'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'quote:1'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'chart:0'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'chart:1'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'watch:0'
                command oee __orders live 2>/dev/null
                printf '%s\t%s\n' 'last' 'the newest order'
            case 'show:0'
                command oee __orders all 2>/dev/null
                printf '%s\t%s\n' 'last' 'the newest order'
            case 'balance:*'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'daemon:0'
                printf '%s\t%s\n' 'start' 'Start the daemon, detached, unless it runs already' 'stop' 'Stop the daemon: orders that run end first, or are left safe' 'restart' 'Stop the daemon and start it again' 'status' 'What of the daemon runs, and where. Exit 6 if nothing does' 'logs' 'Print the daemon\'s log' 'run' 'Run the daemon in the foreground, for a service manager' 'token' 'Print the token that TCP asks for'
            case 'notify:0'
                printf '%s\t%s\n' 'test' 'Tell everybody who is set, now'
            case 'backup:0'
            case 'restore:0'
            case 'wallet:0'
                printf '%s\t%s\n' 'new' 'Make a new key, sealed by a passphrase' 'import' 'Take over a key from stdin, never from an argument' 'list' 'Every wallet of this home' 'show' 'Its address, file and kind, and whether it is locked; never the key' 'default' 'Let the engine sign with this one, from its next start on' 'lock' 'Make the worker forget the key' 'unlock' 'Open the sealed wallet that the engine signs with, until it is locked or the daemon ends' 'remove' 'Delete its file, after asking for its name and for a backup' 'balance' 'What the wallet in use holds, and what it is worth: as oee balance'
            case 'wallet show:0'
                command oee __orders wallets 2>/dev/null
            case 'wallet default:0'
                command oee __orders wallets 2>/dev/null
            case 'wallet remove:0'
                command oee __orders wallets 2>/dev/null
            case 'wallet balance:*'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'tokens:0'
                printf '%s\t%s\n' 'search' 'Look a token up: pinned, added, and in the network\'s directory' 'new' 'Tokens that will be traded next, the nearest first: of the simulated network and of localnet' 'add' 'Add a token by its mint, or say anew what it is called and what you accept' 'remove' 'Take back what you said of a token: its symbol, and what you accepted'
            case 'tokens remove:0'
                printf '%s\t%s\n' 'SOL' '' 'USDC' '' 'USDT' '' 'JUP' '' 'BONK' '' 'RAY' '' 'WIF' '' 'PYTH' '' 'JTO' '' 'mSOL' '' 'JitoSOL' '' 'ORCA' '' 'MET' ''
            case 'config:0'
                printf '%s\t%s\n' 'show' 'Every setting with its value; passwords are masked' 'path' 'Print where config.toml is, or would be' 'get' 'Print the value that counts, passwords and all; nothing where it is not set' 'set' 'Write a setting to config.toml' 'unset' 'Take a setting out of config.toml'
            case 'config get:0'
                printf '%s\t%s\n' 'home' 'database, queue, logs, token, socket' 'database_url' 'your own Postgres; a home stays on the one it began on' 'redis_url' 'your own Redis or Valkey' 'host' 'where the TCP side listens' 'port' 'where the TCP side listens' 'hostnames' 'more names that HTTP may be asked for by: a,b' 'url' 'talk to a daemon elsewhere, also by https' 'token' 'what the daemon elsewhere asks for' 'no_autostart' '1: no command starts the daemon' 'worker_threads' 'orders in execution at once, per worker' 'max_active' 'orders in execution at once, over all workers' 'urgent_places' 'more orders at once: stops and snipers alone' 'max_attempts' 'attempts before an order fails' 'keep_days' 'days an order is kept after its end; unset: for ever' 'network' 'where orders are traded' 'real_money' 'mainnet: confirmed, as oee config set network asks' 'rpc_urls' 'Solana\'s RPC endpoints: a,b; two are better' 'rpc_rate' 'calls a second to each RPC endpoint; unset: 10' 'venues' 'markets that are asked: a,b; unset: all' 'raydium_url' 'another address of Raydium\'s trade API' 'jupiter_url' 'another address of Jupiter\'s API' 'jupiter_key_file' 'a file with your key of Jupiter\'s API, mode 0600' 'jupiter_rate' 'requests a second to Jupiter; unset: its free rate' 'max_impact' 'basis points: no quote that moves the price further' 'fee_cap' 'lamports: the most that a swap may pay the network' 'max_order' 'USD: the most that one order may spend; unset: any' 'max_daily' 'USD: the most that orders may spend in 24 hours' 'max_slippage' 'bps: the most that an order may allow' 'max_open' 'orders that may be accepted and not ended' 'tokens' 'what may be traded: SOL,USDC; unset: all' 'notify' 'who is told what happens: Apprise\'s URLs, apart by spaces' 'on_event' 'a program that is told, by JSON on its standard input' 'wallet' 'its name or a key file; unset: the network\'s name' 'wallet_passphrase_file' 'opens a sealed wallet at each start' 'paper_balance' 'what a new paper wallet holds' 'sim_seed' 'the same seed and orders give the same history' 'sim_latency_ms' 'how long a simulated quote takes' 'sim_failure_rate' 'how often a simulated swap fails, 0 to 1' 'sim_listing_slots' 'slots of 400 ms from one new token to the next' 'sim_volatility' 'how much a watched price moves in 400 ms, basis points' 'sim_confirm_ms' 'from submission to confirmation' 'sim_ledger_file' 'an SQLite file for the simulated chain; unset: Postgres' 'service_user' 'as root: the servers\' account; unset: postgres or nobody' 'log_level' 'how much is logged: debug, info, warning, error'
            case 'config set:0'
                printf '%s\t%s\n' 'home' 'database, queue, logs, token, socket' 'database_url' 'your own Postgres; a home stays on the one it began on' 'redis_url' 'your own Redis or Valkey' 'host' 'where the TCP side listens' 'port' 'where the TCP side listens' 'hostnames' 'more names that HTTP may be asked for by: a,b' 'url' 'talk to a daemon elsewhere, also by https' 'token' 'what the daemon elsewhere asks for' 'no_autostart' '1: no command starts the daemon' 'worker_threads' 'orders in execution at once, per worker' 'max_active' 'orders in execution at once, over all workers' 'urgent_places' 'more orders at once: stops and snipers alone' 'max_attempts' 'attempts before an order fails' 'keep_days' 'days an order is kept after its end; unset: for ever' 'network' 'where orders are traded' 'real_money' 'mainnet: confirmed, as oee config set network asks' 'rpc_urls' 'Solana\'s RPC endpoints: a,b; two are better' 'rpc_rate' 'calls a second to each RPC endpoint; unset: 10' 'venues' 'markets that are asked: a,b; unset: all' 'raydium_url' 'another address of Raydium\'s trade API' 'jupiter_url' 'another address of Jupiter\'s API' 'jupiter_key_file' 'a file with your key of Jupiter\'s API, mode 0600' 'jupiter_rate' 'requests a second to Jupiter; unset: its free rate' 'max_impact' 'basis points: no quote that moves the price further' 'fee_cap' 'lamports: the most that a swap may pay the network' 'max_order' 'USD: the most that one order may spend; unset: any' 'max_daily' 'USD: the most that orders may spend in 24 hours' 'max_slippage' 'bps: the most that an order may allow' 'max_open' 'orders that may be accepted and not ended' 'tokens' 'what may be traded: SOL,USDC; unset: all' 'notify' 'who is told what happens: Apprise\'s URLs, apart by spaces' 'on_event' 'a program that is told, by JSON on its standard input' 'wallet' 'its name or a key file; unset: the network\'s name' 'wallet_passphrase_file' 'opens a sealed wallet at each start' 'paper_balance' 'what a new paper wallet holds' 'sim_seed' 'the same seed and orders give the same history' 'sim_latency_ms' 'how long a simulated quote takes' 'sim_failure_rate' 'how often a simulated swap fails, 0 to 1' 'sim_listing_slots' 'slots of 400 ms from one new token to the next' 'sim_volatility' 'how much a watched price moves in 400 ms, basis points' 'sim_confirm_ms' 'from submission to confirmation' 'sim_ledger_file' 'an SQLite file for the simulated chain; unset: Postgres' 'service_user' 'as root: the servers\' account; unset: postgres or nobody' 'log_level' 'how much is logged: debug, info, warning, error'
            case 'config unset:0'
                printf '%s\t%s\n' 'home' 'database, queue, logs, token, socket' 'database_url' 'your own Postgres; a home stays on the one it began on' 'redis_url' 'your own Redis or Valkey' 'host' 'where the TCP side listens' 'port' 'where the TCP side listens' 'hostnames' 'more names that HTTP may be asked for by: a,b' 'url' 'talk to a daemon elsewhere, also by https' 'token' 'what the daemon elsewhere asks for' 'no_autostart' '1: no command starts the daemon' 'worker_threads' 'orders in execution at once, per worker' 'max_active' 'orders in execution at once, over all workers' 'urgent_places' 'more orders at once: stops and snipers alone' 'max_attempts' 'attempts before an order fails' 'keep_days' 'days an order is kept after its end; unset: for ever' 'network' 'where orders are traded' 'real_money' 'mainnet: confirmed, as oee config set network asks' 'rpc_urls' 'Solana\'s RPC endpoints: a,b; two are better' 'rpc_rate' 'calls a second to each RPC endpoint; unset: 10' 'venues' 'markets that are asked: a,b; unset: all' 'raydium_url' 'another address of Raydium\'s trade API' 'jupiter_url' 'another address of Jupiter\'s API' 'jupiter_key_file' 'a file with your key of Jupiter\'s API, mode 0600' 'jupiter_rate' 'requests a second to Jupiter; unset: its free rate' 'max_impact' 'basis points: no quote that moves the price further' 'fee_cap' 'lamports: the most that a swap may pay the network' 'max_order' 'USD: the most that one order may spend; unset: any' 'max_daily' 'USD: the most that orders may spend in 24 hours' 'max_slippage' 'bps: the most that an order may allow' 'max_open' 'orders that may be accepted and not ended' 'tokens' 'what may be traded: SOL,USDC; unset: all' 'notify' 'who is told what happens: Apprise\'s URLs, apart by spaces' 'on_event' 'a program that is told, by JSON on its standard input' 'wallet' 'its name or a key file; unset: the network\'s name' 'wallet_passphrase_file' 'opens a sealed wallet at each start' 'paper_balance' 'what a new paper wallet holds' 'sim_seed' 'the same seed and orders give the same history' 'sim_latency_ms' 'how long a simulated quote takes' 'sim_failure_rate' 'how often a simulated swap fails, 0 to 1' 'sim_listing_slots' 'slots of 400 ms from one new token to the next' 'sim_volatility' 'how much a watched price moves in 400 ms, basis points' 'sim_confirm_ms' 'from submission to confirmation' 'sim_ledger_file' 'an SQLite file for the simulated chain; unset: Postgres' 'service_user' 'as root: the servers\' account; unset: postgres or nobody' 'log_level' 'how much is logged: debug, info, warning, error'
            case 'paths:0'
                printf '%s\t%s\n' 'home' '' 'config' '' 'socket' '' 'token' '' 'wallets' '' 'database' '' 'queue' '' 'logs' '' 'log' '' 'completion' ''
            case 'completion:0'
                printf '%s\t%s\n' 'bash' '' 'zsh' '' 'fish' ''
            case 'help:*'
                printf '%s\t%s\n' 'buy' 'Buy BASE with QUOTE at the best price of all venues' 'sell' 'Sell BASE for QUOTE at the best price of all venues' 'limit' 'Trade once the whole amount has your price or a better one, fees and impact included' 'stop' 'Trade once the price has reached a level, or fallen back N % from its best' 'edit' 'Change what an order waits for, while it waits' 'snipe' 'Buy a new token once it is listed and passes every check, or any token at one moment' 'submit' 'Place many orders, one a line' 'cancel' 'Stop orders of which nothing can be on the chain' 'quote' 'Every venue\'s price, best first; trades nothing' 'chart' 'A pair\'s price live, with the levels of orders that wait and with fills' 'waiting' 'Orders that wait, those nearest to their price first' 'watch' 'Follow one order from its first event on, or every order' 'show' 'One order explained: its timeline, attempts, quotes and fill' 'history' 'Past orders, newest first' 'balance' 'What the wallet holds, and what it is worth' 'fills' 'The chain\'s own ledger, for audits' 'top' 'The engine live: orders in flight, queue, workers, venues, fills' 'stats' 'Execution quality: routing\'s gain, slippage, latency' 'daemon' 'The local daemon; any command that needs it starts it' 'worker' 'Run one more worker' 'halt' 'Let nothing be signed or sent any more, by any worker' 'notify' 'Who is told what happens while you are away' 'limits' 'How much of each limit is used, and when it frees' 'resume' 'Let a halted engine go on: what is due then, goes on' 'drill' 'Check the promise on this machine, in a home of its own' 'shadow' 'Judge strangers\' swaps as your own, and compare with the blocks' 'backup' 'Copy all orders into one file, while the daemon works' 'restore' 'Put a backup into a fresh home, where nothing is executed again' 'doctor' 'Check everything here, and say what mends it' 'wallet' 'The key that signs: make, import, lock, unlock, list' 'tokens' 'What can be traded by its symbol; add tokens by their mints' 'config' 'Look at settings and change them' 'paths' 'Where home, database, logs and everything else are' 'completion' 'Print the completion script of a shell' 'orders' 'the life of an order, in a screenful' 'waiting' 'orders that wait for a price' 'sniping' 'new tokens, and what they are checked for' 'scripting' 'streams, --json, exit codes, keys, submit' 'networks' 'what is real and what is play money' 'exit-codes' 'how every command can end'
        end
    end
end

# Whether a file is wanted here.
function __oee_wants_file
    __oee_place
    contains -- "$__oee_path $__oee_option" 'wallet new --passphrase-file' 'wallet import --passphrase-file' 'wallet unlock --passphrase-file'; and return 0
    test -z "$__oee_option"; and contains -- "$__oee_path:$__oee_count" 'submit:0' 'backup:0' 'restore:0'
end

complete -c oee -f -k -a '(__oee_offers)'
complete -c oee -n __oee_wants_file -F
