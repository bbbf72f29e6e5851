"""The settings, where each came from, and the file that holds them."""
