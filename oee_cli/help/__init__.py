"""`oee help` and `oee completion`."""
