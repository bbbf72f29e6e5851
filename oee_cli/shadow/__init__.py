"""`oee shadow`."""
