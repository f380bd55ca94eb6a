"""How long each page takes over HTTP for somebody with 1,000 posts and 10,000 files. `python bench/pages.py [sqlite] [word…]` alone.

Pages are found, not listed: every address of a page, and of what it links to, each with its own shape of query, once.
"""

import asyncio
import re
import secrets
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import aiohttp
import psutil
from rich.console import Console
from rich.table import Table
from tests.servers.postgres import running_postgres
from tests.servers.processes import start

from bench.furnished import FILES, POSTS, Furnished, furnish
from hayon.vault import Vault
from hayon.web.app import ROOMS
from hayon.web.auth import COOKIE
from hayon.web.pages_form import PageRoute

FLOOR_MS = 50.0
WARM, ASKED = 5, 30
VARIANTS = 8
"""So many shapes of query are measured of one page: tabs, filters, the next part, a search."""
SEARCHES = {"q": "harbour", "search": "harbour", "query": "harbour"}
"""What a person types, by the name of the field."""
ASKED_WITH = {"/media/{mediaId:uuid}/tile": "?for=library"}
"""What an address is asked with, where it answers nothing without."""
UNDER_WAY = {"/reset", "/connections/{connectionId}"}
"""Pages for something that somebody has begun just now: they read one row, and nobody has begun anything here."""


@dataclass(frozen=True)
class Measured:
    """One address: milliseconds, sorted; those that Hayon's process computed for one answer, and how large that was.

    The computed ones hold on a machine that does much else, the others only where it is idle.
    """

    milliseconds: tuple[float, ...]
    computed: float
    size: int

    @property
    def median(self) -> float:
        """Of all."""
        return statistics.median(self.milliseconds)

    @property
    def p95(self) -> float:
        """All but one of twenty were as quick."""
        return self.milliseconds[-1 - len(self.milliseconds) // 20]


async def measure_pages(database_url: str = "", words: tuple[str, ...] = ()) -> dict[str, Measured | str]:
    """What each address took, on SQLite where no database is named; or why it could not be asked. `words`: only such addresses."""
    with tempfile.TemporaryDirectory(prefix="hayon-bench-") as folder:
        secret = secrets.token_hex(32)
        data = Path(folder) / "data"
        data.mkdir()
        furnished = await furnish(database_url or f"sqlite:///{data / 'hayon.db'}", Vault([secret]))
        surroundings = {
            "HAYON_DATA_DIR": str(data), "HAYON_PORT": "0", "HAYON_LOG": "json", "HAYON_DATABASE_URL": database_url,
            "HAYON_SECRET_KEY": secret,
        }  # fmt: skip
        command = [sys.executable, "-m", "hayon.cli", "serve"]
        hayon = await asyncio.to_thread(start, command, log=Path(folder) / "serve", env=surroundings)
        session = aiohttp.ClientSession(hayon.ready["url"], cookies={COOKIE: furnished.session},
                                        cookie_jar=aiohttp.CookieJar(unsafe=True))  # fmt: skip
        try:
            async with session:
                return await _walk(session, psutil.Process(hayon.pid), furnished, words)
        finally:
            await asyncio.to_thread(hayon.stop)


async def _walk(
    session: aiohttp.ClientSession, process: psutil.Process, furnished: Furnished, words: tuple[str, ...]
) -> dict[str, Measured | str]:
    found: dict[str, Measured | str] = {}
    waiting = [_filled(path, furnished) for path in _paths()]
    shapes: dict[str, set[tuple[str, ...]]] = {}
    while waiting:
        address = waiting.pop(0)
        parts = urlsplit(address)
        shape = tuple(sorted(_shape(name, value) for name, value in parse_qsl(parts.query)))
        known = shapes.setdefault(parts.path, set())
        if shape in known or len(known) > VARIANTS:
            continue
        known.add(shape)
        if "{" in address:
            found[_short(address)] = "nobody here knows which"
            continue
        status, body, _ = await _ask(session, address)
        if status != 200:
            found[_short(address)] = f"answered {status}"
            continue
        waiting += _leads_to(parts.path, body.decode())
        if not words or any(word in address for word in words):
            found[_short(address)] = await _measure(session, process, address)
    return found


def _shape(name: str, value: str) -> str:
    """Words make a page another one (a tab, a view); numbers, days and ids show the same with other rows."""
    return f"{name}={value}" if value.replace("-", "").isalpha() else name


def _paths() -> list[str]:
    """Every page that can be asked for, from the application's own routes."""
    routes = [route for room in ROOMS for route in room.router.routes if isinstance(route, PageRoute)]
    return list(dict.fromkeys(one.path for one in routes if "GET" in (one.methods or ()) and one.path not in UNDER_WAY))


def _filled(path: str, furnished: Furnished) -> str:
    ids = {**furnished.ids, **({"postId": furnished.ids["draft"]} if path.endswith("/edit") else {})}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: str(ids.get(part[1], part[0])), path) + ASKED_WITH.get(path, "")


