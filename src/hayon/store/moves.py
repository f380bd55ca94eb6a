"""The only place where a target's status is written, and the only place where a post's status is computed from its targets.

Every transaction that moves targets does so inside `moving()`: it locks their posts first, in a statement of its own,
and summarises them last. Without the lock, targets that settle at the same instant would each overlook the others.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import MOVES, Ended, PostStatus, TargetStatus, TargetSummary, summarize
from hayon.store import notices
from hayon.store.database import Tx
from hayon.store.listed import one_of
from hayon.store.schema import posts, targets
from hayon.store.turns import still_takeable

T = TargetStatus
OUTCOMES = {PostStatus.COMPLETED, PostStatus.PARTIAL_SUCCESS, PostStatus.FAILED}


@contextmanager
def moving(tx: Tx, post_ids: Iterable[UUID]) -> Iterator[datetime]:
    """Locks the posts, gives the time, and at the end writes their summaries (and the notices that follow from them)."""
    ids = sorted(set(post_ids))
    lock_posts(tx, ids)
    now = tx.now()
    yield now
    summarize_posts(tx, ids, now)


def lock_posts(tx: Tx, ids: Collection[UUID]) -> None:
    """Takes the posts' row locks in id order. SQLite's one writer needs none."""
    if tx.on_postgres and ids:
        tx.all(_LOCK, ids=ids)


def lock_posts_of(tx: Tx, target_ids: Collection[UUID]) -> None:
    """As `lock_posts`, for those of these targets that wait for a worker."""
    if tx.on_postgres and target_ids:
        tx.all(_LOCK_OF, ids=target_ids)


def lock_free_posts(tx: Tx, ids: Collection[UUID]) -> set[UUID]:
    """Takes those of these locks that nobody else holds at this moment, and says which; waits for none."""
    if not tx.on_postgres or not ids:
        return set(ids)
    return {row.id for row in tx.all(_LOCK_FREE, ids=ids)}


_LOCK = sa.select(posts.c.id).where(one_of(posts.c.id, "ids")).order_by(posts.c.id).with_for_update()
_LOCK_OF = (
    sa.select(posts.c.id).where(posts.c.id.in_(sa.select(targets.c.post_id).where(one_of(targets.c.id, "ids"), still_takeable())))
    .order_by(posts.c.id).with_for_update(of=posts)
)  # fmt: skip
_LOCK_FREE = sa.select(posts.c.id).where(one_of(posts.c.id, "ids")).with_for_update(skip_locked=True)


def move(
    tx: Tx, target_id: UUID, to: TargetStatus, *, since: Collection[TargetStatus], now: datetime,
    fence: int | None = None, raise_fence: bool = False, too_late: bool = False, **values: Any,
) -> bool:  # fmt: skip
    """Compare-and-set of one status: only from one of `since`, and only under `fence` if given. True if it was moved.

    `raise_fence` takes the lease away from whoever holds it: an older worker can write nothing any more. `too_late`: failed
    by its post's own rule; that is told by a notice of its own, and nothing is there to be looked after in the parking lot.
    A slot of the account's allowance is given back, unless it is named among the values.
    """
    _check_arrow(since, to)
    statement = sa.update(targets).where(targets.c.id == target_id, targets.c.status.in_([str(one) for one in since]))
    if fence is not None:
        statement = statement.where(targets.c.fence == fence)
    if raise_fence:
        values["fence"] = targets.c.fence + 1
    if to is not T.PROCESSING:
        values |= {"lease_until": None, "parked_at": now if to is T.FAILED and not too_late else None}
    return tx.run(statement.values(status=str(to), updated_at=now, **{"slot_at": None, **values})).rowcount == 1


def complete(tx: Tx, proofs: Collection[tuple[Row[Any], Mapping[str, Any]]], now: datetime) -> None:
    """Moves targets at work (their rows, just read under the locks of their posts) to completed: the same as `move` for
    many. What each row says beyond that stands beside it; each has the same names."""
    _check_arrow([T.PROCESSING], T.COMPLETED)
    rows = [
        {"key": target.id, "under": target.fence, "fence": target.fence + 1, "status": str(T.COMPLETED), "updated_at": now,
         "slot_at": None, "lease_until": None, "parked_at": None, **values}
        for target, values in proofs
    ]  # fmt: skip
    if rows:
        tx.run_each(_AT_WORK, rows)


def _check_arrow(since: Collection[TargetStatus], to: TargetStatus) -> None:
    illegal = [one for one in since if one is not to and (one, to) not in MOVES]
    if illegal:
        raise AssertionError(f"no arrow leads from {illegal[0]} to {to}")


_AT_WORK = sa.update(targets).where(
    targets.c.id == sa.bindparam("key"), targets.c.fence == sa.bindparam("under"), targets.c.status == str(T.PROCESSING)
)


def is_asked(target: Row[Any]) -> bool:
    """Whether a person is asked about this target: is it there, or may it go out although a backup was restored?"""
    held = target.status == T.PENDING and target.held_at is not None
    return held or (target.status == T.UNCONFIRMED and target.due_at is None)


def _all_too_late(status: PostStatus, members: Sequence[Row[Any]]) -> bool:
    """Nothing else became of this post: its author gets one notice of all that were too late, and none of each."""
    ended = [member.code for member in members if member.status == T.FAILED]
    return status is PostStatus.FAILED and set(ended) == {Ended.TOO_LATE}


_MEMBERS = (
    sa.select(
        posts.c.id, posts.c.user_id, posts.c.status.label("stored"), posts.c.needs_attention, posts.c.scheduled_at,
        targets.c.status, targets.c.claims, targets.c.due_at, targets.c.held_at, targets.c.restored_at, targets.c.code,
    )
    .join(targets, targets.c.post_id == posts.c.id)
    .where(one_of(posts.c.id, "ids"))
)  # fmt: skip
_SUMMARY = (
    sa.update(posts).where(one_of(posts.c.id, "ids"))
    .values(status=sa.bindparam("new"), needs_attention=sa.bindparam("attention"), updated_at=sa.bindparam("now"))
)  # fmt: skip


def summarize_posts(tx: Tx, ids: Collection[UUID], now: datetime) -> int:
    """Computes the posts' statuses from their targets and stores what changed. How many changed."""
    if not ids:
        return 0
    grouped: dict[UUID, list[Any]] = {}
    for row in tx.all(_MEMBERS, ids=ids):
        grouped.setdefault(row.id, []).append(row)
    changed: dict[tuple[PostStatus, bool], list[UUID]] = {}
    ended, asked = [], []
    for post_id, members in grouped.items():
        first = members[0]
        status, attention = summarize(
            TargetSummary(
                TargetStatus(member.status), member.claims > 0, member.scheduled_at is not None,
                is_asked(member),
            )
            for member in members
        )  # fmt: skip
        if (first.stored, first.needs_attention) == (str(status), attention):
            continue
        changed.setdefault((status, attention), []).append(post_id)
        if status in OUTCOMES and first.stored != status and not _all_too_late(status, members):
            ended.append(notices.EndedPost(first.user_id, post_id, status))
        # of what a restored backup left open its author was told already, of all at once
        untold = any(is_asked(member) and not (member.restored_at or member.held_at) for member in members)
        if attention and not first.needs_attention and untold:
            asked.append((first.user_id, post_id))
    for (status, attention), post_ids in changed.items():
        tx.do(_SUMMARY, ids=post_ids, new=str(status), attention=attention, now=now)
    notices.posts_ended(tx, ended, now)
    for user_id, post_id in asked:
        notices.person_asked(tx, user_id, post_id, now)
    return sum(map(len, changed.values()))
