"""The plain pages of posts: see what became of one, decide, answer. They work without scripts; writing is in pages_compose.py."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse

from hayon.errors import Conflict, Invalid, Mistake, Problem
from hayon.store import notices
from hayon.store.database import Tx
from hayon.web import posts
from hayon.web.auth import Caller, csrf_token
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import PageRoute, Sender, TheForm, Visitor, shape
from hayon.web.pages_inside import NOTICES_SHOWN, go, show, unknown_button
from hayon.web.pages_view import render
from hayon.web.posts_schema import Resolution

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE = 20
PostId = Annotated[UUID, Path(alias="postId")]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to a question that could not be taken: what was typed, and why not."""

    target_id: str
    url: str
    looked_at: str
    messages: tuple[str, ...]


@router.get("/posts/{postId}")
async def open_post(post_id: PostId, me: Visitor, desk: TheDesk, told: Annotated[str, Query(max_length=20)] = "") -> Response:  # fmt: skip
    """One post alone."""
    return await show_one(desk, me, post_id, told=told)


@router.get("/posts/{postId}/card")
async def card(post_id: PostId, me: Visitor, desk: TheDesk) -> Response:
    """One post as it stands in the list, for the script that keeps the list fresh."""
    post = await posts.get_post(post_id, me, desk)
    now = await desk.hayon.database.read(lambda tx: tx.now())
    return HTMLResponse(render("card.html", post=post, said=None, now=now, csrf=csrf_token(me.token or "")))


@router.post("/posts/{postId}/decide")
async def decide(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Cancel, retry, hand in or delete; why that cannot be is shown with the post."""
    wish = form.text("do")
    submission = desk.hayon.submission
    decisions: dict[str, Callable[[UUID, UUID], Awaitable[object]]] = {
        "cancel": submission.cancel, "retry": submission.retry, "submit": submission.submit_draft,
        "delete": submission.delete, "confirm": submission.confirm,
    }  # fmt: skip
    if wish not in decisions:
        raise Invalid([unknown_button(wish)])
    try:
        await decisions[wish](me.person.id, post_id)
    except (Invalid, Conflict) as error:
        return await show_one(desk, me, post_id, error=error)
    return go(f"/?told={wish}")


@router.post("/posts/{postId}/resolve")
async def resolve(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """A person says what they see on the platform. An answer that cannot be taken stays in its form."""
    wish = form.text("do")
    given = {
        "targetId": form.text("targetId"), "attemptId": form.text("attemptId"), "retry": wish == "again",
        "outcome": "published" if wish == "published" else "absent", "lookedAt": form.text("lookedAt"),
        "url": form.text("url").strip() or None,
    }  # fmt: skip
    if wish not in {"published", "absent", "again"}:
        raise Invalid([unknown_button(wish)])
    try:
        await posts.resolve(desk, me, post_id, shape(Resolution, given))
    except Invalid as error:
        messages = tuple(problem.message for problem in error.problems)
        said = Said(form.text("targetId"), form.text("url"), form.text("lookedAt"), messages)
        return await show_one(desk, me, post_id, said=said)
    except Conflict as error:
        return await show_one(desk, me, post_id, error=error)
    return go("/?told=again" if wish == "again" else "/?told=resolve")


@router.post("/notices/read")
async def read_notices(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """The notices that were shown are read."""
    shown = [one for text in form.texts("noticeId")[:NOTICES_SHOWN] if (one := _find_id(text)) is not None]

    def mark(tx: Tx) -> None:
        for notice_id in shown:
            notices.mark_read(tx, me.person.id, notice_id)

    await desk.hayon.database.write(mark)
    return go("/")


async def show_home(desk: Desk, me: Caller, *, told: str = "", cursor: str | None = None) -> Response:
    """The latest posts."""
    shown = await posts.list_posts(me, desk, None, PAGE, cursor)
    return await show(
        desk, me, "home.html", told=told, here="posts", posts=shown.posts, older=shown.next_cursor, said=None
    )


async def show_one(
    desk: Desk, me: Caller, post_id: UUID, *, told: str = "", error: Mistake | None = None, said: Said | None = None
) -> Response:
    """One post, with what stands against a wish about it."""
    post = await posts.get_post(post_id, me, desk)
    problems = error.problems if isinstance(error, Invalid) else [Problem("", "", str(error))] if error else []
    heading = "" if isinstance(error, Invalid) else "That did not work"
    if said is not None and said.target_id not in {
        str(one.target_id) for one in post.platform_statuses if one.question
    }:
        problems = [Problem("", "", message) for message in said.messages]
    return await show(
        desk, me, "post.html", told=told, heading=heading, problems=problems, here="", post=post, said=said,
        status=error.status if error else 422 if said else 200,
    )  # fmt: skip


def _find_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
