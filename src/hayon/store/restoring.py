"""What becomes of the targets of a database that was restored from a backup: looked for, held, confirmed. Sends nothing.

The backup does not know what went out after it was made. So whatever was unfinished in it and is due by now gets an
intent that may have been carried out (or keeps its own), and no absence answers it any more, since a later try may have
used other handles: a look finds it, or a person is asked. What is due later is held until somebody confirms it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import TargetStatus
from hayon.domain.model import Content, said_on
from hayon.errors import Conflict, NotFound
from hayon.store import notices
from hayon.store.database import Tx, new_id
from hayon.store.decisions import Told
from hayon.store.moves import lock_posts, move, moving, summarize_posts
from hayon.store.posts import get_post, read_content, read_overrides
from hayon.store.schema import accounts, attempts, generation, posts, targets, users

T = TargetStatus
UNFINISHED = (T.PENDING, T.PROCESSING, T.UNCONFIRMED)
FENCES = 1_000_000
"""By how much fences rise: beyond any that a worker of the lost time may still hold."""
AT_ONCE = 500
"""Posts that are read, locked and written together."""

Fingerprint = Callable[[Content], str]
"""What makes two targets of one account look alike in a listing."""


@dataclass(slots=True)
class Found:
    """What the command finds in a restored database, or has changed in it: targets by platform, posts, and whose they are.

    `newest` is when anything was last written to it: no call that it does not know of can be older.
    """

    newest: datetime
    looked_for: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    looked_for_posts: dict[UUID, set[UUID]] = field(default_factory=dict)
    held_posts: dict[UUID, set[UUID]] = field(default_factory=dict)

    @property
    def authors(self) -> set[UUID]:
        """Everybody who is told."""
        return {*self.looked_for_posts, *self.held_posts}

    def count(self, row: Row[Any], *, holds: bool) -> None:
        """One more target."""
        counts, whose = (self.held, self.held_posts) if holds else (self.looked_for, self.looked_for_posts)
        counts[row.platform] = counts.get(row.platform, 0) + 1
        whose.setdefault(row.user_id, set()).add(row.post_id)


def examine(tx: Tx) -> Found:
    """What `mark` would change. Writes nothing."""
    now = tx.now()
    found = Found(find_newest(tx))
    for rows in _unfinished(tx, now):
        for row in rows:
            found.count(row, holds=_is_held(row, now))
    return found


def mark(tx: Tx, backup_time: datetime, since: datetime, fingerprint: Fingerprint) -> Found:
    """Marks everything unfinished, raises the fences and tells the authors: one notice each.

    `since`: when a call that the backup does not know of may have been made at the earliest; listings are read from there.
    """
    now = tx.now()
    found = Found(find_newest(tx))
    at = f"{backup_time:%d %b %Y, %H:%M} UTC"
    for rows in _unfinished(tx, now):
        ids = sorted({row.post_id for row in rows})
        lock_posts(tx, ids)
        waiting = {row.post_id for row in rows if _is_held(row, now)}
        # said beforehand, so that the summary does not tell each author of each post
        tx.run(sa.update(posts).where(posts.c.id.in_(waiting)).values(needs_attention=True))
        for row in rows:
            found.count(row, holds=_is_held(row, now))
            if _is_held(row, now):
                _hold(tx, row, at, now)
            else:
                _doubt(tx, row, at, since, fingerprint, now)
        summarize_posts(tx, ids, now)
    alive = targets.c.status.in_([str(one) for one in (*UNFINISHED, T.FAILED)])  # what failed may be retried
    tx.run(sa.update(targets).where(alive).values(fence=targets.c.fence + FENCES))
    for user_id in sorted(found.authors):
        looked_for, held = (len(whose.get(user_id, ())) for whose in (found.looked_for_posts, found.held_posts))
        notices.restored(tx, user_id, backup_time, looked_for, held, now)
    return found


def find_newest(tx: Tx) -> datetime:
    """When anything was last written here; the generation is raised every minute while Hayon runs."""
    moments = [
        tx.value(sa.select(sa.func.max(column)))
        for column in (generation.c.raised_at, posts.c.created_at, posts.c.updated_at, targets.c.updated_at,
                       targets.c.claimed_at, attempts.c.intent_at, attempts.c.ended_at)
    ]  # fmt: skip
    newest: datetime = max(moment for moment in moments if moment is not None)
    return newest


def confirm(tx: Tx, user_id: UUID, post_id: UUID) -> list[Told]:
    """Its author says that a held post may go out as planned. Raises Conflict where nothing of it is held."""
    with moving(tx, [post_id]) as now:
        view = get_post(tx, post_id, user_id)
        if view.row.deleted_at is not None:
            raise NotFound("There is no such post.")
        held = [target for target in view.targets if target.status == T.PENDING and target.held_at is not None]
        if not held:
            raise Conflict("Nothing of this post is held.")
        _release(tx, targets.c.post_id == post_id, now)
        return [Told(one.id, T.PENDING, "confirmed", "It goes out as planned.") for one in held]


def confirm_all(tx: Tx) -> int:
    """The operator says so of every post that is held. How many targets."""
    ids = [row.post_id for row in tx.all(sa.select(targets.c.post_id).where(_HELD).distinct())]
    released = 0
    for chunk in _chunks(sorted(ids)):
        with moving(tx, chunk) as now:
            released += _release(tx, targets.c.post_id.in_(chunk), now)
    return released


def list_held(tx: Tx) -> Sequence[Row[Any]]:
    """Every held target: its post, whose it is, where it goes and when, the earliest first."""
    return tx.all(
        sa.select(targets.c.post_id, users.c.email, targets.c.platform, accounts.c.handle, targets.c.due_at)
        .join(users, users.c.id == targets.c.user_id)
        .join(accounts, accounts.c.id == targets.c.account_id)
        .where(_HELD).order_by(targets.c.due_at, targets.c.post_id, targets.c.position)
    )  # fmt: skip


_HELD = sa.and_(targets.c.status == str(T.PENDING), targets.c.held_at.is_not(None))


def _unfinished(tx: Tx, now: datetime) -> Iterator[Sequence[Row[Any]]]:
    """Unfinished targets with their posts' words, some posts at a time. What an earlier run marked is left out."""
    unmarked = sa.and_(
        targets.c.status.in_([str(one) for one in UNFINISHED]), targets.c.held_at.is_(None), targets.c.created_at <= now
    )
    ids = [row.post_id for row in tx.all(sa.select(targets.c.post_id).where(unmarked).distinct())]
    for chunk in _chunks(sorted(ids)):
        yield tx.all(
            sa.select(targets, posts.c.content, posts.c.overrides)
            .join(posts, posts.c.id == targets.c.post_id)
            .where(targets.c.post_id.in_(chunk), unmarked).order_by(targets.c.id)
        )  # fmt: skip


