"""`oee doctor` and `oee paths`."""
