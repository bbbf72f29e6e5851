"""The servers that the daemon runs itself: PostgreSQL, Valkey and localnet; and the worker."""

from oee_daemon.embedded.embedded_servers import FIRST_NETWORK, Servers

__all__ = ["FIRST_NETWORK", "Servers"]
