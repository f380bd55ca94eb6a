"""What authors decide about posts that exist: edit, hand in, cancel, retry, resolve, delete. Each answer tells the truth per target."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain import pacing
from hayon.domain.allowance import LINED_UP
from hayon.domain.lifecycle import PostStatus, TargetStatus
from hayon.domain.model import Receipt
from hayon.errors import Conflict, NotFound
from hayon.store.attempts import answer_intent
from hayon.store.database import Tx
from hayon.store.moves import lock_posts, move, moving
from hayon.store.posts import Writing, get_post, refuse_if_sent, rewrite_post
from hayon.store.receipts import find_owner, keep_receipt
from hayon.store.schema import posts, targets

T = TargetStatus


@dataclass(frozen=True, slots=True)
class Told:
    """What the author is told about one target: what happened to it, in a word and in a sentence."""

    target_id: UUID
    status: TargetStatus
    answer: str
    message: str


def edit_post(tx: Tx, user_id: UUID, post_id: UUID, writing: Writing, *, expected_version: int | None = None) -> None:
    """Changes words, media, time or accounts while nothing was sent. Raises Conflict when it is too late, or when the
    post is no longer in the version the author saw.

    Every target gets the new version, so that whoever prepared the old words can publish nothing any more.
    """
    get_post(tx, post_id, user_id)
    with moving(tx, [post_id]):
        post = get_post(tx, post_id, user_id)
        if expected_version is not None and post.row.version != expected_version:
            raise Conflict("This post was changed in between; look at it again first.")
        refuse_if_sent(tx, post_id)
        if writing.draft and post.row.status != PostStatus.DRAFT:
            raise Conflict("This post was handed in already; cancel it instead.")
        rewrite_post(tx, post_id, writing)


def cancel(tx: Tx, user_id: UUID, post_id: UUID, target_ids: Collection[UUID] | None) -> list[Told]:
    """Stops what can still be stopped, at once or as soon as an unanswered call is settled."""
    told = []
    with moving(tx, [post_id]) as now:
        for target in _chosen(tx, user_id, post_id, target_ids):
            status = TargetStatus(target.status)
            if status in {T.PENDING, T.PROCESSING} and target.open_attempt_id is None:
                move(tx, target.id, T.CANCELLED, since={status}, now=now, raise_fence=True, due_at=None,
                     message="Cancelled before anything was sent.")  # fmt: skip
                told.append(Told(target.id, T.CANCELLED, "cancelled", "Cancelled before anything was sent."))
            elif status in {T.PROCESSING, T.UNCONFIRMED}:
                tx.run(sa.update(targets).where(targets.c.id == target.id).values(stop_asked=True, updated_at=now))
                told.append(Told(target.id, status, "in_flight", "It was handed to the platform already. Nothing will be "
                                 "sent again; what became of it follows."))  # fmt: skip
            elif status is T.COMPLETED:
                told.append(Told(target.id, status, "too_late", "It is published already; delete it on the platform."))
            else:
                told.append(Told(target.id, status, "nothing_to_stop", "It had ended already; nothing is live."))
    return told


def retry(tx: Tx, user_id: UUID, post_id: UUID, target_ids: Collection[UUID] | None) -> list[Told]:
    """Tries failed targets again, now, with the patience of a new start. A doubted one is looked up before it is sent."""
    told = []
    with moving(tx, [post_id]) as now:
        chosen = _chosen(tx, user_id, post_id, target_ids)
        post = get_post(tx, post_id, user_id)
        if post.row.deleted_at is not None:
            raise Conflict("This post was deleted here: nothing of it is sent any more.")
        # one counter for all versions of a post: a target's own would meet the one of a later edit
        failed = any(target.status == T.FAILED for target in chosen)
        raised = sa.update(posts).where(posts.c.id == post_id).values(version=posts.c.version + int(failed))
        version = tx.value(raised.returning(posts.c.version))
        for target in chosen:
            status = TargetStatus(target.status)
            if status is T.FAILED:
                move(tx, target.id, T.PENDING, since={T.FAILED}, now=now, raise_fence=True, due_at=now, stop_asked=False,
                     tries=0, waits=0, looks=0, lost_leases=0, first_try_at=None, first_wait_at=None, waits_for="",
                     version=version, message="", code="",
                     too_late_at=_too_late_at(post.row, now), **_prepared(target, version))  # fmt: skip
                told.append(Told(target.id, T.PENDING, "retrying", "It is tried again now."))
            elif _waits(target):
                tx.run(sa.update(targets).where(targets.c.id == target.id, targets.c.status == str(status))
                       .values(due_at=now, waits_for="", looks=max(0, target.looks - 1), updated_at=now))  # fmt: skip
                words = "It is looked for now." if status is T.UNCONFIRMED else "It was waiting; it is tried now."
                told.append(Told(target.id, status, "sooner", words))
            else:
                told.append(Told(target.id, status, "unchanged", _why_no_retry(target)))
    return told


def resolve_published(
    tx: Tx, user_id: UUID, post_id: UUID, target_id: UUID, attempt_id: UUID, url: str, remote_id: str
) -> None:
    """A person says: it is there, at this address. Raises Conflict where the address is another target's already."""
    with moving(tx, [post_id]) as now:
        target = _asked(tx, user_id, post_id, target_id, attempt_id)
        owner = find_owner(tx, target.account_id, remote_id)
        if owner is not None and owner.target_id != target.id:
            raise Conflict("That address belongs to another of your posts already.")
        keep_receipt(tx, target, Receipt(remote_id, url, now), attempt_id=attempt_id, adopted=True, now=now)
        move(tx, target.id, T.COMPLETED, since={T.UNCONFIRMED}, now=now, raise_fence=True, due_at=None, url=url,
             remote_id=remote_id, published_at=now, message="You said that it is there.", code="",
             **answer_intent(tx, attempt_id, "person", now))  # fmt: skip


