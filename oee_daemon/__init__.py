"""The engine behind the `oee` command: it accepts, routes, executes and remembers orders."""

#: The release; `pyproject.toml` says the same and a test holds the two together.
__version__ = "0.1.0"
