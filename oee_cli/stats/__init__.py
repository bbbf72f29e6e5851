"""`oee stats`."""
