"""The routes of posts: take one in, show, edit, delete, and what an author decides about it. Everything is decided below."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from hayon.delivery.foreseeing import find_crowds
from hayon.delivery.handed import Handed
from hayon.delivery.submit import Fit
from hayon.domain.lifecycle import PostStatus
from hayon.domain.schedule import read_schedule
from hayon.errors import Conflict, Invalid, Problem
from hayon.store import accounts, attempts, browsing, media, posts, replays
from hayon.store.browsing import Tab, Wanted
from hayon.store.database import Tx
from hayon.store.posts import PostView
from hayon.web.auth import Caller, MayPost, MayRead
from hayon.web.desk import Desk, TheDesk
from hayon.web.paging import Cursor, read_cursor, write_cursor
from hayon.web.posts_schema import (
    OnePlatformPost,
    PostIn,
    PostPatch,
    Resolution,
    TargetsChosen,
    as_handed,
    as_handed_alone,
    merge,
)
from hayon.web.posts_view import (
    Answers,
    Attempts,
    Deleted,
    DryRun,
    PostMade,
    PostOut,
    PostPage,
    PostStatusOut,
    attempts_out,
    dry_run_out,
    made_out,
    media_ids_of,
    post_out,
    status_out,
    told_out,
)
from hayon.web.problems import refusals
from hayon.web.repeating import KeyReused, idempotency_key
from hayon.web.wire import GivenMoment, Text

router = APIRouter(prefix="/api", tags=["posts"])

PostId = Annotated[UUID, Path(alias="postId")]
Platform = Annotated[str, Path(max_length=50, examples=["bluesky"])]
IdempotencyKey = Annotated[str | None, idempotency_key("post")]


MADE: dict[int | str, dict[str, Any]] = {
    201: {"model": PostMade, "description": "Taken in: it is stored, and will not be lost."}
}
EVENT = {
    "type": "object",
    "properties": {"event": {"enum": ["status", "end"]}, "data": {"type": "string"}},
    "required": ["event", "data"],
}
TESTED: dict[int | str, dict[str, Any]] = {
    200: {"model": DryRun, "description": "With dryRun: what would be found. Nothing was written."}
}


@router.post("/posts", status_code=201, response_model=None, responses=refusals(401, 403, 409) | MADE | TESTED)
async def create_post(
    given: PostIn,
    me: MayPost,
    desk: TheDesk,
    request: Request,
    dry_run: Annotated[bool, Query(alias="dryRun")] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Takes a post in, for now or later, or keeps a draft. With `dryRun` it only says how it would fit."""
    handed = as_handed(given, me.person.timezone)
    if dry_run:
        return _json(dry_run_out(*await rehearse(desk, me, handed)), 200)
    return await _take_in(desk, me, request, handed, idempotency_key)


async def rehearse(
    desk: Desk, me: Caller, handed: Handed, *, but: UUID | None = None, try_out: bool = True
) -> tuple[Sequence[Fit], Sequence[Problem], Sequence[Problem]]:
    """What would be found against this post: per target, as a whole, and what only is to be known. Nothing is written.

    `but` is the post itself, where it is stored already. `try_out`: whether platforms could fetch its files is tried out.
    """
    fits, problems = await desk.hayon.submission.dry_run(me.person.id, handed, try_out=try_out)
    at = None if handed.draft else read_schedule(handed.scheduled_at, handed.timezone, datetime.now(UTC))
    if handed.draft or isinstance(at, Problem):
        return fits, problems, []
    where = [(fit.account.id, fit.account.platform, fit.account.handle) for fit in fits]
    platforms = desk.hayon.platforms
    warnings = await find_crowds(desk.hayon.database, platforms, me.person.id, where, at, handed.timezone, but=but)
    return fits, problems, warnings


