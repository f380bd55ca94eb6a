"""Everything that is kept sealed, wherever it stands: listed, and replaced by the same under another key. Nothing is opened here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Tx
from hayon.store.schema import accounts, apps, connections, mails, webhooks

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A column of sealed secrets. `context` is what a row's secret was sealed for, as whoever wrote it says."""

    name: str
    column: sa.Column[Any]
    key: tuple[sa.Column[Any], ...]
    context: Callable[[Row[Any]], str]


def _by_id(row: Row[Any]) -> str:
    return str(row.id)


PLACES = (
    Place("accounts", accounts.c.credential, (accounts.c.id,), _by_id),
    Place("apps", apps.c.sealed, (apps.c.host, apps.c.redirect_uri), lambda row: f"app {row.host} {row.redirect_uri}"),
    Place("connections", connections.c.sealed, (connections.c.id,), _by_id),
    Place("webhooks", webhooks.c.sealed, (webhooks.c.id,), _by_id),
    Place("mails", mails.c.sealed, (mails.c.id,), _by_id),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One sealed secret: where its row is, its bytes, and what it was sealed for."""

    key: Key
    sealed: bytes
    context: str


def count_kept(tx: Tx, place: Place) -> int:
    """How many there are."""
    return int(tx.value(sa.select(sa.func.count()).select_from(place.column.table).where(_is_sealed(place))))


def list_kept(tx: Tx, place: Place, after: Key | None, limit: int) -> list[Kept]:
    """Some of them in the order of their keys, from behind `after` on."""
    statement = sa.select(*place.key, place.column.label("kept")).where(_is_sealed(place))
    if after is not None:
        behind = (sa.literal(value, column.type) for column, value in zip(place.key, after, strict=True))
        statement = statement.where(sa.tuple_(*place.key) > sa.tuple_(*behind))
    rows = tx.all(statement.order_by(*place.key).limit(limit))
    return [Kept(tuple(row[: len(place.key)]), bytes(row.kept), place.context(row)) for row in rows]


def replace_kept(tx: Tx, place: Place, fresh: Sequence[tuple[Kept, bytes]]) -> int:
    """Puts other bytes in the place of these, each only where they still stand there: whoever wrote meanwhile is right.

    How many were replaced.
    """
    replaced = 0
    for kept, sealed in fresh:
        still = sa.and_(*(column == value for column, value in zip(place.key, kept.key, strict=True)))
        where = sa.and_(still, place.column == kept.sealed)
        replaced += tx.run(sa.update(place.column.table).where(where).values({place.column.name: sealed})).rowcount
    return replaced


def _is_sealed(place: Place) -> sa.ColumnElement[bool]:
    return sa.and_(place.column.is_not(None), place.column != b"")
