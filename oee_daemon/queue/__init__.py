"""Dramatiq on Valkey: how an order's id reaches a worker thread, and a hint its watchers."""