def _leads_to(path: str, page: str) -> list[str]:
    """Where this page leads to itself with another query, by a link or by a search."""
    links = [unescape(link) for link in re.findall(r'(?:href|hx-get)="([^"#]+)', page)]
    found = [f"{path}{link}" if link.startswith("?") else link for link in links]
    fields = re.findall(r'<input[^>]*\bname="(\w+)"', page)
    found += [f"{path}?{name}={typed}" for name, typed in SEARCHES.items() if name in fields]
    return [link for link in found if "?" in link and urlsplit(link).path == path]


async def _measure(session: aiohttp.ClientSession, process: psutil.Process, address: str) -> Measured:
    for _ in range(WARM):
        await _ask(session, address)
    took, size, before = [], 0, process.cpu_times()
    for _ in range(ASKED):
        _, body, seconds = await _ask(session, address)
        took.append(seconds * 1000)
        size = len(body)
    after = process.cpu_times()
    computed = (after.user + after.system - before.user - before.system) * 1000 / ASKED
    return Measured(tuple(sorted(took)), computed, size)


async def _ask(session: aiohttp.ClientSession, address: str) -> tuple[int, bytes, float]:
    began = time.perf_counter()
    async with session.get(address, allow_redirects=False) as answer:
        body = await answer.read()
        return answer.status, body, time.perf_counter() - began


def show_pages(console: Console, figures: dict[str, dict[str, Measured | str]]) -> None:
    """Prints the figures of each database beside one another; what took longer than the floor is marked."""
    title = f"Pages for somebody with {POSTS:,} posts and {FILES:,} files: milliseconds over HTTP on this machine, {ASKED} times each"
    table = Table(
        title=title, caption=f"floor {FLOOR_MS:g} ms; ✗ marks what took longer; computed: by Hayon's process, for one"
    )
    table.add_column("page", overflow="fold")
    for database in figures:
        table.add_column(f"{database} median", justify="right")
        table.add_column("p95", justify="right")
        table.add_column("computed", justify="right")
    table.add_column("kB", justify="right")
    for address in dict.fromkeys(address for one in figures.values() for address in one):
        cells, size = [], ""
        for one in figures.values():
            got = one.get(address)
            if isinstance(got, Measured):
                cells += [_marked(got.median), _marked(got.p95), f"{got.computed:.1f}"]
                size = f"{got.size / 1000:.0f}"
            else:
                cells += [got or "-", "", ""]
        table.add_row(address, *cells, size)
    console.print(table)


def _short(address: str) -> str:
    """An address without what differs from run to run."""
    shown = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", address)
    return re.sub(r"=[^&=]{25,}", "=…", shown)


def _marked(milliseconds: float) -> str:
    return f"[red]✗ {milliseconds:.1f}[/]" if milliseconds > FLOOR_MS else f"{milliseconds:.1f}"


def run_pages(console: Console, words: tuple[str, ...] = (), *, sqlite_alone: bool = False) -> None:
    """Measures on SQLite, and on a PostgreSQL of its own, and prints."""
    figures = {"SQLite": asyncio.run(measure_pages(words=words))}
    if not sqlite_alone:
        with running_postgres() as server:
            figures["PostgreSQL"] = asyncio.run(measure_pages(server.url(), words))
    show_pages(console, figures)


if __name__ == "__main__":
    given = sys.argv[1:]
    run_pages(
        Console(width=None if sys.stdout.isatty() else 140),
        tuple(word for word in given if word != "sqlite"),
        sqlite_alone="sqlite" in given,
    )
