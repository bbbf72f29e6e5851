"""A home's own database as one file, and back: `oee backup` and `oee restore` on the engine's side."""
