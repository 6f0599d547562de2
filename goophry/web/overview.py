"""The first page of the dashboard for those who have no login: read-only, one page, no script."""

import base64
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from goophry.web.findings import duration
from goophry.web.models import Finding, Overview, Plot, TypeRow

#: Seconds after which a browser asks for the page again.
RENEW_S: Final = 10

_STYLE: Final = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; --soft: color-mix(in srgb, currentColor 60%, transparent);
  --line: color-mix(in srgb, currentColor 20%, transparent); --trouble: #b3320e; --notice: #7a5d00; --plot: #1f6fa3; }
@media (prefers-color-scheme: dark) { :root { --trouble: #ff9b7d; --notice: #f0cf6b; --plot: #7cb8e4; } }
body { margin: 1.5rem auto; max-width: 90rem; padding: 0 1rem; line-height: 1.45; }
h1 { font-size: 1.3rem; }
ul { list-style: none; padding: 0; display: grid; gap: .3rem; }
li { border-left: .3rem solid; padding: .35rem .7rem; overflow-wrap: anywhere; background: color-mix(in srgb, currentColor 7%, transparent); }
li b { color: inherit; }
.trouble { border-color: var(--trouble); } .trouble b { color: var(--trouble); }
.notice { border-color: var(--notice); } .notice b { color: var(--notice); }
.soft, .zero { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .45rem; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; min-width: 10rem; max-width: 22rem; white-space: normal; overflow-wrap: anywhere; }
thead th { font-size: .85rem; color: var(--soft); }
svg { width: 8rem; height: 1.6rem; vertical-align: middle; }
.done { stroke: var(--plot); fill: none; stroke-width: 1.6; }
.waiting { stroke: currentColor; fill: none; stroke-dasharray: 4 3; opacity: .6; }
.failed { fill: var(--trouble); }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
"""To be sent with the page: it may load nothing and run nothing."""

_COLUMNS: Final = (
    *("Type", "Waiting", "Delayed", "Running", "Workers", "Runs/min"),
    *("Done/h", "Failed/h", "Median here", "95 % here", "Oldest run", "Failed list", "Last hour"),
)
_WIDTH, _HEIGHT, _JOINED = 144, 30, 3


def page(overview: Overview, plots: Mapping[str, Plot]) -> bytes:
    """Return the HTML; `plots` may lack types."""
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    rows = "".join(_row(row, plots.get(row.type), now=overview.now) for row in overview.types)
    found = "".join(_finding(each, now=overview.now) for each in overview.findings)
    alive = sum(each.alive for each in overview.instances)
    zone = time.strftime("%Z", time.localtime(overview.now))
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{RENEW_S}">'
        '<meta name="viewport" content="width=device-width"><title>goophry</title>'
        f"<style>{_STYLE}</style></head><body><h1>goophry {escape(overview.version)}</h1>"
        f"<ul>{found or '<li>✓ Nothing is stuck</li>'}</ul>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="soft">{alive} instance{"" if alive == 1 else "s"}. Redis: {"reached" if overview.redis.up else "away"}. '
        f"As of {_clock(overview.now)} {escape(zone)}. Lines: runs that succeeded; dashed: waiting; triangles: failures. "
        "Here: of the runs on this instance, in the last hour.</p>"
        "</body></html>\n"
    )
    return html.encode(errors="replace")


def _finding(finding: Finding, *, now: float) -> str:
    mark = "▲ trouble" if finding.level == "trouble" else "● notice"
    about = f"{escape(_printable(finding.type))}: " if finding.type is not None else ""
    since = ""
    if finding.since is not None:
        since = f' <span class="soft">since {_clock(finding.since)} ({duration(max(0.0, now - finding.since))})</span>'
    return f'<li class="{finding.level}"><b>{mark}</b> {about}{escape(_printable(finding.text))}{since}</li>'


def _row(row: TypeRow, plot: Plot | None, *, now: float) -> str:
    numbers = [
        row.waiting,
        row.delayed,
        row.running,
        row.workers,
        round(row.per_minute, 1),
        row.done_hour,
        row.failed_hour,
    ]
    spans = [row.p50, row.p95, None if row.oldest_running is None else max(0.0, now - row.oldest_running)]
    cells = "".join(_number(number) for number in numbers)
    cells += "".join("<td>–</td>" if span is None else f"<td>{duration(span)}</td>" for span in spans)
    mark = " (paused)" if row.paused else ""
    name = f'<th scope="row">{escape(_printable(row.type))}{mark}</th>'
    return f"<tr>{name}{cells}{_number(row.failed)}<td>{'' if plot is None else _spark(plot)}</td></tr>"


def _number(number: float) -> str:
    return f"<td>{number:,}</td>" if number else '<td class="zero">0</td>'


def _spark(plot: Plot) -> str:
    done, failed = _sums([*plot.done[:-1], None]), _sums(plot.failed)
    waiting = [max(some, default=None) for some in _groups(plot.waiting)]
    marks = "".join(
        f'<path class="failed" d="M{_x(place, failed) - 4:.0f} 27h8l-4 -8z"/>'
        for place, count in enumerate(failed)
        if count
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{sum(each or 0 for each in plot.done)} done, '
        f'{sum(each or 0 for each in plot.failed)} failed in the last hour"><path class="waiting" d="{_line(waiting)}"/>'
        f'<path class="done" d="{_line(done)}"/>{marks}</svg>'
    )


def _groups(values: Sequence[int | None]) -> Iterator[list[int]]:
    for place in range(0, len(values), _JOINED):
        yield [value for value in values[place : place + _JOINED] if value is not None]


def _sums(values: Sequence[int | None]) -> list[int | None]:
    return [sum(some) if some else None for some in _groups(values)]


def _line(values: Sequence[int | None]) -> str:
    top = max((value or 0 for value in values), default=0) or 1
    text, begun = "", False
    for place, value in enumerate(values):
        if value is not None:
            text += f"{'L' if begun else 'M'}{_x(place, values):.1f} {_HEIGHT - 3 - value * (_HEIGHT - 8) / top:.1f}"
        begun = value is not None
    return text


def _x(place: int, values: Sequence[int | None]) -> float:
    return 4 + place * (_WIDTH - 8) / max(1, len(values) - 1)


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
