"""goophry: a config-driven, typed task runner. Importing it does nothing."""

__version__ = "2.0.0"
