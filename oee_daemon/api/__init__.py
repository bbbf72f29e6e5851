"""The daemon's two doors: HTTP and WebSocket, on a Unix socket and on TCP."""
