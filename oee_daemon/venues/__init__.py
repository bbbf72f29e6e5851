"""Who has a price."""
