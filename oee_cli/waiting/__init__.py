"""`oee limit`, `oee stop`, `oee snipe` and `oee waiting`: orders that wait."""
