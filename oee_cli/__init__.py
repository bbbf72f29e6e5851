"""The `oee` command: a thin client of the engine, which it never imports."""

#: The release; `pyproject.toml` says the same and a test holds the two together.
__version__ = "0.1.0"
