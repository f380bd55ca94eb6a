"""The posts of a stretch of time, as a calendar shows them: a few columns each, and how many there are. Dates are not known here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.model import Account
from hayon.store.browsing import is_on
from hayon.store.database import Tx
from hayon.store.schema import posts, targets

FIRST_CHARACTERS = 120
MOST = 20_000
"""Posts of six weeks that are counted; nobody reads a calendar with more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose posts, and which: those of one account, those in one status, those that ask for their author.

    A post that asks for its author is found under no status: it is shown as asking and nothing else.
    """

    user_id: UUID
    account: Account | None = None
    status: str | None = None
    asking: bool = False


def list_places(tx: Tx, wanted: Wanted, start: datetime, stop: datetime) -> Sequence[Row[Any]]:
    """Id and place of each post from one time until before another, in their order: enough to sort them into days.

    No more than `MOST`.
    """
    statement = sa.select(posts.c.id, posts.c.placed_at).where(*_inside(wanted, start, stop))
    return tx.all(statement.order_by(posts.c.placed_at, posts.c.id).limit(MOST))


def find_chosen(tx: Tx, user_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """What a calendar shows of these posts of this person, by their ids.

    `text` is how it begins, `media_id` the first file of what is said everywhere. `platforms` are those of its targets, with
    commas between; a draft has none, and shows what it has in `selected`.
    """
    if not ids:
        return {}
    # whose they are is asked of the rows: asked of SQLite, it would look through all posts of the person for these few
    chosen = sa.select(*_COLUMNS, posts.c.user_id).where(posts.c.id.in_(ids), posts.c.deleted_at.is_(None))
    return {row.id: row for row in tx.all(chosen) if row.user_id == user_id}


def list_span(
    tx: Tx, wanted: Wanted, start: datetime, stop: datetime, *, after: tuple[datetime, UUID] | None = None, limit: int
) -> Sequence[Row[Any]]:
    """The posts from one time until before another, in their order and as `find_chosen` has them.

    `after` is the last one of the page before.
    """
    statement = sa.select(*_COLUMNS).where(*_inside(wanted, start, stop))
    if after is not None:
        placed_at, post_id = after
        later = sa.and_(posts.c.placed_at == placed_at, posts.c.id > post_id)
        statement = statement.where(posts.c.placed_at >= placed_at, sa.or_(posts.c.placed_at > placed_at, later))
    return tx.all(statement.order_by(posts.c.placed_at, posts.c.id).limit(limit))


_PLATFORMS = (
    sa.select(sa.func.aggregate_strings(targets.c.platform, ","))
    .where(targets.c.post_id == posts.c.id).scalar_subquery()
)  # fmt: skip
_COLUMNS = (
    posts.c.id, posts.c.placed_at, posts.c.scheduled_at, posts.c.timezone, posts.c.status, posts.c.needs_attention,
    posts.c.version, posts.c.selected,
    sa.func.substr(posts.c.content["text"].as_string(), 1, FIRST_CHARACTERS).label("text"),
    posts.c.content[("media", 0, "mediaId")].as_string().label("media_id"),
    _PLATFORMS.label("platforms"),
)  # fmt: skip


def _inside(wanted: Wanted, start: datetime, stop: datetime) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [
        posts.c.user_id == wanted.user_id, posts.c.placed_at >= start, posts.c.placed_at < stop, posts.c.deleted_at.is_(None),
    ]  # fmt: skip
    if wanted.asking:
        found.append(posts.c.needs_attention)
    if wanted.status is not None:
        found += [posts.c.status == wanted.status, ~posts.c.needs_attention]
    if wanted.account is not None:
        found.append(is_on(wanted.account.id, wanted.account.platform if wanted.account.is_default else ""))
    return found
