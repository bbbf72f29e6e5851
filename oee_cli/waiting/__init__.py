"""`oee limit`, `oee stop`, `oee waiting` and `oee edit`: orders that wait."""
