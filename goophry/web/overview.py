"""The stats as a page for people: read-only, one table, no script."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Final

import goophry
from goophry.outcome import Verdict
from goophry.stats.counters import Snapshot
from goophry.stats.type_counter import TypeCounts

_STYLE: Final = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .35rem .8rem; text-align: right; }
th:first-child { text-align: left; max-width: 24rem; overflow-wrap: anywhere; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
"""To be sent with the page: it may load nothing and run nothing."""

_STATES: Final = ("waiting", "delayed", "running", "failed")
_COLUMNS: Final = ("Type", "Started", "Succeeded", "Failed", "Busy", *(f"In Redis: {state}" for state in _STATES))
#: Ends that are no failure.
_NO_FAILURE: Final = (Verdict.SUCCESS, Verdict.INTERRUPTED)


def page(snapshot: Snapshot, lengths: Mapping[str, Mapping[str, int]] | None) -> bytes:
    """Return the HTML; `lengths` as from `QueueViews.lengths`, None when Redis is away."""
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    rows = "".join(
        _row(name, counts, lengths, mark=" (paused)" if name in snapshot.paused else "")
        for name, counts in sorted(snapshot.types.items())
    )
    quiet = " Quiet: nothing more is taken." if snapshot.quiet else ""
    redis = "reached" if lengths is not None and not snapshot.store_lost else "away"
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>goophry</title>'
        f"<style>{_STYLE}</style></head><body><h1>goophry {goophry.__version__}</h1>"
        f"<p>Up for {int(snapshot.uptime_s)} s. Redis: {redis}.{quiet}</p>"
        f"<div><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></body></html>\n"
    )
    return html.encode(errors="replace")


def _row(name: str, counts: TypeCounts, lengths: Mapping[str, Mapping[str, int]] | None, *, mark: str) -> str:
    failed = sum(count for verdict, count in counts.finished.items() if verdict not in _NO_FAILURE)
    numbers: list[int | str] = [counts.started, counts.finished[Verdict.SUCCESS], failed, counts.busy]
    of_type = (lengths or {}).get(name, {})
    numbers += [of_type.get(state, "–") for state in _STATES]
    cells = "".join(f"<td>{number}</td>" for number in numbers)
    return f'<tr><th scope="row">{escape(name)}{mark}</th>{cells}</tr>'
