"""`oee backup` and `oee restore`."""
