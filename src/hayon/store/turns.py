"""Whose turn it is: a fair choice among due targets, in rounds over authors, one for each account that is free. Takes nothing.

Claiming (embedded broker) and announcing (RabbitMQ) choose by the same function.
"""

from collections.abc import Collection, MutableMapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Tx
from hayon.store.schema import targets

LOOK = 200
"""How many of the oldest due rows are looked at first. Where that is all there are, nobody can have been overlooked."""
STEPS = 500
"""Where there are more: how many accounts one walk passes by, from where the last one ended."""

BEHIND_ALL = UUID(int=2**128 - 1)

Turns = MutableMapping[str, tuple[UUID, UUID]]
"""By platform: author and account at which the last walk ended. Kept by whoever chooses, between choices."""


def takeable(table: sa.FromClause = targets) -> sa.ColumnElement[bool]:
    """The rows that wait for a worker. Written out, so that both databases know their partial indexes in it."""
    words: list[sa.ColumnElement[str]] = [sa.literal_column("'pending'"), sa.literal_column("'unconfirmed'")]
    return sa.and_(table.c.status.in_(words), table.c.held_at.is_(None))


def is_announced(now: datetime, table: sa.FromClause = targets) -> sa.ColumnElement[bool]:
    """Whether a bell that was rung for this row still counts: none for another due time or version does."""
    return sa.and_(
        table.c.announced_until.is_not(None), table.c.announced_until > now,
        table.c.rung_due_at == table.c.due_at, table.c.rung_version == table.c.version,
    )  # fmt: skip


def choose(
    tx: Tx, platform: str, limit: int, until: datetime, turns: Turns, *, spare: int = 0,
    unannounced: datetime | None = None,
) -> list[Row[Any]]:  # fmt: skip
    """Up to `limit` targets of this platform that are due at `until`, in the order in which they should be taken, and up to
    `spare` more that may stand in for them.

    At most one for each account, none for an account that is busy, and authors in turn: an author's second comes after
    everybody's first. Targets whose last lease was lost are left out, for they run alone. `unannounced`: the time by
    which to leave out what was announced, and to count its account as busy.
    """
    if limit <= 0:
        return []
    free = _Free(platform, until, unannounced)
    rows, walked = list(tx.all(free.oldest())), []
    if len(rows) == LOOK:
        walked = list(tx.all(free.walk(turns.get(platform))))
        rows = [*(row for row in walked if row.due_at <= until), *rows]
    firsts: dict[UUID, Row[Any]] = {}
    for row in rows:
        if row.account_id not in firsts or row.due_at < firsts[row.account_id].due_at:
            firsts[row.account_id] = row
    busy = _busy(tx, list(firsts), unannounced)
    row_of_authors = list(dict.fromkeys(row.user_id for row in walked))
    chosen = in_rounds([row for account_id, row in firsts.items() if account_id not in busy], row_of_authors)
    if walked:
        _note_end(turns, platform, walked, {row.user_id for row in chosen[:limit]})
    return chosen[: limit + spare]


def _note_end(turns: Turns, platform: str, walked: Sequence[Row[Any]], served: Collection[UUID]) -> None:
    """The next walk begins behind the last author who had a turn; behind all, where nobody could have one."""
    last = next((row for row in reversed(walked) if row.user_id in served), walked[-1])
    if last.user_id == walked[-1].user_id and len(walked) < STEPS:
        turns.pop(platform, None)  # the end of the row of authors: begin at the first
    else:
        turns[platform] = (last.user_id, BEHIND_ALL)


def in_rounds(rows: Collection[Row[Any]], row_of_authors: Sequence[UUID] = ()) -> list[Row[Any]]:
    """Everybody's longest waiting first, then everybody's second, and so on. Within a round those in the row of authors come
    first, in its order: by age alone an author with many old ones would always be the next."""
    places = {user_id: place for place, user_id in enumerate(row_of_authors)}
    counts: dict[UUID, int] = {}
    ranked = []
    for row in sorted(rows, key=lambda one: one.due_at):
        counts[row.user_id] = rank = counts.get(row.user_id, 0) + 1
        ranked.append((rank, places.get(row.user_id, len(places)), row))
    return [row for *_, row in sorted(ranked, key=lambda one: one[:2])]


class _Free:
    """The statements that find what nobody has in hand."""

    def __init__(self, platform: str, until: datetime, unannounced: datetime | None) -> None:
        self._platform = platform
        self._until = until
        self._unannounced = unannounced

    def oldest(self) -> sa.Select[Any]:
        """The longest waiting, whoever's they are."""
        return (
            sa.select(*_columns(targets))
            .where(*self._waits(targets), targets.c.due_at <= self._until)
            .order_by(targets.c.due_at)
            .limit(LOOK)
        )

    def walk(self, after: tuple[UUID, UUID] | None) -> sa.Select[Any]:
        """The longest waiting row of each account, from one author to the next; some are not due yet.

        Each step is one look into the index (author, account, due time), however many rows an account has.
        """
        start = targets.alias("start")
        first = self._next(start, None if after is None else sa.tuple_(*map(sa.literal, after)))
        row = targets.alias("row")
        walk = (
            sa.select(*_columns(row), sa.literal(1).label("step")).where(row.c.id == first).cte("walk", recursive=True)
        )
        following, ahead = targets.alias("following"), targets.alias("ahead")
        onward = self._next(ahead, sa.tuple_(walk.c.user_id, walk.c.account_id)).correlate(walk)
        walk = walk.union_all(
            sa.select(*_columns(following), walk.c.step + 1)
            .join_from(walk, following, following.c.id == onward)
            .where(walk.c.step < STEPS)
        )
        return sa.select(walk).order_by(walk.c.step)

    def _next(self, table: sa.FromClause, after: sa.ColumnElement[Any] | None) -> sa.ScalarSelect[Any]:
        found = sa.select(table.c.id).where(*self._waits(table))
        if after is not None:
            found = found.where(sa.tuple_(table.c.user_id, table.c.account_id) > after)
        return found.order_by(table.c.user_id, table.c.account_id, table.c.due_at).limit(1).scalar_subquery()

    def _waits(self, table: sa.FromClause) -> Sequence[sa.ColumnElement[bool]]:
        waits = [
            takeable(table),
            table.c.platform == self._platform,
            table.c.due_at.is_not(None),
            table.c.lost_leases == 0,
        ]
        if self._unannounced is not None:
            waits.append(sa.not_(sa.func.coalesce(is_announced(self._unannounced, table), sa.false())))
        return waits


def _columns(table: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    return [table.c[name] for name in ("id", "post_id", "user_id", "account_id", "due_at")]


def _busy(tx: Tx, account_ids: Collection[UUID], unannounced: datetime | None) -> set[UUID]:
    """The accounts that have a target in hand already, or on its way to a worker."""
    if not account_ids:
        return set()
    mine = targets.c.account_id.in_(account_ids)
    held = sa.select(targets.c.account_id).where(mine, targets.c.status == sa.literal_column("'processing'"))
    if unannounced is not None:
        under_way = sa.select(targets.c.account_id).where(mine, takeable(), is_announced(unannounced))
        return {row.account_id for row in tx.all(held.union(under_way))}
    return {row.account_id for row in tx.all(held.distinct())}
