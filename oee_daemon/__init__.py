"""The engine behind the `oee` command: it accepts, routes, executes and remembers orders."""
