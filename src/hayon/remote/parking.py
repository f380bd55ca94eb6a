"""`hayon parking` and `hayon dead-letters`: what failed for good, and what the broker gave up, looked at and settled over the API."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from hayon.remote.talking import FOUND_AT, AsJson, Remote, converse, moment, table, tell

AT_ONCE = 200
"""How many the API takes in one call."""

commands = typer.Typer(
    no_args_is_help=True,
    help="Failed targets that wait for somebody: list them, replay them (try again), discard them (they stay failed).\n\n"
    f"Speaks to a running Hayon. {FOUND_AT}",
)
letters = typer.Typer(
    no_args_is_help=True,
    help="Messages that the broker gave up: list them, replay them (ring again), discard them. For the admin.\n\n"
    f"Speaks to a running Hayon. {FOUND_AT}",
)
TargetIds = Annotated[list[str] | None, typer.Argument(metavar="TARGET", help="Ids, as `hayon parking list` shows.")]
LetterIds = Annotated[
    list[str] | None, typer.Argument(metavar="LETTER", help="Ids, as `hayon dead-letters list` shows.")
]
All = Annotated[bool, typer.Option("--all", help="All that the list shows, after asking.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Everybody = Annotated[bool, typer.Option("--everybody", help="Not only yours. For the admin.")]
Limit = Annotated[int, typer.Option(min=1, max=AT_ONCE, help="How many.")]


@commands.command("list")
def list_parked(everybody: Everybody = False, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List failed targets that nobody has retried or discarded yet, the newest first."""

    async def show_all(remote: Remote) -> None:
        told = await _parked_page(remote, everybody, limit)
        rows = [
            [one["targetId"], one["platform"], one["handle"], moment(one["parkedAt"]), one["error"]["message"]]
            for one in told["targets"]
        ]
        heads = ["Target", "Platform", "Account", "Parked", "Why"]
        lines: list[Any] = [table(heads, rows)] if rows else ["Nothing is parked."]
        if told["nextCursor"]:
            lines.append(f"These are the newest {len(rows)}; --limit shows more.")
        tell(told, as_json, *lines)

    converse(show_all)


@commands.command("replay")
def replay_parked(
    targets: TargetIds = None, every: All = False, everybody: Everybody = False, yes: Yes = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Try them again, now. Ends with 1 where one of them was not there, or could not be."""
    _settle_parked("replay", "retrying", targets or [], every, everybody, yes, as_json)


@commands.command("discard")
def discard_parked(
    targets: TargetIds = None, every: All = False, everybody: Everybody = False, yes: Yes = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Take them out of the parking lot; they stay failed. Ends with 1 where one of them was not there."""
    _settle_parked("discard", "discarded", targets or [], every, everybody, yes, as_json)


@letters.command("list")
def list_letters(limit: Limit = 50, as_json: AsJson = False) -> None:
    """List dead letters, the oldest first, with the reason and the beginning of each."""

    async def show_all(remote: Remote) -> None:
        told = await remote.ask("GET", "dead-letters", query={"limit": str(limit)})
        rows = [
            [one["letterId"], moment(one["diedAt"]) if one["diedAt"] else "?", one["reason"], _said(one)]
            for one in told["letters"]
        ]
        lines: list[Any] = [table(["Letter", "Died", "Reason", "Says"], rows)] if rows else ["There are none."]
        if told["more"]:
            lines.append(f"These are the oldest {len(rows)}; --limit shows more.")
        tell(told, as_json, *lines)

    converse(show_all)


@letters.command("replay")
def replay_letters(
    chosen: LetterIds = None, every: All = False, yes: Yes = False, as_json: AsJson = False
) -> None:  # fmt: skip
    """Ring those again that can be read. Ends with 1 where one of them could not be."""
    _settle_letters("replay", "rung", chosen or [], every, yes, as_json)


@letters.command("discard")
def discard_letters(
    chosen: LetterIds = None, every: All = False, yes: Yes = False, as_json: AsJson = False
) -> None:  # fmt: skip
    """Throw them away. No post is lost by it: what is due is rung again from the database."""
    _settle_letters("discard", "discarded", chosen or [], every, yes, as_json)


def _settle_parked(
    wish: str, done: str, ids: Sequence[str], every: bool, everybody: bool, yes: bool, as_json: bool
) -> None:
    _refuse_both(ids, every)

    async def settle(remote: Remote) -> int:
        chosen = list(ids)
        page: Any = await _parked_page(remote, everybody, AT_ONCE) if every else None
        while page is not None:
            chosen += [one["targetId"] for one in page["targets"]]
            following = page["nextCursor"]
            page = await _parked_page(remote, everybody, AT_ONCE, following) if following else None
        if every and not yes:
            _agree(wish, len(chosen), "failed target")
        told: list[Any] = []
        for start in range(0, len(chosen), AT_ONCE):
            body = {"targetIds": chosen[start : start + AT_ONCE]}
            told += (await remote.ask("POST", f"parking/{wish}", body))["targets"]
        rows = [[one["targetId"], one["answer"], one["message"]] for one in told]
        shown = table(["Target", "Answer", "What happened"], rows) if rows else "There is nothing to do."
        tell({"targets": told}, as_json, shown)
        return 0 if all(one["answer"] == done for one in told) else 1

    converse(settle)


def _settle_letters(wish: str, done: str, ids: Sequence[str], every: bool, yes: bool, as_json: bool) -> None:
    _refuse_both(ids, every)

    async def settle(remote: Remote) -> int:
        chosen, more = list(ids), False
        if every:
            listed = await remote.ask("GET", "dead-letters", query={"limit": str(AT_ONCE)})
            chosen, more = (
                [one["letterId"] for one in listed["letters"] if one["bell"] or wish == "discard"],
                listed["more"],
            )
            if not yes:
                _agree(wish, len(chosen), "dead letter" if wish == "discard" else "readable dead letter")
        told: list[Any] = []
        for start in range(0, len(chosen), AT_ONCE):
            body = {"letterIds": chosen[start : start + AT_ONCE]}
            told += (await remote.ask("POST", f"dead-letters/{wish}", body))["letters"]
        rows = [[one["letterId"], one["answer"], one["message"]] for one in told]
        shown = table(["Letter", "Answer", "What happened"], rows) if rows else "There is nothing to do."
        lines: list[Any] = [shown]
        if more:
            lines.append(f"There are others behind the oldest {AT_ONCE}: run it again for them.")
        tell({"letters": told}, as_json, *lines)
        return 0 if all(one["answer"] == done for one in told) else 1

    converse(settle)


async def _parked_page(remote: Remote, everybody: bool, limit: int, cursor: str = "") -> Any:
    query = (
        {"limit": str(limit)} | ({"everybody": "true"} if everybody else {}) | ({"cursor": cursor} if cursor else {})
    )
    return await remote.ask("GET", "parking", query=query)


def _refuse_both(ids: Sequence[str], every: bool) -> None:
    if bool(ids) == every:
        raise typer.BadParameter("Say which: their ids, or --all.")


def _agree(wish: str, count: int, what: str) -> None:
    """Somebody who says no ends the command with 1."""
    if count:
        typer.confirm(f"{wish.capitalize()} {count} {what}{'' if count == 1 else 's'}?", abort=True, err=True)


def _said(letter: Any) -> str:
    bell = letter["bell"]
    return f"{bell['platform']}: target {bell['targetId']}" if bell else letter["body"]
