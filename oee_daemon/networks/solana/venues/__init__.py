"""Venues of Solana: Raydium's trade API, Jupiter's, and pools that are read from the chain."""
