"""Posts as the API shows them: the post model of the seeds, built from rows. Nothing is read from the database here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from hayon.delivery.submit import Fit
from hayon.domain.lifecycle import PostStatus, TargetStatus, WaitsFor
from hayon.domain.model import Media
from hayon.errors import Problem
from hayon.store.decisions import Told
from hayon.store.moves import is_asked
from hayon.store.posts import PostView
from hayon.web.problems import ProblemFound, as_found
from hayon.web.wire import Answered, Moment

ENDED = frozenset({PostStatus.COMPLETED, PostStatus.PARTIAL_SUCCESS, PostStatus.FAILED, PostStatus.CANCELLED})
TROUBLED = frozenset(
    {TargetStatus.FAILED, TargetStatus.UNCONFIRMED, TargetStatus.PENDING, TargetStatus.PROCESSING}
)  # fmt: skip


class ErrorOut(Answered):
    """Why it is not published (yet), in words, and the platform's own code where it gave one."""

    message: str
    code: str


class Question(Answered):
    """What a person may answer about a target of which nobody knows whether it is live.

    "It is not there" counts after `quietUntil`. `askedNow`: looking on our own has come to an end.
    """

    attempt_id: UUID
    quiet_until: Moment | None
    asked_now: bool


class PlatformStatus(Answered):
    """Where one target of a post stands.

    While it is being delivered, `claimedAt` says since when, and `leaseUntil` when another process may take it up again.
    `heldSince`: a backup was restored, and it goes out only once somebody confirms it.
    `waitsFor` says whose rule it is that it is not tried before `dueAt`: `schedule` (its author's), `platform` (a time that
    the platform named), `pause` (our own), `allowance` (its turn within what the platform lets the account do), `app` (what it
    lets all accounts of this Hayon do together), `host` (nobody reaches it; one target asks for all), `quiet` (until then not
    seeing it proves nothing) or `person` (somebody is asked). Null: it does not wait, or that was not written down yet.
    """

    target_id: UUID
    platform: str
    account_id: UUID
    handle: str
    status: TargetStatus
    platform_post_id: str | None
    platform_post_url: str | None
    published_at: Moment | None
    error: ErrorOut | None
    message: str
    attempt_count: int
    due_at: Moment | None
    waits_for: WaitsFor | None
    last_attempt_at: Moment | None
    claimed_at: Moment | None
    lease_until: Moment | None
    stop_asked: bool
    held_since: Moment | None
    needs_attention: bool
    question: Question | None


class PostMade(Answered):
    """The answer to a post that was taken in. `warnings`: it goes out, but later than planned."""

    post_id: UUID
    status: PostStatus
    platform_statuses: list[PlatformStatus]
    correlation_id: str
    warnings: list[ProblemFound]


class PostStatusOut(Answered):
    """Where a post stands, without its words."""

    post_id: UUID
    status: PostStatus
    needs_attention: bool
    version: int
    platform_statuses: list[PlatformStatus]


class MediaUseOut(Answered):
    """One file of a post."""

    media_id: UUID
    alt_text: str
    mime_type: str | None
    url: str


class ContentOut(Answered):
    """What is said."""

    text: str
    media_items: list[MediaUseOut]
    options: dict[str, Any]


class OverrideOut(Answered):
    """What is said differently; null: as everywhere."""

    text: str | None
    media_items: list[MediaUseOut] | None
    options: dict[str, Any]


class PostOut(Answered):
    """A post."""

    post_id: UUID
    content: ContentOut
    platform_specific_content: dict[str, OverrideOut]
    selected_platforms: list[str]
    account_ids: list[UUID]
    platform_statuses: list[PlatformStatus]
    status: PostStatus
    needs_attention: bool
    scheduled_at: Moment | None
    timezone: str
    max_lateness_seconds: int | None
    version: int
    correlation_id: str
    created_at: Moment
    updated_at: Moment


