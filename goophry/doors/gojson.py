"""JSON as Go's encoder writes it, and text as Go's decoder reads it: the originals behind the doors are Go programs."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

_ESCAPES: Final = (
    {number: f"\\u{number:04x}" for number in (*range(0x20), *map(ord, "<>&\u2028\u2029"))}
    | {ord(char): f"\\{char}" for char in '"\\'}
    | dict.fromkeys(range(0xD800, 0xE000), "\\ufffd")  # a byte that is no UTF-8, see `text_of`
    | {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
)
_WORDS: Final = {None: "null", True: "true", False: "false"}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

#: Below and from here on, Go writes a number with an exponent.
_SMALL, _LARGE = 1e-6, 1e21


def dump(value: Any) -> bytes:
    """Return compact JSON, the keys of objects in their order; what is no text in it becomes U+FFFD, escaped."""
    return _dumped(value).encode()


def sound(text: str) -> str:
    """Put U+FFFD where half a surrogate pair stands, or a byte that was no UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def text_of(raw: bytes) -> str:
    """Decode UTF-8; each bad byte stays itself, as half a surrogate pair."""
    return raw.decode(errors="surrogateescape")


def plain_number(number: float) -> str:
    """Return a number in plain decimals, as short as it can be: 2.5, 1000000000000000000000."""
    text = repr(float(number))
    mantissa, has_exponent, exponent = text.partition("e")
    if not has_exponent:
        return text.removesuffix(".0")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits, point = whole + fraction, len(whole) + int(exponent)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _dumped(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, int | float):
        return str(value) if isinstance(value, int) else _number(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_dumped(key)}:{_dumped(item)}" for key, item in value.items()) + "}"
    return "[" + ",".join(map(_dumped, value)) + "]"


def _number(number: float) -> str:
    if not math.isfinite(number):
        raise ValueError(f"{number} is not JSON")
    if number == 0 or _SMALL <= abs(number) < _LARGE:
        return plain_number(number)
    mantissa, _, exponent = repr(number).partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"
