"""`oee config`."""