def _chunks(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _is_held(row: Row[Any], now: datetime) -> bool:
    return bool(row.status == T.PENDING and row.due_at > now)


def _hold(tx: Tx, row: Row[Any], at: str, now: datetime) -> None:
    message = (
        f"Planned before the backup of {at} that Hayon was restored from; whether it was changed, cancelled or sent since is "
        "not known. It is held until you confirm it."
    )
    told = {"held_at": now, "announced_until": None, "slot_at": None, "message": message, "code": "restored"}
    tx.run(sa.update(targets).where(targets.c.id == row.id).values(told | {"updated_at": now}))


def _doubt(tx: Tx, row: Row[Any], at: str, since: datetime, fingerprint: Fingerprint, now: datetime) -> None:
    """It may have been sent since the backup. An open intent stays, but what answers it is only a copy or a person."""
    message = f"Hayon was restored from a backup of {at}, and looks whether this has gone out since."
    values: dict[str, Any] = {
        "due_at": now, "restored_at": now, "announced_until": None, "quiet_until": None, "permitted_attempt_id": None,
        "looks": 0, "lost_leases": 0, "message": message, "code": "restored",
    }  # fmt: skip
    if row.open_attempt_id is None:
        attempt_id = new_id(now)
        said = read_content(row.content), read_overrides(row.overrides)
        tx.run(
            sa.insert(attempts).values(
                id=attempt_id, target_id=row.id, post_id=row.post_id, account_id=row.account_id, number=row.attempts + 1,
                version=row.version, fence=row.fence, started_at=now, intent_at=since, handles={},
                fingerprint=fingerprint(said_on(*said, row.platform, row.account_id)), ended_at=now, ended="restored",
                message=message, code="restored",
            )
        )  # fmt: skip
        values |= {"open_attempt_id": attempt_id, "last_attempt_id": attempt_id, "attempts": row.attempts + 1}
    if not move(tx, row.id, T.UNCONFIRMED, since=UNFINISHED, now=now, **values):
        raise AssertionError("its post is locked")


def _release(tx: Tx, which: sa.ColumnElement[bool], now: datetime) -> int:
    freed = sa.update(targets).where(which, _HELD)
    return tx.run(freed.values(held_at=None, message="", code="", updated_at=now)).rowcount
