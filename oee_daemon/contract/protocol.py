"""What a request, an answer and the end of a process say between the command line and the daemon.

Names and numbers only, and nothing is imported: `oee --version` and a Tab read this too. What an order is
made of stands in `fields.py`, what an answer looks like in `shapes.py`.
"""

#: The release, of the command line and the daemon alike.
VERSION = "0.1.0"
#: The version of what client and daemon say to each other; another one is refused, in words.
PROTOCOL = 4
#: A digest of it, of calls, answers, events and the names here: a test says what to do where it changes.
WIRE = "a09c357b45401f96"

#: Sent with every request, and with every answer: refusals too.
PROTOCOL_HEADER = "OEE-Protocol"
#: With every answer: the daemon's release.
VERSION_HEADER = "OEE-Version"
#: Over the Unix socket: which home a request is for, and whose daemon answers.
HOME_HEADER = "OEE-Home"
#: `1`: every check of the real path, and the quotes; nothing is placed.
DRY_RUN_HEADER = "OEE-Dry-Run"
#: With every answer: the network that the daemon trades on. With an order: the one that it is meant for.
NETWORK_HEADER = "OEE-Network"
#: With what places or changes orders: what was set where it comes from and protects money, as a form is
#: encoded. Another daemon than one that keeps to all of it refuses.
SETTINGS_HEADER = "OEE-Settings"
KEY_HEADER = "Idempotency-Key"

#: Orders or fills on a page: where none is asked for, and the most.
PAGE, MAX_PAGE = 50, 1000
#: The fewest characters of an order's id that may stand for it.
MIN_PREFIX = 4
#: The shortest and the longest idempotency key.
KEY_LENGTH = (8, 255)
#: Orders of one group, at least and at most; the longest key of one, since its orders' keys are longer.
GROUP_SIZE, GROUP_KEY_LENGTH = (2, 10), 248
#: Bytes that a body may have.
MAX_BODY = 65_536

#: How a process of the engine ends, for whoever started it. Done: it was told to stop, or has done its work.
EXIT_DONE = 0
EXIT_FAULT = 1
#: A setting can't be understood or is missing, or what was typed.
EXIT_USAGE = 2
#: The home has worked on another database, and nobody said that it is to change.
EXIT_OTHER_DATABASE = 3
#: The key that signs, or another file that guards something, is missing, open to others or not the engine's.
EXIT_KEY = 4
#: An outside server is away or can't serve, or the database is of another release.
EXIT_OUTSIDE = 6
#: The account may have no more threads or processes. This and the one below are those of sysexits.h.
EXIT_THREADS = 71
#: Another daemon holds the home.
EXIT_HELD = 75

#: What the daemon's start goes through, in the order in which it is done with them; each is a line of the
#: file `run/phase`.
PHASES = ("postgres", "queue", "schema", "worker")
#: The line that says that the daemon takes orders.
READY = "ready"
