"""Somebody at a browser: a page in a context of its own, watched for everything a browser complains about. No test is here."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, BrowserType, ConsoleMessage, Page, Request, expect

from hayon.web.auth import COOKIE
from tests.browser.hayons import RunningHayon

WIDE, PHONE = (1280, 900), (360, 740)
PATIENCE_MS = 30_000
"""How long a page may take to become as expected: the machine may have much else to do."""
LEFT_BEHIND = ("htmx:sendAbort", "htmx:afterRequest")
"""What htmx tells the console of a request that was on its way when its page was left; of one that fails or is refused it tells
something else."""
_HERE = Path(__file__).resolve().parent
_AXE_LOCK = hashlib.sha256((_HERE / "axe" / "package-lock.json").read_bytes()).hexdigest()[:12]
_AXE = _HERE.parents[1] / ".cache" / f"axe-{_AXE_LOCK}" / "node_modules" / "axe-core" / "axe.min.js"

expect.set_options(timeout=PATIENCE_MS)


class BrowserMissingError(Exception):
    """Chromium or axe-core is not installed."""


def launch(chromium: BrowserType) -> Browser:
    """Debian's Chromium without a window, speaking to nobody on its own account. Raises BrowserMissingError."""
    program = shutil.which("chromium")
    if program is None or not _AXE.is_file():
        raise BrowserMissingError("install the browser for tests: tests/tools/install browser")
    # its sandbox refuses to work for root, which is who runs tests in containers
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return chromium.launch(executable_path=program, args=arguments)


@dataclass
class Guard:
    """Gathers what must not happen on a page. `hosts`: who may be asked; `expected`: parts of complaints that a test provokes."""

    hosts: set[str]
    expected: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """From now on."""
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._complain(f"{page.url} threw {error}"))
        page.on("request", self._asked)
        page.on("requestfailed", self._failed)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(LEFT_BEHIND):
            self._complain(f"{message.location.get('url')} told the console ({message.type}): {message.text}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https"} and parts.netloc not in self.hosts:
            self._complain(f"a stranger was asked: {request.method} {request.url}")

    def _failed(self, request: Request) -> None:
        # what a page leaves behind when it goes elsewhere: streams of events, pictures still on their way
        if request.failure != "net::ERR_ABORTED":
            self._complain(f"{request.method} {request.url} failed: {request.failure}")

    def _complain(self, words: str) -> None:
        if not any(part in words for part in self.expected):
            self.complaints.append(words)


class Person:
    """Somebody at a browser that shows this Hayon."""

    def __init__(self, hayon: RunningHayon, context: BrowserContext, guard: Guard) -> None:
        self.hayon = hayon
        self.context = context
        self.guard = guard
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", guard.watch)
        self.page = context.new_page()

    def visit(self, path: str) -> Page:
        """Opens an address of this Hayon."""
        self.page.goto(f"{self.hayon.url}{path}")
        return self.page

    def sign_in(self) -> None:
        """By the form on the front door."""
        page = self.visit("/")
        page.get_by_label("E-mail address").fill(self.hayon.email)
        page.get_by_label("Password", exact=True).fill(self.hayon.password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_attached()

    def expects(self, *complaints: str) -> None:
        """This test provokes what a browser complains about in these words."""
        self.guard.expected |= set(complaints)

    def may_visit(self, address: str) -> None:
        """Pages of that host may be asked too."""
        self.guard.hosts.add(urlsplit(address).netloc)

    def be_wide(self) -> None:
        """A screen on a desk."""
        self._resize(WIDE)

    def be_on_a_phone(self) -> None:
        """A narrow phone held upright."""
        self._resize(PHONE)

    def _resize(self, size: tuple[int, int]) -> None:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})


def open_person(browser: Browser, hayon: RunningHayon, session: str = "", **options: Any) -> Person:
    """Somebody with an empty browser; with a session they are signed in."""
    options = {"viewport": {"width": WIDE[0], "height": WIDE[1]}, "locale": "en-GB", "timezone_id": "Europe/Berlin",
               "color_scheme": "light", "reduced_motion": "reduce"} | options  # fmt: skip
    context = browser.new_context(**options)
    if session:
        context.add_cookies([{"name": COOKIE, "value": session, "url": hayon.url}])
    return Person(hayon, context, Guard({urlsplit(hayon.url).netloc}))


def check_with_axe(page: Page, *, without: Collection[str] = ()) -> None:
    """Fails on what axe-core finds serious or critical, in words and with the place. `without`: rules that do not hold here."""
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    rules = {rule: {"enabled": False} for rule in without}
    told = page.evaluate("rules => axe.run(document, {resultTypes: ['violations'], rules})", rules)
    grave = [one for one in told["violations"] if one["impact"] in {"serious", "critical"}]
    lines = [
        f"{one['id']} ({one['impact']}): {one['help']}\n    {node['html'][:200]}\n    {_reason(node)}"
        for one in grave
        for node in one["nodes"]
    ]
    assert not grave, f"{page.url}\n" + "\n".join(lines)


def _reason(node: dict[str, Any]) -> str:
    found = [one["message"] for kind in ("any", "all", "none") for one in node[kind]]
    return f"{json.dumps(node['target'])}: {'; '.join(found)}"


def sideways(page: Page) -> list[str]:
    """What makes the page wider than the window: the outermost parts that reach beyond it. Empty: nothing scrolls sideways."""
    return list(
        page.evaluate(
            """() => {
              const wide = document.documentElement.clientWidth;
              if (document.scrollingElement.scrollWidth <= wide) return [];
              const held = (one) => {
                for (let part = one.parentElement; part && part !== document.body; part = part.parentElement) {
                  if (getComputedStyle(part).overflowX !== "visible") return true;
                }
                return false;
              };
              const beyond = [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > wide + 1 && !held(one));
              const named = beyond.filter((one) => !beyond.includes(one.parentElement)).map((one) => one.outerHTML.slice(0, 160));
              return named.length ? named : ["something reaches beyond the window"];
            }"""
        )
    )


def look(page: Page, name: str) -> None:
    """Pictures of the whole page for people to look at, light and dark, wide and narrow, where HAYON_SHOTS names a folder."""
    folder = os.environ.get("HAYON_SHOTS")
    if not folder:
        return
    before = page.viewport_size
    for width, height in (WIDE, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")  # what sticks would stand in the middle
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
            page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    if before:
        page.set_viewport_size(before)