def resolve_absent(
    tx: Tx, user_id: UUID, post_id: UUID, target_id: UUID, attempt_id: UUID, *, looked_at: datetime, again: bool
) -> None:
    """A person says: it is not there. Accepted only for a look made after the quiet time of the intent.

    With `again` it permits one more publish, after one more look of our own in which a copy found wins; else the target
    is failed, or cancelled where a stop was asked.
    """
    with moving(tx, [post_id]) as now:
        target = _asked(tx, user_id, post_id, target_id, attempt_id)
        if target.quiet_until is not None and min(looked_at, now) < target.quiet_until:
            raise Conflict(
                "It may still appear: the platform gets until "
                f"{target.quiet_until:%H:%M:%S} UTC. Look once more after that, then decide."
            )
        if again and not target.stop_asked:
            tx.run(sa.update(targets).where(targets.c.id == target.id).values(
                permitted_attempt_id=attempt_id, due_at=now, waits_for="", looks=0, updated_at=now))  # fmt: skip
            return
        to = T.CANCELLED if target.stop_asked else T.FAILED
        move(tx, target.id, to, since={T.UNCONFIRMED}, now=now, raise_fence=True, due_at=None,
             message="You said that it is not there.", code="", **answer_intent(tx, attempt_id, "person", now))  # fmt: skip


def delete_post(tx: Tx, user_id: UUID, post_id: UUID) -> list[Told]:
    """Stops and hides a post here; what is published stays on the platforms. Rows and receipts stay."""
    get_post(tx, post_id, user_id)
    lock_posts(tx, [post_id])  # a draft that is handed in at this moment has its targets by then
    told = cancel(tx, user_id, post_id, None) if get_post(tx, post_id, user_id).targets else []
    tx.run(sa.update(posts).where(posts.c.id == post_id).values(deleted_at=tx.now()))
    return told


def _chosen(tx: Tx, user_id: UUID, post_id: UUID, target_ids: Collection[UUID] | None) -> list[Row[Any]]:
    every = list(get_post(tx, post_id, user_id).targets)
    if not every:
        raise Conflict("This post is a draft: nothing of it was handed in.")
    if target_ids is None:
        return every
    unknown = set(target_ids) - {target.id for target in every}
    if unknown:
        raise NotFound(f"This post has no target {unknown.pop()}.")
    return [target for target in every if target.id in target_ids]


def _asked(tx: Tx, user_id: UUID, post_id: UUID, target_id: UUID, attempt_id: UUID) -> Row[Any]:
    target = _chosen(tx, user_id, post_id, [target_id])[0]
    if target.status != T.UNCONFIRMED or target.open_attempt_id != attempt_id:
        raise Conflict("This question is no longer open: the post has moved on. Look at it again.")
    return target


def _prepared(target: Row[Any], version: int) -> dict[str, Any]:
    """What was prepared stays once an intent used it: the same key and handles make a repeat harmless. The words have not
    changed since, for an edit is refused from the first intent on.
    """
    return {"checkpoint_version": version} if target.last_attempt_id is not None else {"checkpoint": None}


def _too_late_at(post: Row[Any], now: datetime) -> datetime | None:
    """Its author wants it to go out now: from here on it may be as late as it might have been at first."""
    return pacing.latest(now if post.scheduled_at else None, post.max_lateness_seconds)


def _waits(target: Row[Any]) -> bool:
    """Whether it could be tried sooner: it waits for its next try or look, not for the time its author chose."""
    tried = target.claims > 0 or target.code == LINED_UP
    waits = target.status == T.UNCONFIRMED or (target.status == T.PENDING and tried)
    return waits and target.due_at is not None and not target.stop_asked and target.held_at is None


def _why_no_retry(target: Row[Any]) -> str:
    if target.status == T.PENDING and target.held_at is not None:
        return "It is held since a backup was restored; confirm it first."
    return {
        "completed": "It is published already.",
        "cancelled": "It was cancelled; make a new post to send it after all.",
        "processing": "It is being delivered right now.",
        "unconfirmed": "It is not known whether it went out: look at the account and say so.",
        "pending": "It waits for the time you chose; change that to publish it sooner.",
    }[target.status]
