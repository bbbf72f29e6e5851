"""Solana as it is: endpoints that are asked, swaps that are built by others, and what their bytes may do."""
