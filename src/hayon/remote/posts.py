"""`hayon posts`: speaks to a running Hayon over its API, as any program would, and shows what it answers. Decides nothing."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from hayon.errors import HayonError, Unconfirmed
from hayon.remote.talking import FOUND_AT, AsJson, Refused, Remote, converse, moment, table, tell

if TYPE_CHECKING:
    from rich.table import Table

LOOK_EVERY_SECONDS = 0.3
NEAR = timedelta(minutes=1)
"""An unconfirmed target is waited for while the next look at it is as near as this; after that a script should go on."""

commands = typer.Typer(
    no_args_is_help=True, help=f"Create, list, show, cancel and retry posts on a running Hayon.\n\n{FOUND_AT}"
)
Word = str | None
Words = list[str] | None
Files = list[Path] | None
Targets = Annotated[Words, typer.Option("--target", metavar="ID", help="Only this target; may be given several times.")]
PostId = Annotated[str, typer.Argument(metavar="POST", help="The id of the post.")]


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

    converse(hand_in)


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
        tell(told, as_json, *lines)

    converse(show_all)


@commands.command()
def show(post_id: PostId, as_json: AsJson = False) -> None:
    """Show one post and where each of its targets stands."""

    async def show_one(remote: Remote) -> None:
        told = await remote.ask("GET", f"posts/{post_id}")
        zone = told["timezone"]
        due = f", due {moment(told['scheduledAt'], zone)}" if told["scheduledAt"] else ""
        words = f"{told['status']}{due}, made {moment(told['createdAt'], zone)}"
        words += f"\n\n{told['content']['text'] or '(no words)'}\n"
        _show_targets(told, as_json, words, told["platformStatuses"])

    converse(show_one)


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

    converse(decide)


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


def _post_table(posts: Sequence[Any]) -> "Table":
    def row(post: Any) -> list[str]:
        when = moment(post["scheduledAt"] or post["createdAt"], post["timezone"])
        words = " ".join(post["content"]["text"].split())
        return [post["postId"], post["status"], when, words if len(words) < 60 else f"{words[:58]}…"]

    return table(["Post", "Status", "When", "Says"], map(row, posts))


def _target_table(targets: Sequence[Any]) -> "Table":
    def row(target: Any) -> list[str]:
        again = "Looked for again" if target["status"] == "unconfirmed" else "Due"
        due = f" {again} at {moment(target['dueAt'])}." if target.get("dueAt") else ""
        return [target["platform"], target["handle"], target["status"], f"{target['message']}{due}".strip()]

    return table(["Platform", "Account", "Status", "What happened"], map(row, targets))


def _show_targets(told: Any, as_json: bool, words: str, targets: Sequence[Any]) -> None:
    links = (f"{one['platform']}: {one['platformPostUrl']}" for one in targets if one["platformPostUrl"])
    tell(told, as_json, words, _target_table(targets), *links)
