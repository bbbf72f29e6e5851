"""Tries the engine's verdict on strangers' swaps, and holds what it says of them against the blocks.

A process of its own that only reads: it has no wallet, signs nothing and sends nothing, and may import
nothing that does.
"""
