"""The `oee` command: a thin client of the engine, of which it imports `oee_daemon.contract` alone."""
