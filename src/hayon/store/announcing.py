"""What was rung for which row: bells are announced in the database before they are rung, so that they can be counted,
and rung again where nobody hears them. Nothing is rung here.

An announcement belongs to one due time and version of its row; edits, retries and cancels void it by changing these.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Moment, Tx, planned_once
from hayon.store.listed import one_of
from hayon.store.schema import posts, targets
from hayon.store.turns import Turns, choose, find_waiting, is_announced, is_unannounced, still_takeable, takeable

LONGEST_WAIT = timedelta(minutes=5)
"""Between two bells for one row that nobody hears."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A row whose bell is to be rung: everything that a bell says, when it is due, and how many bells nobody heard before."""

    post_id: UUID
    target_id: UUID
    user_id: UUID
    platform: str
    version: int
    ring: int
    due_at: datetime
    correlation_id: str
    traceparent: str
    unheard: int


@planned_once
def announce_due(
    tx: Tx, platforms: Sequence[str], *, window: int, ahead: timedelta, wait: timedelta, turns: Turns
) -> tuple[datetime, list[Announced]]:
    """Announces what is due within `ahead`, in fair turns, so that at most `window` of each platform are under way.

    The database's time, and the rows. A row that nobody claims is announced again after `wait`, then twice that, and so
    on up to LONGEST_WAIT.
    """
    now = tx.now()
    until = now + ahead
    waiting = find_waiting(tx, platforms, until, unannounced=now)
    counted = tx.all(_COUNT_UNDER_WAY, now=now, until=until) if waiting else ()
    under_way = {row.platform: row.many for row in counted}
    chosen: list[Row[Any]] = []
    for platform in platforms:
        if platform in waiting:
            room = window - under_way.get(platform, 0)
            chosen.extend(choose(tx, platform, room, until, turns, unannounced=now))
    return now, _announce(tx, [row.id for row in chosen], now, wait)


def announce_ahead(
    tx: Tx, platforms: Sequence[str], *, window: int, after: timedelta, reach: timedelta, wait: timedelta
) -> tuple[datetime, list[Announced]]:
    """Announces scheduled targets that are due later than `after` and within `reach`, the nearest first, for a broker that
    keeps them until then: at most `window` of each platform. A bell that never comes is replaced `wait` after its time.
    """
    now = tx.now()
    ids: list[UUID] = []
    for platform in platforms:
        later = (still_takeable(), targets.c.platform == platform, is_announced(now), targets.c.due_at > now + after)
        left = window - tx.value(sa.select(sa.func.count()).where(*later))
        if left > 0:
            rows = tx.all(
                sa.select(targets.c.id)
                .where(takeable(), targets.c.platform == platform, targets.c.lost_leases == 0, targets.c.status == "pending")
                .where(targets.c.due_at > now + after, targets.c.due_at <= now + reach)
                .where(sa.not_(sa.func.coalesce(is_announced(now), sa.false())))
                .order_by(targets.c.due_at).limit(left)
            )  # fmt: skip
            ids.extend(row.id for row in rows)
    return now, _announce(tx, ids, now, wait)


def announce_again(
    tx: Tx, target_id: UUID, *, due_at: datetime, ring: int | None, wait: timedelta, author_window: int | None = None
) -> tuple[datetime, Announced | None]:
    """Announces one row for a bell that comes later; None where it is due at another time, or has another ring by now.

    `ring` None: for a row that was not announced. `author_window`: None, too, where its author has so many under way.
    """
    now = tx.now()
    row = tx.first(
        sa.select(targets.c.ring, targets.c.user_id)
        .where(targets.c.id == target_id, still_takeable(), targets.c.due_at == due_at, targets.c.lost_leases == 0)
    )  # fmt: skip
    if row is None or (ring is not None and row.ring != ring):
        return now, None
    if author_window is not None:
        under_way = sa.select(sa.func.count()).where(
            still_takeable(), targets.c.user_id == row.user_id, is_announced(now)
        )
        if tx.value(under_way) >= author_window:
            return now, None
    found = _announce(tx, [target_id], now, wait, anew=ring is not None)
    return now, found[0] if found else None


def take_back(tx: Tx, rings: Collection[tuple[UUID, int]]) -> None:
    """These bells (target and ring) were not rung after all: their rows may be announced at once."""
    for target_id, ring in rings:
        tx.run(
            sa.update(targets).where(targets.c.id == target_id, targets.c.ring == ring)
            .values(announced_until=None, unheard=sa.case((targets.c.unheard > 0, targets.c.unheard - 1), else_=0))
        )  # fmt: skip


def forget_due(tx: Tx) -> int:
    """Bells rung before may be lost: whatever is due and announced may be announced at once. How many."""
    now = tx.now()
    return tx.run(
        sa.update(targets).where(still_takeable(), targets.c.announced_until.is_not(None), targets.c.due_at <= now)
        .values(announced_until=None, unheard=0)
    ).rowcount  # fmt: skip


_COUNT_UNDER_WAY = (
    sa.select(targets.c.platform, sa.func.count().label("many"))
    .where(still_takeable(), is_announced(sa.bindparam("now", type_=Moment())), targets.c.due_at <= sa.bindparam("until"))
    .group_by(targets.c.platform)
)  # fmt: skip


_FREE = (
    sa.select(
        targets.c.post_id, targets.c.id.label("target_id"), targets.c.user_id, targets.c.platform, targets.c.version,
        (targets.c.ring + 1).label("ring"), targets.c.due_at, posts.c.correlation_id, posts.c.traceparent, targets.c.unheard,
    )
    .join(posts, posts.c.id == targets.c.post_id)
    .where(one_of(targets.c.id, "ids"), still_takeable(), targets.c.due_at.is_not(None))  # none: asked of a person since it was chosen
    .with_for_update(skip_locked=True, of=targets)
)  # fmt: skip
_FREE_UNANNOUNCED = _FREE.where(is_unannounced())
_ANNOUNCE = (
    sa.update(targets).where(targets.c.id == sa.bindparam("row_id"))
    .values(
        announced_until=sa.bindparam("until"), rung_due_at=targets.c.due_at, rung_version=targets.c.version,
        ring=targets.c.ring + 1, unheard=targets.c.unheard + 1,
    )
)  # fmt: skip


def _announce(tx: Tx, ids: Sequence[UUID], now: datetime, wait: timedelta, *, anew: bool = False) -> list[Announced]:
    """Several relays choose side by side: each takes the rows that no other has in hand at this moment.

    `anew`: a bell that still counts is replaced; whoever hears the older one drops it.
    """
    if not ids:
        return []
    rows = tx.all(_FREE, ids=ids) if anew else tx.all(_FREE_UNANNOUNCED, ids=ids, now=now)
    place = {target_id: number for number, target_id in enumerate(ids)}
    found = sorted((Announced(**row._mapping) for row in rows), key=lambda one: place[one.target_id])
    tx.run_each(_ANNOUNCE, [
        {"row_id": one.target_id, "until": max(one.due_at, now) + next_wait(one.unheard, wait)} for one in found
    ])  # fmt: skip
    return found


def next_wait(unheard: int, wait: timedelta) -> timedelta:
    """How long to wait for a bell's being heard when so many before it were not."""
    longer: timedelta = wait * 2 ** min(unheard, 12)
    return min(longer, LONGEST_WAIT)
