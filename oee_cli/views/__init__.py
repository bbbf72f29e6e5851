"""What is drawn with Rich. Imported only by the command that draws."""
