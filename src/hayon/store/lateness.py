"""What may not go out any more because it is too late: failed without waiting for a worker, and told once to each author.

Whether something is too late is its post's own rule (`too_late_at` on the target); nobody is asked here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from hayon.domain.lifecycle import Ended, TargetStatus
from hayon.domain.pacing import TOO_LATE
from hayon.store import notices
from hayon.store.attempts import append_attempt
from hayon.store.database import Tx
from hayon.store.moves import lock_free_posts, move, moving
from hayon.store.schema import accounts, posts, targets

T = TargetStatus


@dataclass(frozen=True, slots=True)
class Missed:
    """One that was too late and failed."""

    target_id: UUID
    platform: str


def fail_late(tx: Tx, *, limit: int = 200) -> list[Missed]:
    """Fails waiting targets that are later than their posts allow, the latest first, so that nobody waits for a claim to hear
    it: neither behind a busy account nor behind one that was asked to wait. Which.

    Left alone are those that a person holds, those that are looked for before anything else, and those in hand.
    """
    # a single statement over a partial index, however many wait: `ix_targets_too_late`
    found = sa.select(targets.c.id, targets.c.post_id).where(_is_late(tx.now())).order_by(targets.c.too_late_at)
    rows = tx.all(found.limit(limit))
    free = lock_free_posts(tx, {row.post_id for row in rows})
    if not free:
        return []
    missed = []
    with moving(tx, free) as now:
        ids = [row.id for row in rows if row.post_id in free]
        for row in tx.all(sa.select(targets).where(targets.c.id.in_(ids), _is_late(now)).order_by(targets.c.id)):
            append_attempt(tx, row, ended=str(Ended.TOO_LATE), message=TOO_LATE, code=str(Ended.TOO_LATE), now=now)
            if move(
                tx, row.id, T.FAILED, since={T.PENDING}, now=now, fence=row.fence, raise_fence=True, too_late=True,
                due_at=None, message=TOO_LATE, code=str(Ended.TOO_LATE),
            ):  # fmt: skip
                missed.append(Missed(row.id, row.platform))
        tell(tx, [one.target_id for one in missed], now)
    return missed


def tell(tx: Tx, ids: Sequence[UUID], now: datetime) -> None:
    """Tells their authors that it was too late for these targets: each of all that are theirs, the earliest first."""
    rows = tx.all(
        sa.select(
            targets.c.id,
            targets.c.user_id,
            targets.c.post_id,
            targets.c.platform,
            accounts.c.handle,
            posts.c.scheduled_at,
        )
        .join(posts, posts.c.id == targets.c.post_id)
        .join(accounts, accounts.c.id == targets.c.account_id)
        .where(targets.c.id.in_(ids))
        # one author after the other, so that two who tell wait for one another once
        .order_by(targets.c.user_id, posts.c.scheduled_at, targets.c.id)
    )
    late: dict[UUID, list[notices.Late]] = {}
    for row in rows:
        one = notices.Late(row.post_id, row.id, row.platform, row.handle, row.scheduled_at)
        late.setdefault(row.user_id, []).append(one)
    for user_id, theirs in late.items():
        notices.too_late(tx, user_id, theirs, now)


def _is_late(now: datetime) -> sa.ColumnElement[bool]:
    """Written out, so that both databases know their partial index in it, and PostgreSQL no other: what is held is asked for in
    words that are in none."""
    return sa.and_(
        targets.c.status == sa.literal_column("'pending'"), targets.c.too_late_at.is_not(None),
        targets.c.too_late_at < now, sa.case((targets.c.held_at.is_(None), 1), else_=0) == 1, sa.not_(targets.c.doubted),
    )  # fmt: skip
