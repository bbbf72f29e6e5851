"""`oee daemon` and `oee worker`."""
