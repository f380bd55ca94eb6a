"""The last 24 hours, by the hour: what targets came to, and how late workers took them in hand. Bounded, and nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from hayon.domain.lifecycle import Ended, TargetStatus
from hayon.store.database import Tx
from hayon.store.schema import CAME_TO, attempts, targets

HOURS = 24
HOUR = timedelta(hours=1)
MOST = 50_000
"""Rows looked at for one chart, the newest first: beyond that the oldest hours are not complete, and it is said."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour. Each target counts once, as it stands now, in the hour in which it came to that.

    `taken`: how often workers took a target in hand. `median`, `most` (19 of 20 were not later) and `latest` are the
    seconds from due to in hand, as `hayon_lateness_seconds` counts them; None where nothing was taken.
    """

    begins_at: datetime
    completed: int = 0
    failed: int = 0
    unconfirmed: int = 0
    taken: int = 0
    median: float | None = None
    most: float | None = None
    latest: float | None = None


@dataclass(frozen=True, slots=True)
class LastDay:
    """The hours, the oldest first; the last one goes on. `complete`: nothing was left out for being too much."""

    hours: Sequence[Hour]
    read_at: datetime
    complete: bool


def read_last_day(tx: Tx) -> LastDay:
    """Two grouped queries: one over `ix_targets_last_day`, one over the newest attempts."""
    now = tx.now()
    first = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * HOUR
    came_to, late = _came_to(tx, first), _lateness(tx, first)
    hours = []
    for number in range(HOURS):
        begins_at = first + number * HOUR
        key = int(begins_at.timestamp()) // 3600
        counts = {status: came_to.get((key, str(status)), 0) for status in TargetStatus}
        hours.append(Hour(
            begins_at, counts[TargetStatus.COMPLETED], counts[TargetStatus.FAILED], counts[TargetStatus.UNCONFIRMED],
            *late.get(key, ()),
        ))  # fmt: skip
    seen = max(sum(came_to.values()), sum(taken for taken, *_ in late.values()))
    return LastDay(hours, now, seen < MOST)


def _came_to(tx: Tx, since: datetime) -> dict[tuple[int, str], int]:
    newest = (
        sa.select(_hour_of(tx, targets.c.updated_at).label("hour"), targets.c.status)
        .where(sa.text(CAME_TO), targets.c.updated_at >= since)
        .order_by(targets.c.updated_at.desc()).limit(MOST).subquery()
    )  # fmt: skip
    counted = sa.select(newest.c.hour, newest.c.status, sa.func.count().label("many"))
    rows = tx.all(counted.group_by(newest.c.hour, newest.c.status))
    return {(int(row.hour), row.status): row.many for row in rows}


def _lateness(tx: Tx, since: datetime) -> dict[int, tuple[int, float, float, float]]:
    """By nearest rank, which both databases can do. Attempts are found by their ids, which begin with the time (`new_id`)."""
    first = UUID(int=int(since.timestamp() * 1000) << 80)
    # what was given up as too late was not taken in hand for being sent: it counts as failed
    in_hand = sa.func.coalesce(attempts.c.ended, "") != str(Ended.TOO_LATE)
    newest = (
        sa.select(_hour_of(tx, attempts.c.started_at).label("hour"), _seconds_late(tx).label("late"))
        .where(attempts.c.id >= first, attempts.c.started_at >= since, attempts.c.due_at.is_not(None), in_hand)
        .order_by(attempts.c.id.desc()).limit(MOST).subquery()
    )  # fmt: skip
    ranked = sa.select(
        newest.c.hour, newest.c.late,
        sa.func.row_number().over(partition_by=newest.c.hour, order_by=newest.c.late).label("place"),
        sa.func.count().over(partition_by=newest.c.hour).label("many"),
    ).subquery()  # fmt: skip

    def rank(percent: int) -> sa.ColumnElement[Any]:
        reached = ranked.c.place * 100 >= ranked.c.many * percent
        return sa.func.min(sa.case((reached, ranked.c.late)))

    rows = tx.all(
        sa.select(
            ranked.c.hour, sa.func.max(ranked.c.many).label("many"), rank(50).label("median"), rank(95).label("most"),
            sa.func.max(ranked.c.late).label("latest"),
        ).group_by(ranked.c.hour)
    )  # fmt: skip
    found = {}
    for row in rows:
        # a clock that was set back makes nobody early
        median, most, latest = (max(0.0, float(late)) for late in (row.median, row.most, row.latest))
        found[int(row.hour)] = (int(row.many), median, most, latest)
    return found


def _hour_of(tx: Tx, moment: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """Hours since 1970, in UTC."""
    if tx.on_postgres:
        return sa.cast(sa.func.floor(sa.extract("epoch", moment) / 3600), sa.Integer)
    return sa.cast(sa.func.strftime("%s", moment), sa.Integer) // 3600


def _seconds_late(tx: Tx) -> sa.ColumnElement[float]:
    if tx.on_postgres:
        return sa.cast(sa.extract("epoch", attempts.c.started_at - attempts.c.due_at), sa.Float)
    days: sa.ColumnElement[float] = sa.func.julianday(attempts.c.started_at) - sa.func.julianday(attempts.c.due_at)
    return sa.cast(days * 86_400.0, sa.Float)
