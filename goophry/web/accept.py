"""Which form of an answer a client wants: `?format=` if it is there, else the Accept header."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

_QUALITY: Final = re.compile(r"q=([01](?:\.\d{0,3})?)")


class UnknownFormError(ValueError):
    """`?format=` names a form that there is not."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form in which a page exists: its name in `?format=` and its media type in Accept."""

    name: str
    media_type: str


def chosen(forms: Sequence[Form], *, query: str, accept: str) -> Form:
    """Return the form that the client likes best; the first of `forms` if it does not care.

    Among forms of the same quality the one that was named exactly wins, then the one named
    first. A client that accepts none of them gets the first. Raises `UnknownFormError`.
    """
    asked = parse_qs(query).get("format")
    if asked:
        for form in forms:
            if form.name == asked[-1].lower():
                return form
        names = ", ".join(form.name for form in forms)
        raise UnknownFormError(f"format: expected one of {names}")
    ranges = [_Range.parse(text, place) for place, text in enumerate(accept.split(","))]
    return max(forms, key=lambda form: _liking(form, ranges))


def _liking(form: Form, ranges: Sequence["_Range | None"]) -> tuple[float, int, int]:
    fitting = [found for found in ranges if found is not None and found.covers(form.media_type)]
    best = max(fitting, key=lambda found: (found.exactness, -found.place), default=None)
    if best is None or best.quality == 0:
        return (0.0, 0, 0)
    return (best.quality, best.exactness, -best.place if best.exactness == _EXACT else 0)


_EXACT: Final = 2


@dataclass(frozen=True, slots=True)
class _Range:
    """One item of an Accept header, as `text/*;q=0.5`."""

    media_range: str
    quality: float
    place: int

    @classmethod
    def parse(cls, text: str, place: int) -> "_Range | None":
        """Read one item; None for what is empty or not understood."""
        media_range, *parameters = (part.strip().lower() for part in text.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                match = _QUALITY.fullmatch(parameter)
                if match is None:
                    return None
                quality = min(1.0, float(match[1]))
        return cls(media_range, quality, place) if media_range else None

    @property
    def exactness(self) -> int:
        if self.media_range == "*/*":
            return 0
        return 1 if self.media_range.endswith("/*") else _EXACT

    def covers(self, media_type: str) -> bool:
        if self.exactness == 1:
            return media_type.startswith(self.media_range[:-1])
        return self.media_range in ("*/*", media_type)
