"""The folder that a daemon owns: its lock, what belongs to it, and whether it is still in its place."""
