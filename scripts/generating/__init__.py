"""What scripts/generate-docs writes, a module for each kind."""
