"""What is written is kept by itself: once as a draft, after that as edits of it. One form makes one post, however often it comes."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from hayon.delivery.handed import Handed
from hayon.domain.lifecycle import PostStatus
from hayon.errors import Conflict, Invalid, NotFound
from hayon.store import posts as post_rows
from hayon.store.database import Tx
from hayon.web import posts
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_draft import Draft, find_draft
from hayon.web.pages_form import LONGEST_KEY, PageRoute, Sender, TheForm, shape
from hayon.web.posts_schema import PostIn, PostPatch, as_handed
from hayon.web.posts_view import PostOut
from hayon.web.wire import in_utc

router = APIRouter(route_class=PageRoute, include_in_schema=False)

WHEN = {"scheduledAt", "timezone"}
LEFT_OUT = {*WHEN, "accountIds"}
"""What a draft is kept without, where it is wrong: words are never lost for those. A stored draft keeps what it had."""
MOST_TOLD = 3
SENT = "This was handed in before: it is among your posts. What you write here is not kept any more."
HANDED_IN = "This post was handed in meanwhile. What you write here is not kept any more."
CHANGED = "This draft was changed in another place meanwhile, so what you write here is not kept any more."
GONE = "This draft was deleted in another place. What you write here is not kept any more."


@router.post("/compose/keep")
async def keep(me: Sender, desk: TheDesk, form: TheForm, request: Request) -> Response:
    """Keeps the form as a draft: `postId`, `version` and `savedAt`, and in `unkept` why some of it could not be kept.

    409 where the draft was changed or handed in elsewhere, 404 where it was deleted, 422 where it cannot be kept at all:
    nothing is written then, and `message` says why. 204 where there is nothing to keep.
    """
    try:
        draft = await find_draft(desk, me, form)
    except NotFound:
        return _refuse(404, GONE)
    if draft.kept is not None and draft.kept.status is not PostStatus.DRAFT:
        return _refuse(409, HANDED_IN)
    if draft.kept is None and draft.is_blank:
        return Response(status_code=204)
    try:
        post, unkept = await _keep(desk, me, draft, request.state.correlation_id)
    except NotFound:
        return _refuse(404, GONE)
    except Conflict:
        return _refuse(409, CHANGED if draft.kept else SENT)
    except Invalid as error:
        return _refuse(422, " ".join(problem.message for problem in error.problems[:MOST_TOLD]))
    return JSONResponse(
        {"postId": str(post.post_id), "version": post.version, "savedAt": in_utc(post.updated_at), "unkept": unkept}
    )


async def write(
    desk: Desk, me: Caller, draft: Draft, correlation_id: str, *, keep: bool, at_once: bool = False,
    anew: bool = False, without: Collection[str] = (),
) -> UUID:  # fmt: skip
    """Writes what the form holds: a new post, or an edit of the one that it rests on, `without` some fields. The post's id.

    `anew`: a new one in any case, the same one for the same form.

    A form without a post may have made a draft already, if the answer never reached its page: the key tells, and then
    that draft is changed. Raises Invalid, and Conflict where the form's post went out or was changed meanwhile.
    """
    kept = None if anew else draft.kept
    if kept is None:
        key = f"anew-{draft.version}-{draft.key}"[:LONGEST_KEY] if anew else draft.key
        made = shape(PostIn, _but(without, draft.body(keep=keep, at_once=at_once)))
        found = await _take_in(desk, me, key, as_handed(made, me.person.timezone), correlation_id)
        if isinstance(found, UUID):
            return found
        kept = found
        draft = replace(draft, kept=kept, version=kept.version)
    patch = shape(PostPatch, _but(without, draft.patch(keep=keep, at_once=at_once)))
    await posts.edit_post(kept.post_id, patch, me, desk)
    return kept.post_id


async def _take_in(desk: Desk, me: Caller, key: str, handed: Handed, correlation_id: str) -> UUID | PostOut:
    """A new post's id; or the draft that this form had made before, to be changed. Raises Conflict where it is out already."""
    try:
        post_id, again = await desk.hayon.submission.submit(
            me.person.id, handed, idempotency_key=key, correlation_id=correlation_id
        )
    except Conflict:
        found = await _find_made(desk, me, key)
        if found is None or found.status is not PostStatus.DRAFT:
            raise
        return found
    if not again:
        return post_id
    found = await _find_made(desk, me, key)
    if found is None or (handed.draft and found.status is not PostStatus.DRAFT):
        raise Conflict(SENT)
    # the same words as at first, but it was changed since then: they have to be written once more
    return found if found.status is PostStatus.DRAFT and found.version > 1 else post_id


async def _find_made(desk: Desk, me: Caller, key: str) -> PostOut | None:
    """What a form with this key has made, if it is still there."""

    def read(tx: Tx) -> UUID | None:
        known = post_rows.find_replay(tx, me.person.id, key)
        return None if known is None else known.post_id

    post_id = await desk.hayon.database.read(read)
    try:
        return None if post_id is None else await posts.get_post(post_id, me, desk)
    except NotFound:
        return None


async def _keep(desk: Desk, me: Caller, draft: Draft, correlation_id: str) -> tuple[PostOut, list[str]]:
    """Keeps it; where only its time or an account is wrong, all the rest of it: words are never lost for those."""
    unkept: list[str] = []
    try:
        post_id = await write(desk, me, draft, correlation_id, keep=True)
    except Invalid as error:
        wrong = {problem.field.partition("[")[0] for problem in error.problems}
        if not wrong <= LEFT_OUT:
            raise
        unkept = [problem.message for problem in error.problems]
        wrong |= WHEN if wrong & WHEN else set()  # a time means another one in another zone
        post_id = await write(desk, me, draft, correlation_id, keep=True, without=wrong)
    return await posts.get_post(post_id, me, desk), unkept


def _but(without: Collection[str], body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in without}


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)
