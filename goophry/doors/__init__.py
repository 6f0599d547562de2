"""Doors: other systems' wire formats, translated into tasks and back."""
