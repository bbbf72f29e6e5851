"""`oee buy` and `oee sell`."""
