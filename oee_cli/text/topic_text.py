"""`oee help TOPIC`: what is worth a screenful and belongs to no single command.

Each is plain text of at most 24 lines of 80 columns, with the commands that it speaks of written out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from oee_cli.exit_codes import exit_code_table


class Topic(NamedTuple):
    """Its line in the list of topics, and its text."""

    line: str
    text: Callable[[], str]


_ORDERS = """\
An order goes through five statuses, each durable before the next begins:

  pending     accepted and stored; nothing of it was sent
  routing     every venue is asked for a quote; the best one wins
  building    the swap is built and signed
  submitted   stored, then sent: from here on it may be on the chain
  confirmed   the chain has it; the only end in which anything moved

and can end in three other ways, which moved nothing but the network's fee of a
swap that the chain refused (with restored_unknown nobody can know):

  failed      no venue could fill it, in as many attempts as are allowed
  cancelled   oee cancel ID, while it was not submitted
  expired     it could not be sent in time: --valid-for, 300 s by default

A fault that may pass, or a swap that can never land, sends it back to pending
for another attempt. Its worst price is fixed once, by the first quote that was
chosen less --slippage (0.5%), or by --min-receive and --max-spend; it binds
every attempt. Leaving a command (Ctrl-C, --timeout, --detach) never touches
the order, and nor does a crash: it goes on where it was.

  oee watch ID     its steps, to the end      oee show ID     all about it
"""

_SCRIPTING = """\
Results go to stdout, progress and errors to stderr; a pipe changes no format.

  --json     one object (lists: one array), whatever happened; an order that
             exists is printed as it is, otherwise {"error": {"code", ...}}
  --events   every event of the order, a line of JSON each
  --quiet    no progress; errors are still said
  --detach   returns once the order is durable, with its id

  oee buy SOL USDC 1.5 --json | jq -r .signature
  oee watch --json | jq -c 'select(.status == "confirmed")'
  oee history --since today --csv > today.csv

The exit code is the answer: 0 confirmed, 7 failed and nothing was bought,
9 not known yet, 124 not sent yet (all: oee help exit-codes).

Repeat safely: with the same --idempotency-key an order is placed only once,
however often the command is run. Where you give no key one is made and said.

  oee buy SOL USDC 1.5 --idempotency-key "dca-$(date +%F)" --json

Many orders: oee submit FILE, one a line; the same file again places nothing
twice and goes on where it stopped; another --batch NAME places it anew.
"""

_WAITING = """\
An order can wait for its price, on every network, for days, and costs nothing
while it waits:

  oee limit buy SOL USDC 1.5 --at 140     once all of it costs 140 each or less
  oee limit sell SOL USDC 1.5 --at +5%    5 % over now, net of fee and impact
  oee stop sell SOL USDC 1.5 --at 130     once the best bid is 130 or less
  oee stop sell SOL USDC 1.5 --trail 5%   5 % under the best bid since now
  oee limit sell SOL USDC 1.5 --at 160 --or-stop 130    at most one is filled

A price is QUOTE for one BASE. The command ends with the id once the order is
durable; --wait follows it. --expires 7d ends the waiting, --from begins it.

Orders wait only while the daemon runs: oee daemon status. Prices that are too
old fire nothing, and oee show tells when nobody looked. Off the simulated
network estimates are watched, and only a firm quote fires: docs/waiting.md.
A limit never fills worse than its price; one whose price is gone waits again.
A stop fires on the best venue's price, held for --confirm (800 ms) over two
slots; its floor is 20 % past its price, or --limit. A stop that has fired is
tried until it is filled, or waits at its floor.

  oee waiting       what waits, the nearest first, and who watches
  oee show ID       what it waits for, each time it fired, and why it went back
  oee edit ID       --at 138, --amount 2, --expires 24h: while it waits
  oee cancel ID     or --group ID, --all, --pair SOL/USDC, --type limit
"""

_NETWORKS = """\
Where orders are traded, by OEE_NETWORK or: oee config set network NAME

  simulated   seeded prices and a chain of its own; the default, no money
  localnet    a Solana of this machine: real transactions, play money
  paper       mainnet's live prices, play money; nothing is ever sent
  devnet      Solana's public test chain; a wallet and play money of your own
  mainnet     real money

Every line but the simulated network's begins with the network's name, and each
object of --json has it. A home keeps each network's orders apart: go back, and
they are there again. A database of your own is one network's.

On paper a swap lands at the price that its venue has when it lands, or fails;
what your orders would do to a pool is not simulated. OEE_PAPER_BALANCE is what
a new paper wallet holds.

The daemon begins on mainnet only once its word was typed (--yes-real-money
where nobody can be asked; OEE_REAL_MONEY=mainnet beside OEE_NETWORK=mainnet),
with a wallet of yours, on the chain of mainnet's genesis hash.

  oee config set network mainnet     the way there: docs/going-live.md
"""


def _sniping() -> str:
    from oee_daemon.contract.risks import RISKS

    width = max(map(len, RISKS))
    return _SNIPING + "".join(f"  {name.ljust(width)}  {what}\n" for name, what in RISKS.items())


_SNIPING = """\
A token may pass every check and be pulled a slot later: no check promises more.

  oee tokens new                                  what comes next, by mint
  oee snipe MINT USDC --spend 100 --within 2h     once it is listed and passes

A token is judged when the order is placed, while it waits, and in each attempt
before a swap is signed: oee show ID. What is not known is not ok: the order
waits, and fails when its time is over. --accept lp,holders takes risks by name.
It buys in the pool that was judged; on real networks that is one of Raydium's.

"""

#: In the order of the list.
TOPICS = {
    "orders": Topic("the life of an order, in a screenful", lambda: _ORDERS),
    "waiting": Topic("orders that wait for a price", lambda: _WAITING),
    "sniping": Topic("new tokens, and what they are checked for", _sniping),
    "scripting": Topic("streams, --json, exit codes, keys, submit", lambda: _SCRIPTING),
    "networks": Topic("what is real and what is play money", lambda: _NETWORKS),
    "exit-codes": Topic("how every command can end", exit_code_table),
}


def list_topics() -> str:
    """The topics, a line each."""
    width = max(map(len, TOPICS))
    return "\n".join(f"  oee help {name.ljust(width)}   {topic.line}" for name, topic in TOPICS.items())
