"""Generated parts of pages that are written by hand otherwise: between two remarks that Markdown does not show."""

import re
import sys


def with_part(page: str, *, name: str, text: str) -> str:
    """Put the text between the markers of its name, or end if they are not there exactly once."""
    start = f"<!-- generated:{name} -->\n"
    pattern = re.compile(re.escape(start) + ".*?(?=<!-- /generated -->)", re.DOTALL)
    page, count = pattern.subn(lambda _: start + text, page)
    if count != 1:
        sys.exit(f"expected the marker {start.strip()} once, found it {count} times")
    return page


def table(*rows: list[str]) -> str:
    """Return the rows as a table, the first one as its head."""
    head, *body = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *body))
