"""A conversation with a running Hayon over its API, as any program would have it, and how its answers are shown. Decides nothing."""

import asyncio
import json
import mimetypes
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hayon import __version__
from hayon.errors import HayonError, Unreachable
from hayon.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

    from hayon.outgoing import Request

COLOURS = {"completed": "green", "failed": "red", "unconfirmed": "yellow", "partial_success": "yellow"}
FOUND_AT = "It is found at HAYON_API_URL (http://127.0.0.1:8080 if not set) and opened with HAYON_API_KEY."
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers, as it is.")]


class Refused(HayonError):
    """Hayon answered with a problem. Its text is the problem detail (RFC 9457), a line per finding."""


class Remote:
    """One conversation with a running Hayon. Every call raises HayonError with words for the person at the terminal."""

    def __init__(self, settings: Settings) -> None:
        from hayon.outgoing import Outgoing

        if not settings.api_key:
            raise Refused(
                "No API key is set. Make one with POST /api/keys (docs/using.md; the demo prints one), then: export HAYON_API_KEY=hayon_…"
            )
        self.url = settings.api_url
        self._headers = {"Authorization": f"Bearer {settings.api_key}", "Accept": "application/json"}
        self.outgoing = Outgoing(
            identity=f"hayon-cli/{__version__}", timeout_seconds=settings.call_deadline.total_seconds(),
            trusted_origins=[settings.api_url], allow_private_addresses=True,
        )  # fmt: skip

    async def ask(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None, key: str = ""
    ) -> Any:
        """What the API answers to one call, or None where it answers without words. `key` is an Idempotency-Key."""
        from hayon.outgoing import Request

        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        return await self._send(Request(
            method, f"{self.url}/api/{path}", headers, query or {}, json=body, largest_answer=50_000_000))  # fmt: skip

    async def upload(self, path: Path) -> str:
        """Brings one file to where Hayon keeps its files; its media id."""
        from hayon.outgoing import Request

        content = await asyncio.to_thread(path.read_bytes)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        grant = await self.ask("POST", "media/uploads", {"mimeType": kind, "size": len(content), "name": path.name})
        await self._send(Request(grant["method"], grant["url"], grant["headers"], body=content))
        await self.ask("POST", f"media/{grant['mediaId']}/complete")
        return str(grant["mediaId"])

    async def _send(self, request: "Request") -> Any:
        try:
            answer = await self.outgoing.send(request)
        except Unreachable as error:
            advice = "Start one with `hayon serve`, or say where it is: export HAYON_API_URL=https://…"
            raise Refused(f"No Hayon answers at {self.url}. {error.message}\n{advice}") from error
        try:
            told = answer.json() if answer.body else None
        except ValueError:
            raise Refused(f"What answers at {self.url} is no Hayon. Look at HAYON_API_URL.") from None
        if answer.status >= 400:
            raise Refused(_refusal(answer.status, told))
        return told


def converse(talk: Callable[[Remote], Awaitable[int | None]]) -> None:
    """Has one conversation; what `talk` returns is the exit code."""

    async def have() -> int | None:
        remote = Remote(Settings.read())
        async with aclosing(remote.outgoing):
            return await talk(remote)

    raise typer.Exit(asyncio.run(have()) or 0)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    """The first column is kept whole, so that ids can be copied. Statuses have colours."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        made.add_column(head, overflow="fold", no_wrap=head == heads[0])
    for row in rows:
        made.add_row(*(Text(cell, COLOURS.get(cell.lower(), "")) for cell in row))
    return made


def moment(told: str, zone: str | None = None) -> str:
    """A time of the API as a person reads it, in their own time zone or another."""
    at = datetime.fromisoformat(told).astimezone(ZoneInfo(zone) if zone else None)
    return f"{at:%Y-%m-%d %H:%M} {zone}" if zone else f"{at:%Y-%m-%d %H:%M:%S %Z}"


def tell(told: Any, as_json: bool, *lines: Any) -> None:
    """Prints the answer itself as JSON, or lines that say the same to a person; nothing in them is taken for markup."""
    from rich.console import Console

    if as_json:
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
        return
    # what goes into a file or another program is not cut to the width of a screen
    width = None if sys.stdout.isatty() else 200
    for line in lines:
        Console(highlight=False, markup=False, emoji=False, width=width).print(line, soft_wrap=isinstance(line, str))


def _refusal(status: int, told: Any) -> str:
    told = told if isinstance(told, dict) else {}
    if status == 401:
        return f"The API key is refused. {told.get('detail', '')} Set HAYON_API_KEY to a key that GET /api/keys lists."
    problems = told.get("problems", ())
    detail = f" {told.get('detail', 'no reason was given')}" if len(problems) != 1 else ""
    lines = [f"{told.get('title', 'Refused')} ({status}):{detail}"]
    for problem in problems:
        where = f" on {problem['platform']}" if problem.get("platform") else ""
        lines.append(f"  {problem['field']}{where}: {problem['message']}")
    return "\n".join(lines)
