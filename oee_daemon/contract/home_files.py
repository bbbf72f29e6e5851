"""The paths of what both ends know of a home, within it: the daemon makes them, the command line finds them.

Names alone, so that a Tab may read them; what stands in each file is the business of whoever writes it.
"""

from __future__ import annotations

#: Locks, and what a daemon says of itself while it runs.
RUN = "run"
SOCKET = "run/oee.sock"
#: What the starting daemon has done, a word a line.
PHASE = "run/phase"
#: What the running daemon says of itself, as JSON.
RUNNING = "run/daemon.json"
DAEMON_LOCK = "run/daemon.lock"
#: Held by the command that starts the daemon.
START_LOCK = "run/start.lock"
#: Somebody has stopped the daemon: nothing that runs already starts it again.
STOPPED = "run/stopped"
#: The name of the home, which outlives every process in it; its worker locks the file.
ID = "id"
TOKEN = "token"  # noqa: S105  # the file that holds it
WALLETS = "wallets"
LOGS = "logs"
DAEMON_LOG = "logs/daemon.log"
#: The folders of the daemon's own servers: their data and their sockets.
POSTGRES = "postgres"
VALKEY = "valkey"
SOCKETS = "sockets"
#: By their names there, or in the folder that stands in for it where that path is too long.
POSTGRES_SOCKET = ".s.PGSQL.5432"
VALKEY_SOCKET = "valkey.sock"
#: Every data folder of Postgres has it.
PG_VERSION = "postgres/PG_VERSION"
#: Which database the home works on, as JSON.
DATABASE = "database.json"
#: A wallet's key that goes by a name.
WALLET = "wallets/{}.json"
#: The home of root, so that an unprivileged server account can reach it; everybody else's is by platformdirs.
ROOT_HOME = "/var/lib/oee"
#: The file of settings, in the configuration folder of an account.
CONFIG = "config.toml"
