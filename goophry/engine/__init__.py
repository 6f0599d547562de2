"""Loops, workers, and what happens to an entry between its pop and its end."""
