"""Secrets that stand in files of their own."""

from pathlib import Path

from goophry.config_sentences import printable


def secret_in(path: Path, *, what: str) -> str:
    """Return what the file at `path` holds. Raises `ValueError` with the end of a sentence about its key."""
    shown = printable(str(path))
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{shown} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{shown} is not UTF-8") from error
    if not secret:
        raise ValueError(f"{shown} is empty, expected the {what}")
    return secret
