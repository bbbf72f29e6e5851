"""The daemon's two doors: HTTP and WebSocket, on a Unix socket and on TCP."""

#: The version of what client and daemon say to each other; another one is refused, in words.
PROTOCOL = 1
