"""`oee submit`: many orders, one a line."""
