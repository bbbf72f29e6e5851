"""How things are written and drawn: words, amounts, times, tables, frames."""