class PostPage(Answered):
    """Some posts, the newest first. `nextCursor` leads to the older ones; null: there are none."""

    posts: list[PostOut]
    next_cursor: str | None


class FitOut(Answered):
    """How a post would fit one account."""

    platform: str
    account_id: UUID
    handle: str
    length: int
    limit: int
    unit: str
    problems: list[ProblemFound]


class DryRun(Answered):
    """What would be found against a post: per target, and what concerns the request as a whole. Nothing was written.

    `warnings` refuse nothing: an account may do fewer posts in a day than are planned for it.
    """

    targets: list[FitOut]
    problems: list[ProblemFound]
    warnings: list[ProblemFound]


class ToldOut(Answered):
    """What became of a wish, per target, in a word and in a sentence."""

    target_id: UUID
    platform: str
    account_id: UUID
    handle: str
    status: TargetStatus
    answer: str
    message: str
    platform_post_url: str | None


class Answers(Answered):
    """The truth per target after a cancel or a retry."""

    post_id: UUID
    status: PostStatus
    targets: list[ToldOut]


class Deleted(Answered):
    """What deleting did here; what is published stays on the platforms, at these links."""

    post_id: UUID
    message: str
    targets: list[ToldOut]


class AttemptOut(Answered):
    """One try. `intentAt`: when the irreversible call was about to be made; `answeredBy` says what settled it."""

    attempt_id: UUID
    target_id: UUID
    platform: str
    number: int
    started_at: Moment
    intent_at: Moment | None
    ended_at: Moment | None
    duration_seconds: float | None
    ended: str | None
    message: str
    code: str
    http_status: int | None
    answered_at: Moment | None
    answered_by: str | None


class Attempts(Answered):
    """Every try of every target, in order."""

    attempts: list[AttemptOut]


def made_out(view: PostView, warnings: Sequence[Problem]) -> PostMade:
    """A post just taken in."""
    row = view.row
    return PostMade(
        post_id=row.id, status=row.status, platform_statuses=targets_out(view), correlation_id=row.correlation_id,
        warnings=[as_found(warning) for warning in warnings],
    )  # fmt: skip


def status_out(view: PostView) -> PostStatusOut:
    """Where a post stands."""
    row = view.row
    return PostStatusOut(
        post_id=row.id, status=row.status, needs_attention=row.needs_attention, version=row.version,
        platform_statuses=targets_out(view),
    )  # fmt: skip


def post_out(view: PostView, files: Mapping[UUID, Media]) -> PostOut:
    """The whole post. `files` are the media it uses."""
    row = view.row
    content = row.content
    return PostOut(
        post_id=row.id,
        content=ContentOut(
            text=content["text"], media_items=_uses_out(content["media"], files), options=content.get("options") or {}
        ),
        platform_specific_content={name: _override_out(kept, files) for name, kept in row.overrides.items()},
        selected_platforms=row.selected["platforms"], account_ids=row.selected["accountIds"],
        platform_statuses=targets_out(view), status=row.status, needs_attention=row.needs_attention,
        scheduled_at=row.scheduled_at, timezone=row.timezone, max_lateness_seconds=row.max_lateness_seconds,
        version=row.version, correlation_id=row.correlation_id, created_at=row.created_at, updated_at=row.updated_at,
    )  # fmt: skip


def media_ids_of(view: PostView) -> set[UUID]:
    """Every file a post uses, anywhere."""
    uses = list(view.row.content["media"])
    for kept in view.row.overrides.values():
        uses.extend(kept.get("media") or ())
    return {UUID(use["mediaId"]) for use in uses}


def targets_out(view: PostView) -> list[PlatformStatus]:
    """Where each target stands."""
    return [_target_out(target) for target in view.targets]


