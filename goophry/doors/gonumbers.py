"""Numbers in text as Go reads them, and what it says of those that are none."""

import re
from typing import Final

_DECIMAL: Final = re.compile(r"[+-]?[0-9]+")
_INT64: Final = range(-(2**63), 2**63)

#: As Go's quotation marks show what is not printed.
_SHORT: Final = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"} | {
    '"': '\\"',
    "\\": "\\\\",
}
_SMALL: Final = 0x80


class NotANumber(ValueError):
    """The text is no whole number; the message is that of Go's strconv.Atoi."""


def atoi(text: str, *, least: int = -(2**63), most: int = 2**63 - 1) -> int:
    """Return the number. Raises `NotANumber`, also for one that is not between `least` and `most`."""
    if not _DECIMAL.fullmatch(text):
        raise NotANumber(f"strconv.Atoi: parsing {quoted(text)}: invalid syntax")
    digits = text.lstrip("+-").lstrip("0")
    number = int(digits[:20] or "0") * (-1 if text.startswith("-") else 1)
    if len(digits) > len("9223372036854775808") or number not in _INT64 or not least <= number <= most:
        raise NotANumber(f"strconv.Atoi: parsing {quoted(text)}: value out of range")
    return number


def quoted(text: str) -> str:
    """Return text in quotation marks."""
    return f'"{"".join(_shown(char) for char in text)}"'


def _shown(char: str) -> str:
    number = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    if 0xDC80 <= number <= 0xDCFF:  # noqa: PLR2004 - a byte that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    if number < _SMALL:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004
