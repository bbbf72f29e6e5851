"""The completion scripts: one module a shell, each a function from the commands to the script's lines."""
