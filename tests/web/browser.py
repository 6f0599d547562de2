"""A pytest plugin: the system's Chromium, driven through playwright. Skipped where there is none, unless it is required."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from web.api_site import TOKENS, ApiSite

#: Set where the browser must be there (`.ci/run` sets it): then its absence is a failure.
REQUIRED = "GOOPHRY_REQUIRE_BROWSER"

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


# No longer than for one module: while it lives, an event loop runs in this thread, and nobody else can have one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    if CHROMIUM is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, and there is no chromium")
        pytest.skip("there is no chromium on this machine")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Visit:
    """A person's way through the dashboard; `foreign` are the requests that left the site, `errors` what went wrong."""

    def __init__(self, browser: object, site: ApiSite, **options: object) -> None:
        self.context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", **options)  # type: ignore[attr-defined]
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.home = f"http://127.0.0.1:{site.port}"
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.page.on(
            "request", lambda request: self.foreign.append(request.url) if self._is_foreign(request.url) else None
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console", lambda line: self.errors.append(line.text) if line.type in {"error", "warning"} else None
        )
        self.page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.goto(self.home)

    def _is_foreign(self, url: str) -> bool:
        return not url.startswith(self.home)

    def login(self, role: str = "operator") -> "Visit":
        self.page.get_by_label("Your token").fill(TOKENS[role])
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_selector("nav")
        # A browser tells of every answer that is no success, also of the one that says: log in.
        self.errors = [error for error in self.errors if "401" not in error]
        return self

    def go(self, where: str) -> None:
        self.page.goto(f"{self.home}/#/{where}")

    def text(self, selector: str = "main") -> str:
        return str(self.page.locator(selector).first.inner_text())


@pytest.fixture
def visit(chromium: object) -> Iterator[Callable[..., Visit]]:
    """Open the dashboard of a site in a browser of its own."""
    visits: list[Visit] = []

    def open_(site: ApiSite, **options: object) -> Visit:
        visits.append(Visit(chromium, site, **options))
        return visits[-1]

    yield open_
    for each in visits:
        each.context.close()