def dry_run_out(fits: Sequence[Fit], problems: Sequence[Problem], warnings: Sequence[Problem]) -> DryRun:
    """What would be found."""
    return DryRun(
        targets=[
            FitOut(
                platform=fit.account.platform, account_id=fit.account.id, handle=fit.account.handle, length=fit.length,
                limit=fit.limit, unit=fit.unit, problems=[as_found(problem) for problem in fit.problems],
            )
            for fit in fits
        ],
        problems=[as_found(problem) for problem in problems],
        warnings=[as_found(warning) for warning in warnings],
    )  # fmt: skip


def told_out(told: Sequence[Told], view: PostView) -> list[ToldOut]:
    """What the author is told, with the names and links of the targets."""
    known = {target.id: target for target in view.targets}
    return [
        ToldOut(
            target_id=one.target_id, platform=known[one.target_id].platform,
            account_id=known[one.target_id].account_id, handle=known[one.target_id].handle, status=one.status,
            answer=one.answer, message=one.message, platform_post_url=known[one.target_id].url,
        )
        for one in told
    ]  # fmt: skip


def attempts_out(rows: Sequence[Any]) -> Attempts:
    """Every try."""
    return Attempts(
        attempts=[
            AttemptOut(
                attempt_id=row.id, target_id=row.target_id, platform=row.platform, number=row.number,
                started_at=row.started_at, intent_at=row.intent_at, ended_at=row.ended_at,
                duration_seconds=_seconds(row.started_at, row.ended_at), ended=row.ended, message=row.message,
                code=row.code, http_status=row.http_status, answered_at=row.answered_at, answered_by=row.answered_by,
            )
            for row in rows
        ]
    )  # fmt: skip


def _target_out(target: Any) -> PlatformStatus:
    status = TargetStatus(target.status)
    asked = status is TargetStatus.UNCONFIRMED and target.due_at is None
    held_since = target.held_at if status is TargetStatus.PENDING else None
    question = None
    if status is TargetStatus.UNCONFIRMED and target.open_attempt_id is not None:
        question = Question(attempt_id=target.open_attempt_id, quiet_until=target.quiet_until, asked_now=asked)
    error = None
    if target.message and status in TROUBLED:
        error = ErrorOut(message=target.message, code=target.code)
    return PlatformStatus(
        target_id=target.id, platform=target.platform, account_id=target.account_id, handle=target.handle,
        status=status, platform_post_id=target.remote_id, platform_post_url=target.url,
        published_at=target.published_at, error=error, message=target.message, attempt_count=target.attempts,
        due_at=target.due_at, waits_for=_waits_for(target), last_attempt_at=target.claimed_at,
        claimed_at=target.claimed_at if status is TargetStatus.PROCESSING else None, lease_until=target.lease_until,
        stop_asked=target.stop_asked, held_since=held_since, needs_attention=asked or held_since is not None,
        question=question,
    )  # fmt: skip


def _waits_for(target: Any) -> WaitsFor | None:
    if is_asked(target):
        return WaitsFor.PERSON
    if target.status not in {TargetStatus.PENDING, TargetStatus.UNCONFIRMED}:
        return None
    if target.waits_for:
        return WaitsFor(target.waits_for)
    # what was claimed before has another time by now than its author's
    return WaitsFor.SCHEDULE if target.status == TargetStatus.PENDING and not target.claims else None


def _uses_out(kept: Sequence[Mapping[str, Any]], files: Mapping[UUID, Media]) -> list[MediaUseOut]:
    uses = []
    for one in kept:
        media_id = UUID(one["mediaId"])
        mime = files[media_id].mime if media_id in files else None
        uses.append(
            MediaUseOut(
                media_id=media_id, alt_text=one["altText"], mime_type=mime, url=f"/api/media/{media_id}/content"
            )
        )
    return uses


def _override_out(kept: Mapping[str, Any], files: Mapping[UUID, Media]) -> OverrideOut:
    uses = _uses_out(kept["media"], files) if kept.get("media") is not None else None
    return OverrideOut(text=kept.get("text"), media_items=uses, options=kept.get("options") or {})


def _seconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else round((end - start).total_seconds(), 3)
