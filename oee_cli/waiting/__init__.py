"""`oee limit`, `oee stop` and `oee waiting`: orders that wait."""
