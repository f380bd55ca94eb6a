"""A browser on a login page of the sandbox: reads its form, presses a button, and tells where it is sent."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import aiohttp

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
ACTION = re.compile(r'<form [^>]*action="([^"]+)"')
TICKS = re.compile(r'<input type="checkbox" name="page" value="([^"]+)"')


@dataclass(frozen=True)
class Sent:
    """Where the browser was sent at the end: the address without query and fragment, the query, the fragment."""

    back: str
    query: dict[str, str]
    fragment: str


@dataclass(frozen=True)
class Visit:
    """What a page answered."""

    status: int
    text: str
    location: str
    origin: str

    @property
    def sent(self) -> Sent:
        """Where it leads."""
        assert self.status == 302, self.text
        parts = urlsplit(self.location)
        return Sent(
            self.location.partition("?")[0], dict(parse_qsl(parts.query, keep_blank_values=True)), parts.fragment
        )

    @property
    def ticks(self) -> list[str]:
        """The Pages that can be ticked."""
        return TICKS.findall(self.text)

    async def press(self, *fields: tuple[str, str]) -> "Visit":
        """Send the form with these fields beside those that it hides."""
        assert self.status == 200, self.text
        (action,) = ACTION.findall(self.text)
        hidden = [(name, html.unescape(value)) for name, value in HIDDEN.findall(self.text)]
        return await _asked("POST", self.origin + html.unescape(action), data=[*hidden, *fields])


async def visit(url: str) -> Visit:
    """Open a page."""
    return await _asked("GET", url)


async def let_in(url: str, person: str, *, pages: Sequence[str] | None = None) -> Sent:
    """Go through a login page as this person; `pages` are ticked where Pages are asked for, all of them if None."""
    page = await (await visit(url)).press(("person", person))
    if page.status == 200 and page.ticks:
        ticked = page.ticks if pages is None else pages
        page = await page.press(*(("page", one) for one in ticked), ("ticked", "1"))
    return page.sent


async def _asked(method: str, url: str, **options: object) -> Visit:
    parts = urlsplit(url)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, allow_redirects=False, **options) as answer,
    ):
        location = answer.headers.get("location", "")
        return Visit(answer.status, await answer.text(), location, f"{parts.scheme}://{parts.netloc}")
