"""The posts of a stretch of time, as a calendar shows them: a few columns each, and how many there are. Dates are not known here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.model import Account
from hayon.store.database import Moment, Tx
from hayon.store.schema import posts, targets

FIRST_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose posts, and which: those of one account, those in one status, those that ask for their author.

    A post that asks for its author is found under no status: it is shown as asking and nothing else.
    """

    user_id: UUID
    account: Account | None = None
    status: str | None = None
    asking: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """One post of a calendar. `placed_at` is its time, or when it was handed in where it has none.

    `text` is how it begins, `media_id` the first file of what is said everywhere. `platforms` are those it goes to, each
    once, in no order of meaning; a draft has none yet and shows what it selected in `selected`.
    """

    row: Row[Any]
    platforms: frozenset[str]


def count_spans(tx: Tx, wanted: Wanted, spans: Sequence[tuple[datetime, datetime]], at_most: int) -> list[tuple[list[Placed], int]]:
    """For each span (from, until before) its first posts, `at_most` of them, and how many it has in all."""
    if not spans:
        return []
    numbered = [(number, start, stop) for number, (start, stop) in enumerate(spans)]
    columns = (sa.column("number", sa.Integer), sa.column("start", Moment), sa.column("stop", Moment))
    span = sa.values(*columns, name="spans").data(numbered).cte("spans")
    inside = sa.and_(posts.c.placed_at >= span.c.start, posts.c.placed_at < span.c.stop, *_conditions(wanted))
    order = (posts.c.placed_at, posts.c.id)
    counted = (
        sa.select(
            posts.c.id, span.c.number,
            sa.func.row_number().over(partition_by=span.c.number, order_by=order).label("place"),
            sa.func.count().over(partition_by=span.c.number).label("many"),
        ).select_from(span.join(posts, inside))
    ).subquery("counted")  # fmt: skip
    rows = tx.all(
        sa.select(*_COLUMNS, counted.c.number, counted.c.many)
        .join(counted, counted.c.id == posts.c.id).where(counted.c.place <= at_most).order_by(*order)
    )  # fmt: skip
    found: list[tuple[list[Placed], int]] = [([], 0) for _ in spans]
    for placed in _with_platforms(tx, rows):
        found[placed.row.number] = ([*found[placed.row.number][0], placed], placed.row.many)
    return found


def list_span(
    tx: Tx, wanted: Wanted, start: datetime, stop: datetime, *, after: tuple[datetime, UUID] | None = None, limit: int
) -> list[Placed]:
    """The posts from one time until before another, in their order; `after` is the last one of the page before."""
    inside = sa.and_(posts.c.placed_at >= start, posts.c.placed_at < stop, *_conditions(wanted))
    statement = sa.select(*_COLUMNS).where(inside)
    if after is not None:
        placed_at, post_id = after
        later = sa.and_(posts.c.placed_at == placed_at, posts.c.id > post_id)
        statement = statement.where(posts.c.placed_at >= placed_at, sa.or_(posts.c.placed_at > placed_at, later))
    return _with_platforms(tx, tx.all(statement.order_by(posts.c.placed_at, posts.c.id).limit(limit)))


_COLUMNS = (
    posts.c.id, posts.c.placed_at, posts.c.scheduled_at, posts.c.timezone, posts.c.status, posts.c.needs_attention,
    posts.c.version, posts.c.selected,
    sa.func.substr(posts.c.content["text"].as_string(), 1, FIRST_CHARACTERS).label("text"),
    posts.c.content[("media", 0, "mediaId")].as_string().label("media_id"),
)  # fmt: skip


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [posts.c.user_id == wanted.user_id, posts.c.deleted_at.is_(None)]
    if wanted.asking:
        found.append(posts.c.needs_attention)
    if wanted.status is not None:
        found += [posts.c.status == wanted.status, ~posts.c.needs_attention]
    if wanted.account is not None:
        there = sa.exists().where(targets.c.post_id == posts.c.id, targets.c.account_id == wanted.account.id)
        found.append(sa.or_(there, sa.and_(posts.c.status == "DRAFT", _selects(wanted.account))))
    return found


def _selects(account: Account) -> sa.ColumnElement[bool]:
    """Whether a draft would go to this account as things stand: a platform's name means its default account."""
    selected = sa.cast(posts.c.selected, sa.Text)
    names = [str(account.id), *([account.platform] if account.is_default else [])]
    return sa.or_(*(selected.contains(f'"{name}"', autoescape=True) for name in names))


def _with_platforms(tx: Tx, rows: Sequence[Row[Any]]) -> list[Placed]:
    if not rows:
        return []
    gathered = sa.func.aggregate_strings(targets.c.platform, ",").label("platforms")
    ids = [row.id for row in rows]
    statement = sa.select(targets.c.post_id, gathered).where(targets.c.post_id.in_(ids)).group_by(targets.c.post_id)
    platforms = {one.post_id: frozenset(one.platforms.split(",")) for one in tx.all(statement)}
    return [Placed(row, platforms.get(row.id, frozenset())) for row in rows]
