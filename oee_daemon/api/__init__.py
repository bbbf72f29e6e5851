"""The engine over HTTP and WebSocket, on a Unix socket and on TCP. All wire text is made here."""
