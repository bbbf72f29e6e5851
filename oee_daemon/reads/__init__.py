"""What is read and never changed: history, the engine's state, figures."""