@router.post("/{platform}/post", status_code=201, response_model=None, responses=refusals(401, 403, 409) | MADE)
async def create_post_on_one(
    platform: Platform,
    given: OnePlatformPost,
    me: MayPost,
    desk: TheDesk,
    request: Request,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The short form: one text for the default account of one platform."""
    handed = as_handed_alone(given, platform, me.person.timezone)
    return await _take_in(desk, me, request, handed, idempotency_key)


@router.get("/posts", responses=refusals(401, 403))
async def list_posts(
    me: MayRead,
    desk: TheDesk,
    status: Annotated[list[PostStatus] | None, Query(max_length=len(PostStatus))] = None,
    search: Annotated[Text, Query(max_length=browsing.LONGEST_SEARCH)] = "",
    account_id: Annotated[UUID | None, Query(alias="accountId")] = None,
    since: Annotated[GivenMoment | None, Query(alias="from")] = None,
    until: Annotated[GivenMoment | None, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> PostPage:
    """Your posts, the newest first. `cursor` is the `nextCursor` of the page before.

    `search`: each of its words is in the post. `from` and `to` bound the time for which a post is planned, or at which it was
    taken in; the second is the first that is too late.
    """
    after = None if cursor is None else read_cursor(cursor)

    def read(tx: Tx) -> PostPage:
        account = accounts.find_many(tx, me.person.id, [account_id]).get(account_id) if account_id else None
        default_of = account.platform if account and account.is_default else ""
        wanted = Wanted(Tab.ALL, tuple(status or ()), search, account_id, default_of, since, until)
        return read_page(tx, me.person.id, wanted, after, limit)

    return await desk.hayon.database.read(read)


def read_page(tx: Tx, user_id: UUID, wanted: Wanted, after: tuple[datetime, UUID] | None, limit: int) -> PostPage:
    """A person's posts that are wanted, `limit` at most, and the way to those after them."""
    views = browsing.list_posts(tx, user_id, wanted, after=after, limit=limit + 1)
    shown = views[:limit]
    files = media.find_many(tx, user_id, list({one for view in shown for one in media_ids_of(view)}))
    following = write_cursor(*browsing.place_of(wanted.tab, shown[-1].row)) if len(views) > limit else None
    return PostPage(posts=[post_out(view, files) for view in shown], next_cursor=following)


@router.get("/posts/{postId}", responses=refusals(401, 403, 404))
async def get_post(post_id: PostId, me: MayRead, desk: TheDesk) -> PostOut:
    """A post with its targets."""
    return await desk.hayon.database.read(_read_post, post_id, me.person.id)


@router.patch("/posts/{postId}", responses=refusals(401, 403, 404, 409))
async def edit_post(post_id: PostId, given: PostPatch, me: MayPost, desk: TheDesk) -> PostOut:
    """Changes what is given, while nothing of the post was sent. With `draft: false` a draft goes out."""

    def stored(tx: Tx) -> tuple[Any, bool]:
        row = posts.get_post(tx, post_id, me.person.id).row
        overdue = row.status != PostStatus.DRAFT and row.scheduled_at is not None and row.scheduled_at <= tx.now()
        return row, overdue

    row, overdue = await desk.hayon.database.read(stored)
    handed = merge(given, row, overdue=overdue)
    # merged with what was read: if that has changed by now, the edit must not bring the old back
    await desk.hayon.submission.edit(
        me.person.id, post_id, handed, expected_version=row.version if given.version is None else given.version
    )
    return await desk.hayon.database.read(_read_post, post_id, me.person.id)


@router.delete("/posts/{postId}", responses=refusals(401, 403, 404))
async def delete_post(post_id: PostId, me: MayPost, desk: TheDesk) -> Deleted:
    """Stops what can be stopped and removes the post here. What is published stays on the platforms."""
    view = await desk.hayon.database.read(posts.get_post, post_id, me.person.id)
    told = told_out(await desk.hayon.submission.delete(me.person.id, post_id), view)
    live = sum(1 for one in told if one.answer == "too_late")
    doubtful = sum(1 for one in told if one.answer == "in_flight")
    words = "It is deleted here."
    if live:
        words += f" {live} published {'copy stays' if live == 1 else 'copies stay'} on the platforms: see the links."
    if doubtful:
        words += " Something was being sent at this moment; a notice will say what became of it."
    return Deleted(post_id=post_id, message=words, targets=told)


@router.post("/posts/{postId}/submit", responses=refusals(401, 403, 404, 409))
async def submit_draft(post_id: PostId, me: MayPost, desk: TheDesk) -> PostMade:
    """A draft goes out as it stands, now or at its time."""
    await desk.hayon.submission.submit_draft(me.person.id, post_id)
    return await _made(desk, me, await desk.hayon.database.read(posts.get_post, post_id, me.person.id))


@router.get("/posts/{postId}/status", responses=refusals(401, 403, 404))
async def get_status(post_id: PostId, me: MayRead, desk: TheDesk) -> PostStatusOut:
    """Where a post stands, for polling."""
    return status_out(await desk.hayon.database.read(posts.get_post, post_id, me.person.id))


@router.get(
    "/posts/{postId}/events",
    response_model=None,
    responses=refusals(401, 404, 429)
    | {
        200: {
            "description": "`status` events with the status document, at once and at each change; then `end`.",
            "content": {"text/event-stream": {"schema": EVENT}},
        }
    },
)
async def watch_post(post_id: PostId, me: MayRead, desk: TheDesk) -> StreamingResponse:
    """Where a post stands, as server-sent events, until nothing more changes by itself."""
    await desk.hayon.database.read(posts.get_post, post_id, me.person.id)
    headers = {"X-Accel-Buffering": "no"}  # a proxy that gathers the events would make them late
    return StreamingResponse(desk.watch.open(me.person.id, post_id), media_type="text/event-stream", headers=headers)


@router.get("/posts/{postId}/attempts", responses=refusals(401, 403, 404))
async def list_attempts(post_id: PostId, me: MayRead, desk: TheDesk) -> Attempts:
    """Every try: when, what was answered, how long it took."""

    def read(tx: Tx) -> Attempts:
        posts.get_post(tx, post_id, me.person.id)
        return attempts_out(attempts.list_attempts(tx, post_id))

    return await desk.hayon.database.read(read)


@router.post("/posts/{postId}/cancel", responses=refusals(401, 403, 404, 409))
async def cancel_post(post_id: PostId, me: MayPost, desk: TheDesk, given: TargetsChosen | None = None) -> Answers:
    """Stops what can still be stopped, and says the truth about the rest."""
    told = await desk.hayon.submission.cancel(me.person.id, post_id, _chosen(given))
    return await _answers(desk, me, post_id, told)


@router.post("/posts/{postId}/retry", responses=refusals(401, 403, 404, 409))
async def retry_post(post_id: PostId, me: MayPost, desk: TheDesk, given: TargetsChosen | None = None) -> Answers:
    """Tries failed targets again, and waiting ones now."""
    told = await desk.hayon.submission.retry(me.person.id, post_id, _chosen(given))
    return await _answers(desk, me, post_id, told)


@router.post("/posts/{postId}/confirm", responses=refusals(401, 403, 404, 409))
async def confirm_post(post_id: PostId, me: MayPost, desk: TheDesk) -> Answers:
    """What is held since a backup was restored goes out as planned, after all."""
    told = await desk.hayon.submission.confirm(me.person.id, post_id)
    return await _answers(desk, me, post_id, told)


@router.post("/posts/{postId}/resolve", responses=refusals(401, 403, 404, 409))
async def resolve_target(post_id: PostId, given: Resolution, me: MayPost, desk: TheDesk) -> PostStatusOut:
    """A person says whether a target of which nobody knows is there. It answers the question it names, or is refused."""
    await resolve(desk, me, post_id, given)
    return status_out(await desk.hayon.database.read(posts.get_post, post_id, me.person.id))


async def resolve(desk: Desk, me: Caller, post_id: UUID, given: Resolution) -> None:
    """Carries a person's answer on."""
    if given.outcome == "published":
        if given.url is None:
            message = "Say where it is: give the address of the post on the platform."
            raise Invalid([Problem("url", "missing", message)])
        await desk.hayon.submission.resolve_published(
            me.person.id, post_id, given.target_id, given.attempt_id, given.url
        )
        return
    # the database's clock bounds it from above, so the farthest time means: now
    looked_at = given.looked_at or datetime.max.replace(tzinfo=UTC)
    await desk.hayon.submission.resolve_absent(
        me.person.id, post_id, given.target_id, given.attempt_id, looked_at=looked_at, again=given.retry
    )


async def _take_in(desk: Desk, me: Caller, request: Request, handed: Handed, key: str | None) -> Response:
    database, user_id = desk.hayon.database, me.person.id
    try:
        taken = await desk.hayon.submission.take_in(
            user_id, handed, idempotency_key=key, correlation_id=request.state.correlation_id
        )
    except Conflict as error:
        # nothing else can stand against a post that is not there yet
        raise KeyReused(str(error)) from error
    kept = await database.read(replays.find_answer, user_id, key) if taken.view is None and key else None
    if kept is None:
        if taken.view is None:
            made = await _made(desk, me, await database.read(posts.get_post, taken.post_id, user_id))
        else:
            made = made_out(taken.view, taken.warnings)
        if key is None:
            return _json(made, 201)
        # whoever comes first with this key decides what everybody is answered
        kept = await database.write(replays.keep_answer, user_id, key, made.model_dump(mode="json", by_alias=True))
    headers = {"Idempotency-Replayed": "true"} if taken.view is None else None
    return JSONResponse(kept, 201, headers=headers)


async def _made(desk: Desk, me: Caller, view: PostView) -> PostMade:
    where = [(target.account_id, target.platform, target.handle) for target in view.targets]
    warnings = await find_crowds(
        desk.hayon.database, desk.hayon.platforms, me.person.id, where, view.row.scheduled_at, view.row.timezone,
        but=view.row.id,
    )  # fmt: skip
    return made_out(view, warnings)


async def _answers(desk: Desk, me: Caller, post_id: UUID, told: Any) -> Answers:
    view = await desk.hayon.database.read(posts.get_post, post_id, me.person.id)
    return Answers(post_id=post_id, status=view.row.status, targets=told_out(told, view))


def _read_post(tx: Tx, post_id: UUID, user_id: UUID) -> PostOut:
    view = posts.get_post(tx, post_id, user_id)
    return post_out(view, media.find_many(tx, user_id, list(media_ids_of(view))))


def _chosen(given: TargetsChosen | None) -> tuple[UUID, ...] | None:
    return None if given is None else given.target_ids


def _json(body: Any, status: int) -> Response:
    return Response(body.model_dump_json(by_alias=True), status, media_type="application/json")
