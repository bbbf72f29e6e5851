"""All SQL of orders, and the connections that it goes over."""
