"""`oee top`."""
