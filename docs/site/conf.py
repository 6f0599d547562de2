"""How Sphinx makes the site from the pages, which stay plain Markdown: `make site`.

The source is the whole repository, so links between README, changelog and docs are the same here and on code hosts.
The order of the pages is that of docs/README.md: each of its headings is a part of the navigation, each page linked
below it stands there. Nothing on the site comes from elsewhere, so it works on a closed network, and from a folder.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

import goophry

ROOT = Path(__file__).resolve().parent.parent.parent

project = "goophry"
author = project
version = release = goophry.__version__
extensions = ["myst_parser"]

root_doc = "docs/README"
include_patterns = ["README.md", "CHANGELOG.md", "benchmarks/README.md", "docs/**.md"]
# What Sphinx would look through in vain.
exclude_patterns = [".*", "site", "dist", "goophry", "tests", "scripts", "deploy", "benchmarks/results"]
source_suffix = {".md": "markdown"}

# Headings get the anchors that code hosts give them.
myst_heading_anchors = 4
highlight_language = "text"

html_theme = "furo"
html_title = f"goophry {release}"
html_extra_path = ["extra"]
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_permalinks_icon = "#"

_HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)
_PAGE = re.compile(r"\[[^]\n]+\]\(([^)#\s]+)\.md\)")


def setup(app: Sphinx) -> None:
    """Have the index lead the navigation."""
    app.connect("source-read", _with_navigation)


def _with_navigation(_: Sphinx, docname: str, source: list[str]) -> None:
    if docname == root_doc:
        source[0] += "".join(
            f"\n\n```{{toctree}}\n:hidden:\n{caption}\n{chr(10).join(pages)}\n```"
            for caption, pages in _parts(source[0])
        )


def _parts(index: str) -> list[tuple[str, list[str]]]:
    """Return for each heading the caption, as an option of toctree, with the pages that are linked below it first."""
    first, *rest = _HEADING.split(index)
    parts, seen = [], set()
    for caption, text in (("", first), *zip(rest[::2], rest[1::2], strict=True)):
        pages = [page for page in dict.fromkeys(_PAGE.findall(text)) if page not in seen]
        seen |= set(pages)
        if pages:
            parts.append((f":caption: {caption}\n" if caption else "", pages))
    return parts
