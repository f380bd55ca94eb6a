"""The list of posts: tabs by state, a search, filters and pages, all in the address. What is listed is asked of the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import QueryParams

from hayon.errors import Invalid, Problem
from hayon.store import browsing
from hayon.store.browsing import Tab, Wanted
from hayon.store.database import Tx
from hayon.web import accounts, posts
from hayon.web.accounts import AccountOut
from hayon.web.auth import Caller, csrf_token
from hayon.web.days import starts_at
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import PageRoute, Visitor
from hayon.web.pages_inside import show
from hayon.web.pages_view import render, zone_of
from hayon.web.paging import read_cursor
from hayon.web.steps import find_steps

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE = 20
PostId = Annotated[UUID, Path(alias="postId")]
TAB_NAMES = {
    Tab.ALL: "All", Tab.NEEDS_YOU: "Needs you", Tab.UPCOMING: "Upcoming", Tab.PUBLISHING: "Publishing",
    Tab.PUBLISHED: "Published", Tab.NOT_PUBLISHED: "Not published", Tab.DRAFTS: "Drafts",
}  # fmt: skip
EMPTY = {
    Tab.ALL: ("list", "Nothing here yet", "What you write appears here, with what became of it on each account."),
    Tab.NEEDS_YOU: ("done", "Nothing needs you",
                    "A post comes here when only you can say how it goes on: when it is not known whether it went out."),
    Tab.UPCOMING: ("clock", "Nothing is planned", "Posts with a time ahead wait here, the next one first."),
    Tab.PUBLISHING: ("refresh", "Nothing is on its way", "Posts are here while they go out, or wait for their next try."),
    Tab.PUBLISHED: ("done", "Nothing is published yet", "What is out, at least on one of its accounts, is kept here with its links."),
    Tab.NOT_PUBLISHED: ("done", "Nothing failed", "What did not go out, in whole or in part, or was cancelled, is listed here with the reason."),
    Tab.DRAFTS: ("edit", "No drafts", "What you keep as a draft waits here until you publish it."),
}  # fmt: skip
PLACE = ("tab", "search", "account", "from", "to", "cursor")
"""What an address of the list may hold, in this order."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an address asks for, as it was typed, and what that means. `problems` say what meant nothing."""

    given: Mapping[str, str]
    wanted: Wanted
    problems: list[Problem] = field(default_factory=list)

    def to(self, **other: Any) -> str:
        """The address of the same list with something else; what is empty is left out. A page is never kept."""
        asked = {
            name: str(other.get(name, self.given.get(name, ""))) for name in PLACE if name != "cursor" or name in other
        }
        query = urlencode({name: value for name, value in asked.items() if value and (name, value) != ("tab", "all")})
        return f"/?{query}" if query else "/"


@dataclass(frozen=True, slots=True)
class TabShown:
    """A tab with where it leads and how many posts are there; `count` is empty where nothing is."""

    tab: Tab
    name: str
    address: str
    count: str


@router.get("/posts/{postId}/card")
async def card(post_id: PostId, me: Visitor, desk: TheDesk) -> Response:
    """One post as it stands in the list, for the script that keeps the list fresh."""
    post = await posts.get_post(post_id, me, desk)
    now = await desk.hayon.database.read(lambda tx: tx.now())
    return HTMLResponse(render("card.html", post=post, now=now, csrf=csrf_token(me.token or ""), person=me.person))


async def show_list(desk: Desk, me: Caller, request: Request, told: str) -> Response:
    """The posts that the address asks for."""
    mine = (await accounts.list_accounts(me, desk)).accounts
    place = _read_place(request.query_params, me.person.timezone, mine)
    after = _read_after(place)

    def read(tx: Tx) -> tuple[Any, dict[Tab, int]]:
        counts = browsing.count_tabs(tx, me.person.id, place.wanted)
        return posts.read_page(tx, me.person.id, place.wanted, after, PAGE), counts

    page, counts = await desk.hayon.database.read(read)
    tab = place.wanted.tab
    first = not (place.wanted.narrows or counts[Tab.ALL])
    new = not mine or (
        not place.wanted.narrows and counts[Tab.ALL] == counts[Tab.DRAFTS]
    )  # as far as these counts tell
    return await show(
        desk, me, "posts.html", told=told, here="posts", posts=page.posts, accounts=mine, place=place, tab=tab,
        tab_name=TAB_NAMES[tab], tabs=[TabShown(one, name, place.to(tab=one), _shown(counts[one])) for one, name in TAB_NAMES.items()],
        found=_shown(counts[tab]) or "0", older=place.to(cursor=page.next_cursor) if page.next_cursor else "",
        first=first, steps=await find_steps(desk, me) if new else None, empty=EMPTY[tab],
        problems=place.problems,
        heading="This is not in the list's filters" if place.problems else "",
    )  # fmt: skip


def read_place(query: str) -> dict[str, str]:
    """What of this query leads back into the list; nothing where it is none of ours."""
    try:
        known = dict(parse_qsl(query[:2_000].removeprefix("?"), max_num_fields=20))
    except ValueError:
        return {}
    return {name: known[name][: browsing.LONGEST_SEARCH] for name in PLACE if known.get(name)}


def _read_place(query: QueryParams, timezone: str, mine: list[AccountOut]) -> Place:
    given = {name: _plain(query.get(name, ""))[: browsing.LONGEST_SEARCH] for name in PLACE}
    problems: list[Problem] = []
    first, last = (_read_day(given[name], name, problems) for name in ("from", "to"))
    account = next((one for one in mine if str(one.account_id) == given["account"]), None)
    wanted = Wanted(
        tab=Tab(given["tab"]) if given["tab"] in set(Tab) else Tab.ALL,
        search=given["search"],
        account_id=account.account_id if account else None,
        default_of=account.platform if account and account.is_default else "",
        since=_start_of(first, timezone), until=_start_of(None if last is None else last + timedelta(days=1), timezone),
    )  # fmt: skip
    return Place(given, wanted, problems)


def _read_after(place: Place) -> tuple[datetime, UUID] | None:
    if not place.given["cursor"]:
        return None
    try:
        return read_cursor(place.given["cursor"])
    except Invalid:
        message = "This is no page of the list any more; it begins anew."
        place.problems.append(Problem("cursor", "not_a_cursor", message))
        return None


def _read_day(text: str, name: str, problems: list[Problem]) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    # beyond these years a day has no start in every zone
    if not 1900 <= day.year <= 9000:
        problems.append(Problem(name, "not_a_day", f"“{text[:20]}” is no day; write one as 2030-05-28."))
        return None
    return day


def _start_of(day: date | None, timezone: str) -> datetime | None:
    return None if day is None else starts_at(day, zone_of(timezone))


def _plain(text: str) -> str:
    """Without what no database can look for."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _shown(count: int) -> str:
    return f"{browsing.MOST}+" if count > browsing.MOST else str(count or "")
