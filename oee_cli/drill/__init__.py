"""`oee drill`."""
