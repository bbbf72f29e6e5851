"""The commands `oee tokens` and `oee balance`."""
