"""`hayon posts`: speaks to a running Hayon over its API, as any program would, and shows what it answers. Decides nothing."""

import asyncio
import json
import mimetypes
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import typer

from hayon import __version__
from hayon.errors import HayonError, Unconfirmed, Unreachable
from hayon.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

    from hayon.outgoing import Request

LOOK_EVERY_SECONDS = 0.3
NEAR = timedelta(minutes=1)
"""An unconfirmed target is waited for while the next look at it is as near as this; after that a script should go on."""
COLOURS = {"completed": "green", "failed": "red", "unconfirmed": "yellow", "partial_success": "yellow"}

commands = typer.Typer(
    no_args_is_help=True,
    help="Create, list, show, cancel and retry posts on a running Hayon.\n\n"
    "It is found at HAYON_API_URL (http://127.0.0.1:8080 if not set) and opened with HAYON_API_KEY.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers, as it is.")]
Word = str | None
Words = list[str] | None
Files = list[Path] | None
Targets = Annotated[Words, typer.Option("--target", metavar="ID", help="Only this target; may be given several times.")]
PostId = Annotated[str, typer.Argument(metavar="POST", help="The id of the post.")]


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


@commands.command()
def create(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - reads it from standard input.")],
    platform: Annotated[Words, typer.Option(metavar="NAME", help="Your account on bluesky, mastodon.")] = None,
    account: Annotated[Words, typer.Option(metavar="ID", help="One account.")] = None,
    at: Annotated[Word, typer.Option(metavar="TIME", help="When, such as 2026-12-01T10:00. Default: now.")] = None,
    timezone: Annotated[Word, typer.Option(metavar="NAME", help="Of that time. Default: your own.")] = None,
    image: Annotated[Files, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="To attach.")] = None,
    alt: Annotated[Words, typer.Option(metavar="TEXT", help="What it shows; one for each --image.")] = None,
    idempotency_key: Annotated[Word, typer.Option(metavar="KEY", help="Sent twice with it, it is one post.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show what becomes of it until every target has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hand a post in, now or for later. What takes several may be given several times.

    With --wait the exit code says what became of it: 0 published everywhere; 3 on some accounts only; 4 on none; \
5 not known yet somewhere: Hayon goes on looking, and asks you where looking does not help.
    """
    images, alts, key = image or [], alt or [], idempotency_key or str(uuid4())
    if len(alts) > len(images):
        raise typer.BadParameter(f"{len(alts)} for {len(images)} --image.", param_hint="--alt")
    if not platform and not account:
        raise typer.BadParameter("Say where to: --platform bluesky, or --account ID.", param_hint="--platform")

    async def hand_in(remote: Remote) -> int:
        shown = zip_longest(images, alts, fillvalue="")
        media = [{"mediaId": await remote.upload(Path(path)), "altText": words} for path, words in shown]
        said = {"text": sys.stdin.read() if text == "-" else text, "mediaItems": media}
        body = {"content": said, "selectedPlatforms": platform or [],
                "accountIds": account or [], "scheduledAt": at, "timezone": timezone}  # fmt: skip
        try:
            told = await remote.ask("POST", "posts", body, key=key)
        except Unconfirmed as error:
            again = f"Run it again with --idempotency-key {key}: it becomes one post all the same."
            raise Refused(f"It is not known whether the post was accepted. {error.message}\n{again}") from error
        if wait:
            told = await _watch(remote, told, shown=not as_json)
        _show_targets(told, as_json, f"Accepted as {told['postId']}: {told['status']}", told["platformStatuses"])
        return _exit_code(told["platformStatuses"]) if wait else 0

    _converse(hand_in)


@commands.command("list")
def list_posts(
    status: Annotated[str | None, typer.Option(metavar="WORD", help="Only such as FAILED or SCHEDULED.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List your posts, the newest first."""

    async def show_all(remote: Remote) -> None:
        query = {"limit": str(limit)} | ({"status": status.upper()} if status else {})
        told = await remote.ask("GET", "posts", query=query)
        lines: list[Any] = [_post_table(told["posts"])] if told["posts"] else ["There are no such posts."]
        if told["nextCursor"]:
            lines.append(f"These are the newest {len(told['posts'])}; --limit shows more.")
        _show(told, as_json, *lines)

    _converse(show_all)


@commands.command()
def show(post_id: PostId, as_json: AsJson = False) -> None:
    """Show one post and where each of its targets stands."""

    async def show_one(remote: Remote) -> None:
        told = await remote.ask("GET", f"posts/{post_id}")
        zone = told["timezone"]
        due = f", due {_moment(told['scheduledAt'], zone)}" if told["scheduledAt"] else ""
        words = f"{told['status']}{due}, made {_moment(told['createdAt'], zone)}"
        words += f"\n\n{told['content']['text'] or '(no words)'}\n"
        _show_targets(told, as_json, words, told["platformStatuses"])

    _converse(show_one)


@commands.command()
def cancel(post_id: PostId, target: Targets = None, as_json: AsJson = False) -> None:
    """Stop what can still be stopped; says the truth about the rest."""
    _decide(post_id, "cancel", target, as_json)


@commands.command()
def retry(post_id: PostId, target: Targets = None, as_json: AsJson = False) -> None:
    """Try failed targets again, and waiting ones now."""
    _decide(post_id, "retry", target, as_json)


def _decide(post_id: str, wish: str, target: Words, as_json: bool) -> None:
    async def decide(remote: Remote) -> None:
        told = await remote.ask("POST", f"posts/{post_id}/{wish}", {"targetIds": target} if target else {})
        _show_targets(told, as_json, f"{told['postId']} is {told['status']}", told["targets"])

    _converse(decide)


def _converse(talk: Callable[[Remote], Awaitable[int | None]]) -> None:
    async def converse() -> int | None:
        remote = Remote(Settings.read())
        async with aclosing(remote.outgoing):
            return await talk(remote)

    raise typer.Exit(asyncio.run(converse()) or 0)


async def _watch(remote: Remote, told: Any, *, shown: bool) -> Any:
    """The status document once every target has ended; until then it is drawn anew at each look."""
    from rich.console import Console
    from rich.live import Live

    post_id = told["postId"]
    try:
        with Live(console=Console(quiet=not shown), auto_refresh=False, transient=True) as live:
            while not all(map(_has_ended, told["platformStatuses"])):
                live.update(_target_table(told["platformStatuses"]), refresh=True)
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                told = await remote.ask("GET", f"posts/{post_id}/status")
    except (asyncio.CancelledError, HayonError):
        sys.stderr.write(f"The post is accepted and goes on; see what becomes of it: hayon posts show {post_id}\n")
        raise
    return told


def _has_ended(target: Any) -> bool:
    if target["status"] != "unconfirmed":
        return target["status"] in {"completed", "failed", "cancelled"}
    return not target["dueAt"] or datetime.fromisoformat(target["dueAt"]) - datetime.now(UTC) > NEAR


def _exit_code(targets: Sequence[Any]) -> int:
    statuses = {target["status"] for target in targets} - {"cancelled"}
    if "unconfirmed" in statuses:
        return 5
    return 0 if statuses == {"completed"} else 3 if "completed" in statuses else 4


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


def _post_table(posts: Sequence[Any]) -> "Table":
    def row(post: Any) -> list[str]:
        when = _moment(post["scheduledAt"] or post["createdAt"], post["timezone"])
        words = " ".join(post["content"]["text"].split())
        return [post["postId"], post["status"], when, words if len(words) < 60 else f"{words[:58]}…"]

    return _table(["Post", "Status", "When", "Says"], map(row, posts))


def _target_table(targets: Sequence[Any]) -> "Table":
    def row(target: Any) -> list[str]:
        again = "Looked for again" if target["status"] == "unconfirmed" else "Due"
        due = f" {again} at {_moment(target['dueAt'])}." if target.get("dueAt") else ""
        return [target["platform"], target["handle"], target["status"], f"{target['message']}{due}".strip()]

    return _table(["Platform", "Account", "Status", "What happened"], map(row, targets))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    """The first column is kept whole, so that ids can be copied. Statuses have colours."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head == heads[0])
    for row in rows:
        table.add_row(*(Text(cell, COLOURS.get(cell.lower(), "")) for cell in row))
    return table


def _show_targets(told: Any, as_json: bool, words: str, targets: Sequence[Any]) -> None:
    links = (f"{one['platform']}: {one['platformPostUrl']}" for one in targets if one["platformPostUrl"])
    _show(told, as_json, words, _target_table(targets), *links)


def _moment(told: str, zone: str | None = None) -> str:
    moment = datetime.fromisoformat(told).astimezone(ZoneInfo(zone) if zone else None)
    return f"{moment:%Y-%m-%d %H:%M} {zone}" if zone else f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def _show(told: Any, as_json: bool, *lines: Any) -> None:
    """Prints the answer itself as JSON, or lines that say the same to a person; nothing in them is taken for markup."""
    from rich.console import Console

    if as_json:
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
        return
    # what goes into a file or another program is not cut to the width of a screen
    width = None if sys.stdout.isatty() else 200
    for line in lines:
        Console(highlight=False, markup=False, emoji=False, width=width).print(line, soft_wrap=isinstance(line, str))
