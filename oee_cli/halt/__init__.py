"""`oee halt` and `oee resume`."""
