"""What an order, a quote and a swap are. Pure: no I/O, no clock."""
