"""`oee history` and `oee fills`."""
