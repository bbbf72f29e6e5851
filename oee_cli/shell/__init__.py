"""Completion: what the three shells ask for and what they get."""
