"""Where swaps go: what a network is, and those that there are."""
