"""The table of outcomes tried on strangers' swaps: what it says of them, held against the blocks.

A process of its own that only reads: it has no wallet, signs nothing and sends nothing, and may import
nothing that does.
"""
