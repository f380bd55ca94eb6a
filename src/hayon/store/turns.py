"""Whose turn it is: a fair choice among due targets, in rounds over authors, one for each account that is free. Takes nothing.

Claiming (embedded broker) and announcing (RabbitMQ) choose by the same function.
"""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Id, Moment, Tx
from hayon.store.listed import one_of
from hayon.store.schema import targets

LOOK = 200
"""How many of the oldest due rows are looked at first. Where that is all there are, nobody can have been overlooked."""
STEPS = 500
"""Where there are more: how many accounts one walk passes by, from where the last one ended."""

BEHIND_ALL = UUID(int=2**128 - 1)

KEPT = timedelta(milliseconds=100)
"""How long a choice holds: nobody who comes waits longer for being seen."""


@dataclass(slots=True)
class Choice:
    """What is left of a choice made `at`, the accounts that were walked past for it, and whose turn it was since."""

    at: datetime
    left: list[Row[Any]]
    walked: Sequence[Row[Any]]
    served: set[UUID] = field(default_factory=set)


@dataclass(slots=True)
class Turns:
    """What whoever chooses keeps from one choice to the next, by platform.

    `ends`: author and account at which the last walk ended. `chosen`: the last choice that claims are made from.
    """

    ends: dict[str, tuple[UUID, UUID]] = field(default_factory=dict)
    chosen: dict[str, Choice] = field(default_factory=dict)


def _written_out(rows: int) -> sa.ColumnElement[int]:
    """So many, written out: where PostgreSQL is not told the number, it plans for a tenth of all that wait."""
    return sa.literal_column(str(rows), sa.Integer())


_WAITING: list[sa.ColumnElement[str]] = [sa.literal_column("'pending'"), sa.literal_column("'unconfirmed'")]


def takeable(table: sa.FromClause = targets) -> sa.ColumnElement[bool]:
    """The rows that wait for a worker. Written out, so that both databases know their partial indexes in it."""
    return sa.and_(table.c.status.in_(_WAITING), table.c.held_at.is_(None))


def still_takeable() -> sa.ColumnElement[bool]:
    """As `takeable`, asked of rows that are named by their ids, their accounts or their bells.

    In words in which PostgreSQL knows no partial index: as long as it takes such an index for small, it would read all that
    wait, and look for the few among them.
    """
    return sa.and_(targets.c.status.concat(sa.literal_column("''")).in_(_WAITING), targets.c.held_at.is_(None))


def is_announced(now: datetime | sa.BindParameter[Any], table: sa.FromClause = targets) -> sa.ColumnElement[bool]:
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
    chosen, walked = _choose(tx, platform, until, turns, unannounced)
    if walked:
        _note_end(turns, platform, walked, {row.user_id for row in chosen[:limit]})
    return chosen[: limit + spare]


def _choose(
    tx: Tx, platform: str, until: datetime, turns: Turns, unannounced: datetime | None = None
) -> tuple[list[Row[Any]], Sequence[Row[Any]]]:
    """All that can be chosen at this look, in order; and the accounts that were walked past, where it took a walk."""
    announcing = unannounced is not None
    asked = {"platform": platform, "until": until, "now": unannounced}
    rows, walked = list(tx.all(_oldest(announcing, LOOK), **asked)), []
    if len(rows) == LOOK:
        ended = turns.ends.get(platform)
        if ended is not None:
            asked |= {"author": ended[0], "account": ended[1]}
        walked = list(tx.all(_walk(announcing, ended is not None, STEPS), **asked))
        rows = [*(row for row in walked if row.due_at <= until), *rows]
    firsts: dict[UUID, Row[Any]] = {}
    for row in rows:
        if row.account_id not in firsts or row.due_at < firsts[row.account_id].due_at:
            firsts[row.account_id] = row
    busy = find_busy(tx, list(firsts), unannounced)
    row_of_authors = list(dict.fromkeys(row.user_id for row in walked))
    return in_rounds([row for account_id, row in firsts.items() if account_id not in busy], row_of_authors), walked


def choose_next(tx: Tx, platform: str, limit: int, now: datetime, turns: Turns) -> list[Row[Any]]:
    """As `choose`, for claims, with all that may stand in; from what is left of the last choice where that is young and long
    enough: choosing looks at hundreds of rows, and a busy worker asks for a few of them many times a second. Whoever took
    some says so (`note_taken`)."""
    last = turns.chosen.get(platform)
    if (
        last is not None and timedelta(0) <= now - last.at <= KEPT and len(last.left) >= limit
    ):  # not where the clock went back
        busy = find_busy(tx, [row.account_id for row in last.left])
        waiting = {row.id for row in tx.all(_STILL, ids=[row.id for row in last.left])}
        last.left = [row for row in last.left if row.account_id not in busy and row.id in waiting]
        if len(last.left) >= limit:
            return last.left
    chosen, walked = _choose(tx, platform, now, turns)
    turns.chosen[platform] = Choice(now, chosen, walked)
    return chosen


def note_taken(turns: Turns, taken: Sequence[Row[Any]]) -> None:
    """These rows were claimed: the next walk begins behind the last author who had a turn."""
    ids = {row.id for row in taken}
    for platform, choice in turns.chosen.items():
        mine = [row for row in choice.left if row.id in ids]
        if mine:
            choice.left = [row for row in choice.left if row.id not in ids]
            choice.served |= {row.user_id for row in mine}
            if choice.walked:
                _note_end(turns, platform, choice.walked, choice.served)


