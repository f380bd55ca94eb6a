"""The calendar: a month, a week or a list of posts, and moving one to another time. What may be moved is decided below."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field

from hayon.domain.lifecycle import PostStatus
from hayon.domain.model import Account
from hayon.domain.schedule import read_schedule
from hayon.errors import Conflict, Invalid, Mistake, NotFound, Problem
from hayon.store import accounts, days
from hayon.store import posts as post_rows
from hayon.store.database import Tx
from hayon.web import posts
from hayon.web.auth import Caller, csrf_token
from hayon.web.calendar_view import LIST_PAGE, chip_of, lay_out
from hayon.web.days import View, is_shown, period_in_words, step
from hayon.web.desk import Desk, TheDesk
from hayon.web.icons import mark_row, mark_sheet
from hayon.web.pages_draft import both_hours
from hayon.web.pages_form import PageRoute, Sender, TheForm, Visitor, shape
from hayon.web.pages_inside import go, show
from hayon.web.pages_view import ASKED, PLATFORM_NAMES, POSTS, offset_of, render, zone_of
from hayon.web.paging import Cursor, read_cursor, write_cursor
from hayon.web.posts_schema import LARGEST_VERSION, PostPatch
from hayon.web.rendering import plainly
from hayon.web.wire import Given, Text

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ASKING = "attention"
"""What the address says for posts that need their author; the other states go by their names."""
STATES = {str(status): shown.word for status, shown in POSTS.items()} | {ASKING: ASKED.word}
PART = "calendar"
"""What our script asks for in `X-Part`: the calendar alone, without the frame of the page."""


@dataclass(frozen=True, slots=True)
class Where:
    """What of the calendar is looked at: all of it stands in the address. `on` None: today."""

    view: View = View.MONTH
    on: date | None = None
    account: str = ""
    state: str = ""

    def facts(self, **other: Any) -> dict[str, str]:
        """The fields of the address, some of them others."""
        said = {"view": self.view, "on": self.on, "account": self.account, "state": self.state} | other
        return {name: str(value) for name, value in said.items() if value}

    def address(self, **other: Any) -> str:
        """The way there, or to something beside it."""
        return f"/calendar?{urlencode(self.facts(**other))}"

    def moving(self) -> str:
        """Where a form goes that moves a post and comes back here."""
        return f"/calendar/move?{urlencode(self.facts())}"


async def read_where(
    view: View = View.MONTH,
    on: Annotated[str, Query(max_length=10)] = "",
    account: Annotated[str, Query(max_length=36)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
) -> Where:
    """What the address asks for. Raises NotFound where there is no such thing."""
    day = _read_day(on) if on else None
    if state and state not in STATES:
        raise NotFound("There is no such state of a post.")
    return Where(view, day, account, state)


Place = Annotated[Where, Depends(read_where)]


class Moving(Given):
    """A wish to move a post. `to` is wall-clock time of the person who looks, or has an offset; `version` is the one seen."""

    post_id: UUID
    to: Annotated[Text, Field(min_length=1, max_length=64)]
    version: Annotated[int, Field(ge=1, le=LARGEST_VERSION)]


@dataclass(frozen=True, slots=True)
class Offer:
    """A button that moves the post (again)."""

    word: str
    post_id: UUID
    to: str
    version: int


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a wish to move a post, and what can be done now."""

    words: str
    refused: bool = False
    offers: tuple[Offer, ...] = ()


@router.get("/calendar")
async def open_calendar(
    me: Visitor, desk: TheDesk, where: Place, after: Cursor = None,
    moved: UUID | None = None, was: Annotated[str, Query(max_length=40)] = "",
) -> Response:  # fmt: skip
    """The calendar. `moved` and `was` come from a move without scripts: what was moved, and from when."""
    said = await _moved(desk, me, moved, was) if moved is not None else None
    return await _show(desk, me, where, said, after=after)


@router.post("/calendar/move")
async def move_post(me: Sender, desk: TheDesk, where: Place, form: TheForm, request: Request) -> Response:
    """Moves a post that was not sent yet, as an edit of its time. Why that cannot be is told, and nothing has changed then."""
    part = request.headers.get("x-part") == PART
    given = {
        "postId": form.text("postId"), "version": form.text("version"),
        "to": form.text("to") or f"{form.text('date')}T{form.text('time')}",
    }  # fmt: skip
    try:
        wish = shape(Moving, given)
        was = await _move(desk, me, wish)
    except (Invalid, Conflict, NotFound) as error:
        said = Said(_why(error, me), True, _hours(error, given, me))
        return await _show(desk, me, where, said, part=part, status=error.status)
    if not part:
        return go(where.address(moved=wish.post_id, was=was.isoformat() if was else ""))
    # the version that this move made: whoever edits the post from now on is not overwritten by an undo
    version = wish.version + 1
    return await _show(desk, me, where, await _moved(desk, me, wish.post_id, was.isoformat() if was else "", version), part=True)  # fmt: skip


