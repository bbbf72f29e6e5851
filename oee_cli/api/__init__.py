"""How the command line reaches the daemon: client, transport, stream, and the start of a daemon."""