def _note_end(turns: Turns, platform: str, walked: Sequence[Row[Any]], served: Collection[UUID]) -> None:
    """The next walk begins behind the last author who had a turn; behind all, where nobody could have one."""
    last = next((row for row in reversed(walked) if row.user_id in served), walked[-1])
    if last.user_id == walked[-1].user_id and len(walked) < STEPS:
        turns.ends.pop(platform, None)  # the end of the row of authors: begin at the first
    else:
        turns.ends[platform] = (last.user_id, BEHIND_ALL)


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


def find_waiting(
    tx: Tx, platforms: Collection[str], until: datetime, *, unannounced: datetime | None = None
) -> set[str]:
    """Those of these platforms on which anything is due at `until`; as of the time `unannounced`, anything that was not announced."""
    asked = _find_waiting(tuple(platforms), unannounced is not None)
    return {row.platform for row in tx.all(asked, until=until, now=unannounced)}


@functools.cache
def _find_waiting(platforms: tuple[str, ...], announcing: bool) -> sa.CompoundSelect[Any]:
    due = [takeable(), targets.c.due_at <= sa.bindparam("until"), targets.c.lost_leases == 0]
    if announcing:
        due.append(is_unannounced())

    def first(platform: str) -> sa.ScalarSelect[Any]:
        # asked whether any exists, PostgreSQL may read the whole table for it: planned for any time, it does not know that
        # few are due, and expects to come upon one soon
        found = sa.select(targets.c.due_at).where(targets.c.platform == platform, *due)
        return found.order_by(targets.c.due_at).limit(_written_out(1)).correlate(None).scalar_subquery()

    return sa.union_all(*(
        sa.select(sa.literal(one).label("platform")).where(first(one).is_not(None)) for one in platforms
    ))  # fmt: skip


@functools.cache
def _oldest(announcing: bool, look: int) -> sa.Select[Any]:
    """The longest waiting, whoever's they are."""
    return (
        sa.select(*_columns(targets))
        .where(*_waits(targets, announcing), targets.c.due_at <= sa.bindparam("until"))
        .order_by(targets.c.due_at)
        .limit(_written_out(look))
    )


@functools.cache
def _walk(announcing: bool, onward: bool, steps: int) -> sa.Select[Any]:
    """The longest waiting row of each account, from one author to the next; some are not due yet.

    Each step is one look into the index (author, account, due time), however many rows an account has. `onward`: behind
    where the last walk ended, else from the first author.
    """
    start = targets.alias("start")
    behind = (sa.bindparam("author", type_=Id()), sa.bindparam("account", type_=Id()))
    first = _next(start, announcing, behind if onward else None)
    row = targets.alias("row")
    walk = sa.select(*_columns(row), sa.literal(1).label("step")).where(row.c.id == first).cte("walk", recursive=True)
    following, ahead = targets.alias("following"), targets.alias("ahead")
    found = _next(ahead, announcing, (walk.c.user_id, walk.c.account_id), walk)
    walk = walk.union_all(
        sa.select(*_columns(following), walk.c.step + 1)
        .join_from(walk, following, following.c.id == found)
        .where(walk.c.step < steps)
    )
    return sa.select(walk).order_by(walk.c.step)


def _next(
    table: sa.FromClause, announcing: bool, after: tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]] | None,
    walk: sa.FromClause | None = None,
) -> sa.ColumnElement[Any]:  # fmt: skip
    """The first row of the next account: of the same author, else of the next one. Two looks, each of which any database
    finds in the index; compared as one pair, SQLite passes by all that the author has."""

    def first(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
        found = sa.select(table.c.id).where(*_waits(table, announcing), *conditions)
        found = found.order_by(table.c.user_id, table.c.account_id, table.c.due_at).limit(_written_out(1))
        return (found if walk is None else found.correlate(walk)).scalar_subquery()

    if after is None:
        return first()
    author, account = after
    return sa.func.coalesce(
        first(table.c.user_id == author, table.c.account_id > account), first(table.c.user_id > author)
    )


def _waits(table: sa.FromClause, announcing: bool) -> Sequence[sa.ColumnElement[bool]]:
    """What nobody has in hand."""
    waits = [
        takeable(table), table.c.platform == sa.bindparam("platform"), table.c.due_at.is_not(None),
        table.c.lost_leases == 0,
    ]  # fmt: skip
    if announcing:
        waits.append(is_unannounced(table))
    return waits


def is_unannounced(table: sa.FromClause = targets) -> sa.ColumnElement[bool]:
    """Those for which no bell is on its way, as of the parameter `now`."""
    return sa.not_(sa.func.coalesce(is_announced(sa.bindparam("now", type_=Moment()), table), sa.false()))


def _columns(table: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    return [table.c[name] for name in ("id", "post_id", "user_id", "account_id", "due_at")]


def find_busy(tx: Tx, account_ids: Collection[UUID], unannounced: datetime | None = None) -> set[UUID]:
    """The accounts that have a target in hand already, or on its way to a worker."""
    if not account_ids:
        return set()
    if unannounced is None:
        return {row.account_id for row in tx.all(_HELD, ids=account_ids)}
    return {row.account_id for row in tx.all(_HELD_OR_UNDER_WAY, ids=account_ids, now=unannounced)}


_STILL = sa.select(targets.c.id).where(one_of(targets.c.id, "ids"), still_takeable())
_HELD = (
    sa.select(targets.c.account_id)
    .where(one_of(targets.c.account_id, "ids"), targets.c.status == sa.literal_column("'processing'"))
    .distinct()
)
_HELD_OR_UNDER_WAY = _HELD.union(
    sa.select(targets.c.account_id)
    .where(one_of(targets.c.account_id, "ids"), still_takeable(), is_announced(sa.bindparam("now", type_=Moment())))
)  # fmt: skip