async def _move(desk: Desk, me: Caller, wish: Moving) -> datetime | None:
    """Carries a wish on. The time that the post had. Raises Invalid, Conflict and NotFound."""

    def read(tx: Tx) -> tuple[Any, datetime]:
        return post_rows.get_post(tx, wish.post_id, me.person.id).row, tx.now()

    row, now = await desk.hayon.database.read(read)
    at = read_schedule(wish.to, me.person.timezone, now)
    if at is None:  # an edit would take a time of this minute for "now", and a drag must not publish
        at = Problem("scheduledAt", "past", "")
    if isinstance(at, Problem):
        raise Invalid([at])
    patch = shape(PostPatch, {"scheduledAt": at.isoformat(), "version": wish.version})
    await posts.edit_post(wish.post_id, patch, me, desk)
    was: datetime | None = row.scheduled_at
    return was if row.version == wish.version else None


async def _moved(desk: Desk, me: Caller, post_id: UUID, was: str, version: int | None = None) -> Said | None:
    """Where a post is now, and the way back to where it was."""
    try:
        row = (await desk.hayon.database.read(post_rows.get_post, post_id, me.person.id)).row
        before = datetime.fromisoformat(was) if was else None
    except (NotFound, ValueError):
        return None
    if row.scheduled_at is None:
        return None
    undo = () if before is None else (Offer("Undo", post_id, before.isoformat(), version or row.version),)
    there = row.scheduled_at.astimezone(zone_of(me.person.timezone))
    return Said(f"Moved to {there:%a} {there.day} {there:%B}, {there:%H:%M}", offers=undo)


def _why(error: Mistake, me: Caller) -> str:
    if not isinstance(error, Invalid):
        return f"{error} It was not moved."
    said = []
    for problem in error.problems:
        match problem.rule:
            case "past":
                said.append("That time is past.")
            case "not_a_time":
                said.append("Give a date and a time.")
            case "doubled_hour":
                said.append(
                    f"That time exists twice in {me.person.timezone}: the clocks go back over it. Which one do you mean?"
                )
            case _:
                said.append(plainly(problem.message))
    return f"{' '.join(dict.fromkeys(said))} It was not moved."


def _hours(error: Mistake, given: dict[str, str], me: Caller) -> tuple[Offer, ...]:
    """The two moments to choose from where the wall-clock time exists twice."""
    if not isinstance(error, Invalid) or {one.rule for one in error.problems} != {"doubled_hour"}:
        return ()
    wish = shape(Moving, given)
    return tuple(
        Offer(f"{one:%H:%M} ({offset_of(one)})", wish.post_id, one.isoformat(), wish.version)
        for one in both_hours(wish.to, me.person.timezone)
    )


async def _show(
    desk: Desk, me: Caller, where: Where, said: Said | None, *, after: str | None = None, part: bool = False, status: int = 200
) -> Response:  # fmt: skip
    facts = await _facts(desk, me, where, after)
    facts |= {"said": said, "marks": mark_sheet(tuple(PLATFORM_NAMES)), "mark_row": mark_row, "states": STATES}
    if part:
        inside = render("calendar_days.html", person=me.person, csrf=csrf_token(me.token or ""), **facts)
        return HTMLResponse(inside, status)
    return await show(desk, me, "calendar.html", here="calendar", status=status, **facts)


async def _facts(desk: Desk, me: Caller, where: Where, after: str | None) -> dict[str, Any]:
    """Everything that the calendar shows, read in one transaction of four statements."""
    zone, cursor = zone_of(me.person.timezone), None if after is None else read_cursor(after)

    def read(tx: Tx) -> dict[str, Any]:
        now = tx.now()
        mine = accounts.list_accounts(tx, me.person.id)
        on = where.on or now.astimezone(zone).date()
        sheet = lay_out(where.view, on, now, zone)
        wanted = _wanted(me, where, mine)
        more = None
        if where.view is View.LIST:
            rows = days.list_span(tx, wanted, sheet.start, sheet.stop, after=cursor, limit=LIST_PAGE + 1)
            if len(rows) > LIST_PAGE:
                rows = rows[:LIST_PAGE]
                more = write_cursor(rows[-1].placed_at, rows[-1].id)
            sheet.sort_in(rows)
            chosen = {row.id: row for row in rows}
        else:
            shown = sheet.sort_in(days.list_places(tx, wanted, sheet.start, sheet.stop))
            chosen = days.find_chosen(tx, me.person.id, shown)
        platform_of = {str(one.id): one.platform for one in mine}
        sheet.fill({post_id: chip_of(row, zone, platform_of) for post_id, row in chosen.items()})
        return {"sheet": sheet, "accounts": mine, "on": on, "more_after": more}

    facts = await desk.hayon.database.read(read)
    on = facts["on"]
    return facts | {
        "where": where, "views": list(View), "period": period_in_words(where.view, on), "zone": zone.key,
        "before": step(where.view, on, -1), "later": step(where.view, on, 1),
    }  # fmt: skip


def _wanted(me: Caller, where: Where, mine: list[Account]) -> days.Wanted:
    """Whose posts, and which. Raises NotFound for an account that is not theirs."""
    account = next((one for one in mine if str(one.id) == where.account), None)
    if where.account and account is None:
        raise NotFound("There is no such account, or it was disconnected.")
    status = PostStatus(where.state) if where.state and where.state != ASKING else None
    return days.Wanted(me.person.id, account, status, where.state == ASKING)


def _read_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
        if is_shown(day):
            return day
    except (ValueError, OverflowError):
        pass
    raise NotFound("There is no such day in this calendar.")
