"""`oee wallet`."""
