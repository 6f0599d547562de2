"""Headers of a request, as types and entries may give them."""

import re
from collections.abc import Collection
from typing import Any, Final

#: Headers that decide where a message ends and what becomes of its connection; nobody gives them.
FRAMING: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

#: What an entry may not give: Host would name another host than the one that AllowUrls was asked about.
NOT_OF_ENTRIES: Final = FRAMING | {"host", "proxy-authorization"}

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: Printable text that fits into Latin-1, which is what a header can hold.
_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


def headers_problem(value: Any, *, forbidden: Collection[str]) -> str:
    """Say what was expected instead of `value`, empty if it is fine. Shows names and no values."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        return 'an object of strings, as {"Accept":"text/plain"}'
    for name, text in value.items():
        if not _NAME.fullmatch(name):
            return "names of headers, of letters, digits and dashes"
        if name.lower() in forbidden:
            return f"other headers than {name}, which nobody may set here"
        if not _VALUE.fullmatch(text):
            return f"one line of Latin-1 text as the value of {name}"
    if len({name.lower() for name in value}) < len(value):
        return "each header once, in whatever case"
    return ""
