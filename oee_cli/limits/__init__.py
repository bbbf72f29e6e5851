"""`oee limits`."""
