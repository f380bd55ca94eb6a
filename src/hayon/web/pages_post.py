"""One post's page: how each target stands and whose turn it is, what was said, every try; and what its author decides there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from hayon.delivery.foreseeing import find_crowds
from hayon.domain.lifecycle import PostStatus
from hayon.errors import Conflict, Invalid, Mistake, Problem
from hayon.store.decisions import Told
from hayon.web import accounts, duplicating, pages_browsing, posts
from hayon.web.auth import Caller, csrf_token
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, shape
from hayon.web.pages_inside import go, show, unknown_button
from hayon.web.pages_view import render
from hayon.web.posts_schema import Resolution
from hayon.web.posts_view import AttemptOut, PlatformStatus, PostOut

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PostId = Annotated[UUID, Path(alias="postId")]
WISHES = {"cancel", "retry", "submit", "delete", "confirm"}
NOTHING_DONE = {"unchanged", "too_late", "nothing_to_stop"}
"""Answers that say that a wish changed nothing: they are shown as what stands against it."""


@dataclass(frozen=True, slots=True)
class Face:
    """An account of which only its name on the post is left."""

    platform: str
    handle: str
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Try:
    """One try, and the target it was made for."""

    attempt: AttemptOut
    target: PlatformStatus


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to a question that could not be taken: what was typed, and why not."""

    target_id: str
    url: str
    looked_at: str
    messages: tuple[str, ...]


@router.get("/posts/{postId}")
async def open_page(post_id: PostId, me: Visitor, desk: TheDesk, told: Annotated[str, Query(max_length=20)] = "") -> Response:  # fmt: skip
    """One post alone."""
    return await show_one(desk, me, post_id, told=told)


@router.get("/posts/{postId}/standing")
async def standing(post_id: PostId, me: Visitor, desk: TheDesk) -> Response:
    """How one post stands, for the script that keeps its page fresh."""
    facts = await _facts(desk, me, post_id)
    now = await desk.hayon.database.read(lambda tx: tx.now())
    csrf = csrf_token(me.token or "")
    return HTMLResponse(render("standing.html", **facts, said=None, now=now, csrf=csrf, person=me.person))


@router.post("/posts/{postId}/decide")
async def decide(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Cancel, retry, hand in or delete, the whole post or one target; why that cannot be is shown with the post."""
    wish = form.text("do")
    if wish not in WISHES:
        raise Invalid([unknown_button(wish)])
    try:
        told = await _decide(desk, me, post_id, wish, _chosen(form))
    except (Invalid, Conflict) as error:
        return await show_one(desk, me, post_id, error=error)
    if told and all(one.answer in NOTHING_DONE for one in told):
        message = " ".join(dict.fromkeys(one.message for one in told))
        return await show_one(desk, me, post_id, error=Conflict(message))
    looks = bool(told) and all(one.status == "unconfirmed" for one in told)
    answer = "look" if wish == "retry" and looks else wish
    return _back(form, None if wish == "delete" else post_id, answer)


@router.post("/posts/{postId}/duplicate")
async def duplicate(post_id: PostId, me: Sender, desk: TheDesk, request: Request) -> Response:
    """The same again as a new draft, opened in the form."""
    made, left_out = await duplicating.duplicate(desk, me, post_id, request.state.correlation_id)
    told = "duplicate-less" if left_out else "duplicate"
    return go(f"/posts/{made}/edit?told={told}")


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
    return _back(form, post_id, "again" if wish == "again" else "resolve")


async def show_one(
    desk: Desk, me: Caller, post_id: UUID, *, told: str = "", error: Mistake | None = None, said: Said | None = None
) -> Response:
    """One post, with what stands against a wish about it."""
    facts = await _facts(desk, me, post_id)
    problems = error.problems if isinstance(error, Invalid) else [Problem("", "", str(error))] if error else []
    heading = "" if isinstance(error, Invalid) else "That did not work"
    asked = {str(one.target_id) for one in facts["post"].platform_statuses if one.question}
    if said is not None and said.target_id not in asked:
        problems = [Problem("", "", message) for message in said.messages]
    return await show(
        desk, me, "post.html", told=told, heading=heading, problems=problems, here="posts", said=said, **facts,
        status=error.status if error else 422 if said else 200,
    )  # fmt: skip


async def _facts(desk: Desk, me: Caller, post_id: UUID) -> dict[str, Any]:
    """What the page shows of a post. Raises NotFound."""
    post = await posts.get_post(post_id, me, desk)
    tries = (await posts.list_attempts(post_id, me, desk)).attempts
    mine = {one.account_id: one for one in (await accounts.list_accounts(me, desk)).accounts}
    targets = {one.target_id: one for one in post.platform_statuses}
    return {
        "post": post, "warnings": await _warnings(desk, me, post),
        "faces": {one.account_id: mine.get(one.account_id) or Face(one.platform, one.handle) for one in post.platform_statuses},
        "names": {str(one.account_id): one.handle for one in mine.values()}
        | {str(one.account_id): one.handle for one in post.platform_statuses},
        "tries": [Try(one, targets[one.target_id]) for one in tries if one.target_id in targets],
    }  # fmt: skip


async def _warnings(desk: Desk, me: Caller, post: PostOut) -> Sequence[Problem]:
    if post.status is not PostStatus.SCHEDULED:
        return ()
    where = [(one.account_id, one.platform, one.handle) for one in post.platform_statuses]
    return await find_crowds(
        desk.hayon.database,
        desk.hayon.platforms,
        me.person.id,
        where,
        post.scheduled_at,
        post.timezone,
        but=post.post_id,
    )


async def _decide(desk: Desk, me: Caller, post_id: UUID, wish: str, chosen: tuple[UUID, ...] | None) -> Sequence[Told]:
    """Carries a wish on. What became of it per target, where that is told."""
    submission, person_id = desk.hayon.submission, me.person.id
    match wish:
        case "cancel":
            return await submission.cancel(person_id, post_id, chosen)
        case "retry":
            return await submission.retry(person_id, post_id, chosen)
        case "confirm":
            await submission.confirm(person_id, post_id)
        case "submit":
            await submission.submit_draft(person_id, post_id)
        case _:
            await submission.delete(person_id, post_id)
    return ()


def _chosen(form: Form) -> tuple[UUID, ...] | None:
    """The one target that a button stands beside; None where it stands under the whole post."""
    text = form.text("targetId")
    if not text:
        return None
    target_id = _find_id(text)
    if target_id is None:
        raise Invalid([Problem("targetId", "not_an_id", "This is no target of a post.")])
    return (target_id,)


def _back(form: Form, post_id: UUID | None, told: str) -> Response:
    """To the page that the form was on: the post's own, or the list as it was."""
    if post_id is not None and form.text("on") == "post":
        return go(f"/posts/{post_id}?told={told}")
    kept: Mapping[str, str] = pages_browsing.read_place(form.text("back"))
    return go(f"/?{urlencode({**kept, 'told': told})}")


def _find_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
