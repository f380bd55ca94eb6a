"""The parking lot: failed targets that nobody has retried or discarded yet. The rows are the truth, the broker shows a mirror."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Tx
from hayon.store.schema import UNMIRRORED, accounts, posts, targets

IS_PARKED = targets.c.parked_at.is_not(None)


@dataclass(frozen=True, slots=True)
class Unmirrored:
    """What the mirror has to be told: rows it must show, and rows it must show no more."""

    added: Sequence[Row[Any]]
    dropped: Sequence[UUID]


def list_parked(
    tx: Tx, user_id: UUID | None, *, before: tuple[datetime, UUID] | None = None, limit: int = 50,
    platform: str | None = None, code: str | None = None,
) -> Sequence[Row[Any]]:  # fmt: skip
    """Parked targets of this person (None: of everybody), the newest first; `before` is the last one of the page before.

    `platform` and `code` leave others out; a code of "" is that of targets that failed without one.
    """
    statement = (
        sa.select(targets, accounts.c.handle, accounts.c.host)
        .join(accounts, accounts.c.id == targets.c.account_id)
        .join(posts, posts.c.id == targets.c.post_id)
        .where(IS_PARKED, posts.c.deleted_at.is_(None))
    )
    if user_id is not None:
        statement = statement.where(targets.c.user_id == user_id)
    if platform is not None:
        statement = statement.where(targets.c.platform == platform)
    if code is not None:
        statement = statement.where(targets.c.code == code)
    if before is not None:
        at, target_id = before
        earlier = sa.and_(targets.c.parked_at == at, targets.c.id < target_id)
        statement = statement.where(sa.or_(targets.c.parked_at < at, earlier))
    return tx.all(statement.order_by(targets.c.parked_at.desc(), targets.c.id.desc()).limit(limit))


def count_kinds(tx: Tx, limit: int = 50) -> Sequence[Row[Any]]:
    """What is parked of everybody by `platform` and `code`, with how `many` and since when, the most frequent first."""
    many, first = sa.func.count().label("many"), sa.func.min(targets.c.parked_at).label("first_at")
    return tx.all(
        sa.select(targets.c.platform, targets.c.code, many, first)
        .join(posts, posts.c.id == targets.c.post_id)
        .where(IS_PARKED, posts.c.deleted_at.is_(None))
        .group_by(targets.c.platform, targets.c.code)
        .order_by(many.desc(), targets.c.platform, targets.c.code).limit(limit)
    )  # fmt: skip


def find_parked(tx: Tx, user_id: UUID | None, target_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """Those of these targets that are parked, with their posts and authors. `user_id` None: whoever's they are."""
    mine = sa.true() if user_id is None else targets.c.user_id == user_id
    return tx.all(
        sa.select(targets.c.id, targets.c.post_id, targets.c.user_id)
        .join(posts, posts.c.id == targets.c.post_id)
        .where(targets.c.id.in_(target_ids), IS_PARKED, posts.c.deleted_at.is_(None), mine)
    )  # fmt: skip


def discard(tx: Tx, user_id: UUID | None, target_ids: Collection[UUID]) -> list[UUID]:
    """Takes these out of the lot; they stay failed. Which were parked. `user_id` None: whoever's they are."""
    mine = sa.true() if user_id is None else targets.c.user_id == user_id
    chosen = sa.select(targets.c.id).where(targets.c.id.in_(target_ids), IS_PARKED, mine).order_by(targets.c.id)
    ids = [
        row.id for row in tx.all(chosen.with_for_update())
    ]  # in order, so that two who discard wait for one another once
    taken = sa.update(targets).where(targets.c.id.in_(ids)).values(parked_at=None)
    return [row.id for row in tx.run(taken.returning(targets.c.id))]


def find_unmirrored(tx: Tx, limit: int = 200) -> Unmirrored:
    """Where the mirror is not as the rows are; marked as mended, for the caller mends it now."""
    rows = tx.all(
        sa.select(
            targets.c.id, targets.c.post_id, targets.c.user_id, targets.c.platform, targets.c.tries, targets.c.message,
            targets.c.parked_at,
        )
        .where(sa.text(UNMIRRORED)).order_by(targets.c.parked_at).limit(limit).with_for_update(skip_locked=True)
    )  # fmt: skip
    for shown in (True, False):
        ids = [row.id for row in rows if (row.parked_at is not None) is shown]
        if ids:
            tx.run(sa.update(targets).where(targets.c.id.in_(ids)).values(mirrored=shown))
    return Unmirrored([row for row in rows if row.parked_at], [row.id for row in rows if not row.parked_at])


def unmark(tx: Tx, unmirrored: Unmirrored) -> None:
    """The mirror could not be mended after all."""
    for ids, shown in (([row.id for row in unmirrored.added], False), (unmirrored.dropped, True)):
        if ids:
            tx.run(sa.update(targets).where(targets.c.id.in_(ids)).values(mirrored=shown))


def list_mirrored(tx: Tx, limit: int) -> list[UUID]:
    """What the mirror should show by now."""
    rows = tx.all(sa.select(targets.c.id).where(IS_PARKED, targets.c.mirrored).limit(limit))
    return [row.id for row in rows]


def mirror_anew(tx: Tx, target_ids: Collection[UUID]) -> None:
    """These are missing in the mirror, or may be."""
    tx.run(sa.update(targets).where(targets.c.id.in_(target_ids)).values(mirrored=False))
