"""`oee notify`."""
