"""A network of this machine alone: a market, its venues and a chain, all in one file or schema."""
