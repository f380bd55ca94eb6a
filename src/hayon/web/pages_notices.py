"""The page of notices: what one shall know, the newest first, and what of it is read. It works without scripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from hayon.store import notices as rows
from hayon.web import notices
from hayon.web.desk import TheDesk
from hayon.web.notices import NoticeOut
from hayon.web.pages_form import PageRoute, Sender, TheForm, Visitor, shape
from hayon.web.pages_inside import go, show
from hayon.web.paging import Cursor

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE = 50
POSTS_NAMED = 5


@dataclass(frozen=True, slots=True)
class Link:
    """Where to go from a notice."""

    words: str
    address: str


@router.get("/notices")
async def show_notices(
    me: Visitor, desk: TheDesk, cursor: Cursor = None, unread: bool = False,
    told: Annotated[str, Query(max_length=20)] = "",
) -> Response:  # fmt: skip
    """Every notice, or those that are unread."""
    found = await notices.list_notices(me, desk, unread, PAGE, cursor)
    each = [(one, _links(one)) for one in found.notices]
    unread_here = [one.notice_id for one in found.notices if one.read_at is None]
    return await show(
        desk, me, "notices.html", told=told, here="notices", each=each, only_unread=unread, unread_here=unread_here,
        unread_count=found.unread_count, older=found.next_cursor, cursor=cursor,
    )  # fmt: skip


@router.post("/notices/read")
async def read_notices(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """What was shown is read: the notices named, or all up to the newest that was there. What came since stays unread."""
    newest = form.text("upTo")
    if newest:
        await notices.read_all(me, desk, shape(notices.Reading, {"upTo": newest}))
    else:
        shown = [one for text in form.texts("noticeId")[:PAGE] if (one := _find_id(text)) is not None]
        await desk.hayon.database.write(rows.mark_these_read, me.person.id, shown)
    return go("/notices?unread=true&told=notices" if form.text("unread") else "/notices?told=notices")


def _links(notice: NoticeOut) -> list[Link]:
    """What it is about, as far as there is a page for it."""
    facts = notice.facts
    if notice.post_id is not None:
        return [Link("The post", f"/posts/{notice.post_id}")]
    if "webhookId" in facts:
        return [Link("The webhook", f"/settings/webhooks/{facts['webhookId']}")]
    if "accountId" in facts:
        return [Link("The accounts", "/accounts")]
    if notice.kind == "posts.too_late":
        return _late_posts(facts)
    place = {"password.changed": Link("Your settings", "/settings"), "house.restored": Link("Your posts", "/")}
    return [place[notice.kind]] if notice.kind in place else []


def _late_posts(facts: Mapping[str, Any]) -> list[Link]:
    named = {one["postId"]: one["handle"] for one in facts.get("targets", ())}
    return [Link(f"The post on {handle}", f"/posts/{post_id}") for post_id, handle in list(named.items())[:POSTS_NAMED]]


def _find_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
