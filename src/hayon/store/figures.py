"""What the operator wants to know of all posts together, read at a bounded cost. No post is named, and nothing is changed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from hayon.domain.lifecycle import PostStatus, TargetStatus
from hayon.store.database import Tx
from hayon.store.schema import attempts, posts, targets
from hayon.store.turns import takeable
from hayon.store.wakeups import NAME

MOST = 50_000
"""Rows counted at most for one number: a count that shows it means "this many or more"."""
AUDITED = timedelta(days=1)
AUDITED_POSTS = 20_000
PENDING, PROCESSING, UNCONFIRMED = TargetStatus.PENDING, TargetStatus.PROCESSING, TargetStatus.UNCONFIRMED


@dataclass(frozen=True, slots=True)
class Figures:
    """`unfinished` by status and platform, `oldest_due_seconds` by platform (0 where nothing is due).

    `unaccounted`: posts of the last day that were accepted and are now neither unfinished nor ended. Never but 0.
    `oldest_transaction_seconds`: of PostgreSQL; None elsewhere.
    """

    unfinished: Mapping[tuple[str, str], int]
    parked: int
    oldest_due_seconds: Mapping[str, float]
    unaccounted: int
    oldest_transaction_seconds: float | None


@dataclass(frozen=True, slots=True)
class Queue:
    """How one platform stands, counted in targets; of all that wait the first `MOST` are looked at.

    `waiting`: planned for later, or due. `due`: a worker could take it now, to be published or to be looked for; the one
    that is due longest since `oldest_seconds`. `unknown`: perhaps published, and looked for. Who waits for a person
    is in none of them.
    """

    platform: str
    waiting: int = 0
    due: int = 0
    oldest_seconds: float = 0.0
    in_hand: int = 0
    unknown: int = 0


def read_figures(tx: Tx, platforms: Collection[str]) -> Figures:
    """All of them. Finished targets are not counted: their number only grows, and so would the time that this takes."""
    now = tx.now()
    return Figures(
        _count_unfinished(tx, platforms), count_parked(tx),
        {one: _oldest_due(tx, one, now) for one in platforms},
        len(find_unaccounted(tx, now - AUDITED)), _oldest_transaction(tx),
    )  # fmt: skip


def read_queues(tx: Tx, platforms: Collection[str]) -> list[Queue]:
    """How each platform stands, in two statements: what waits by the index of what is due, what is in hand by its own."""
    now = tx.now()
    rows = (
        sa.select(targets.c.platform, targets.c.status, targets.c.due_at)
        .where(takeable(), targets.c.due_at.is_not(None)).limit(MOST).subquery()
    )  # fmt: skip
    is_due = rows.c.due_at <= now
    unknown = sa.case((rows.c.status == str(UNCONFIRMED), 1), else_=0)
    waiting = tx.all(
        sa.select(
            rows.c.platform, sa.func.count().label("many"), sa.func.sum(unknown).label("unknown"),
            sa.func.sum(sa.case((is_due, 1), else_=0)).label("due"), sa.func.min(rows.c.due_at).label("first_at"),
        ).group_by(rows.c.platform)
    )  # fmt: skip
    leased = sa.select(targets.c.platform, sa.func.count().label("many")).where(
        targets.c.status == sa.literal_column("'processing'")
    )
    in_hand = {row.platform: row.many for row in tx.all(leased.group_by(targets.c.platform))}
    found = {row.platform: row for row in waiting}
    queues = []
    for one in platforms:
        row, held = found.get(one), in_hand.get(one, 0)
        if row is None:
            queues.append(Queue(one, in_hand=held))
            continue
        oldest = (now - row.first_at).total_seconds() if row.due else 0.0
        queues.append(Queue(one, row.many - row.unknown, row.due, oldest, held, row.unknown))
    return queues


def count_parked(tx: Tx) -> int:
    """How many targets nobody has retried or discarded yet, of everybody."""
    return _count(tx, sa.select(sa.literal(1)).where(targets.c.parked_at.is_not(None)))


def find_last_try(tx: Tx) -> datetime | None:
    """When a target was last taken in hand, or failed for being too late; None where none ever was."""
    row = tx.first(sa.select(attempts.c.started_at).order_by(attempts.c.id.desc()).limit(1))
    return None if row is None else row.started_at


def count_processes(tx: Tx) -> Mapping[str, int] | None:
    """How many processes are connected, by the parts they do; None on SQLite, where there is one that does everything."""
    if not tx.on_postgres:
        return None
    rows = tx.all(sa.text(
        "SELECT application_name AS name, count(*) AS many FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE :ours GROUP BY application_name ORDER BY 1"
    ).bindparams(ours=f"{NAME}%"))  # fmt: skip
    return {row.name.removeprefix(NAME).strip(): row.many for row in rows}


def find_unaccounted(tx: Tx, since: datetime, limit: int = AUDITED_POSTS) -> list[UUID]:
    """Posts accepted since then of which nothing became: no target at all, or one in a status that there is not.

    Accepted minus completed, failed, cancelled and unfinished, that is. Looks at the newest `limit` posts, found by their
    ids, which begin with the time (`new_id`).
    """
    first = UUID(int=int(since.timestamp() * 1000) << 80)
    newest = (
        sa.select(posts.c.id).where(posts.c.id >= first, posts.c.status != str(PostStatus.DRAFT))
        .order_by(posts.c.id.desc()).limit(limit).subquery()
    )  # fmt: skip
    known = sa.func.sum(sa.case((targets.c.status.in_([str(one) for one in TargetStatus]), 1), else_=0))
    counted = (
        sa.select(newest.c.id)
        .outerjoin(targets, targets.c.post_id == newest.c.id)
        .group_by(newest.c.id)
        .having(sa.or_(sa.func.count(targets.c.id) == 0, sa.func.count(targets.c.id) != known))
    )
    return [row.id for row in tx.all(counted)]


def _count_unfinished(tx: Tx, platforms: Collection[str]) -> dict[tuple[str, str], int]:
    """Each from an index that holds only such rows: unconfirmed are those with an unanswered intent that no lease covers."""
    leased = targets.c.status == sa.literal_column("'processing'")
    unconfirmed = targets.c.status == sa.literal_column("'unconfirmed'")
    asked = sa.and_(attempts.c.intent_at.is_not(None), attempts.c.answered_at.is_(None), unconfirmed)
    found = {}
    for platform in platforms:
        mine = sa.select(sa.literal(1)).where(targets.c.platform == platform)
        waiting = _count(tx, mine.where(takeable()))
        in_doubt = _count(tx, mine.join(attempts, attempts.c.id == targets.c.open_attempt_id).where(asked))
        found[str(PENDING), platform] = max(0, waiting - in_doubt)
        found[str(PROCESSING), platform] = _count(tx, mine.where(leased))
        found[str(UNCONFIRMED), platform] = in_doubt
    return found


def _count(tx: Tx, rows: sa.Select[int]) -> int:
    return int(tx.value(sa.select(sa.func.count()).select_from(rows.limit(MOST).subquery())))


def _oldest_due(tx: Tx, platform: str, now: datetime) -> float:
    oldest = sa.select(targets.c.due_at).where(takeable(), targets.c.platform == platform, targets.c.due_at <= now)
    row = tx.first(oldest.order_by(targets.c.due_at).limit(1))
    return 0.0 if row is None else (now - row.due_at).total_seconds()


def _oldest_transaction(tx: Tx) -> float | None:
    """An old one keeps dead rows from being cleared away, and makes every queue on the database slow."""
    if not tx.on_postgres:
        return None
    age = tx.value(sa.text(
        "SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::float FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ))  # fmt: skip
    return max(0.0, float(age or 0))
