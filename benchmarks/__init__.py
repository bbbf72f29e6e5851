"""Runnable figures: what the engine costs, each beside the floor that it is measured against.

`python -m benchmarks` runs all of them and writes a table. Never a gate in the tests, and no part of the
wheel: the engine knows nothing of what is here.
"""
