"""Connections: people who were sent to a platform to let us in and may come back, and our apps there. Secrets arrive sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row

from hayon.errors import Conflict, NotFound
from hayon.store import accounts
from hayon.store.database import Tx
from hayon.store.schema import apps, connections

WAITS = timedelta(minutes=10)
"""How long somebody who was sent to a platform may take to come back."""
CHOOSES = timedelta(minutes=30)
"""How long the accounts that they came back with can be chosen from."""
KEPT = timedelta(days=1)
"""How long its row says what became of it."""
MOST_OPEN = 20
"""How many connections one person may have begun and not ended; the oldest make room."""


@dataclass(frozen=True, slots=True)
class Way:
    """One row: whose it is, where it leads back to, how far it has come, and what is sealed in it."""

    id: UUID
    user_id: UUID
    platform: str
    redirect_uri: str
    sealed: bytes
    expires_at: datetime
    returned_at: datetime | None


class NoWayBack(Conflict):
    """Somebody came back by a way that does not lead in. `why`: unknown, used, expired or foreign."""

    def __init__(self, why: str) -> None:
        super().__init__(REFUSALS[why])
        self.why = why


REFUSALS = {
    "unknown": "Nobody was sent on this way from here. Begin again on the page of your accounts.",
    "used": "This way back was used already. Look at your accounts; if yours is not there, begin again.",
    "expired": "It took longer than ten minutes, so nothing was connected. Begin again.",
    "foreign": "This was begun in another browser or session. Finish it there, or begin again here.",
}


def insert(
    tx: Tx, connection_id: UUID, user_id: UUID, platform: str, redirect_uri: str, *, state_hash: bytes,
    session_hash: bytes | None, sealed: bytes,
) -> datetime:  # fmt: skip
    """Somebody is sent to a platform: until when they may come back. What is long over is thrown away on the way."""
    now = tx.now()
    tx.run(sa.delete(connections).where(connections.c.user_id == user_id, _is_over(now)))
    newest = (
        sa.select(connections.c.id).where(connections.c.user_id == user_id, connections.c.expires_at > now)
        .order_by(connections.c.created_at.desc(), connections.c.id.desc()).offset(MOST_OPEN - 1)
    )  # fmt: skip
    crowded_out = [row.id for row in tx.all(newest)]
    if crowded_out:
        tx.run(sa.delete(connections).where(connections.c.id.in_(crowded_out)))
    tx.run(
        sa.insert(connections).values(
            id=connection_id, user_id=user_id, state_hash=state_hash, session_hash=session_hash, platform=platform,
            redirect_uri=redirect_uri, sealed=sealed, created_at=now, expires_at=now + WAITS,
        )
    )  # fmt: skip
    return now + WAITS


def take(tx: Tx, state_hash: bytes, user_id: UUID, session_hash: bytes, platform: str) -> Way:
    """The connection of whoever came back, taken exactly once: what it kept is no longer in the row.

    Only for the session that began it, or any of the same person where a program began it. Raises NoWayBack, which of
    strangers tells nothing and takes nothing away from those whose it is.
    """
    now = tx.now()
    row = tx.first(sa.select(connections).where(connections.c.state_hash == state_hash))
    if row is None or row.user_id != user_id or row.platform != platform:
        raise NoWayBack("unknown")
    if row.session_hash not in {None, session_hash}:
        raise NoWayBack("foreign")
    if row.returned_at is not None:
        raise NoWayBack("used")
    if row.expires_at <= now:
        raise NoWayBack("expired")
    mine = sa.and_(connections.c.id == row.id, connections.c.returned_at.is_(None))
    if tx.run(sa.update(connections).where(mine).values(returned_at=now, sealed=b"")).rowcount != 1:
        raise NoWayBack("used")
    return _as_way(row)


def keep(tx: Tx, connection_id: UUID, sealed: bytes, *, before: bytes = b"", lasts: timedelta = KEPT) -> None:
    """What came of it: accounts to choose from, or its end. Raises Conflict where somebody else wrote before us."""
    mine = sa.and_(connections.c.id == connection_id, connections.c.sealed == before)
    values = {"sealed": sealed, "expires_at": tx.now() + lasts}
    if tx.run(sa.update(connections).where(mine).values(values)).rowcount != 1:
        raise Conflict("This was decided already, or took too long. Look at your accounts; else begin again.")


def keep_accounts(
    tx: Tx, connection_id: UUID, fresh: Sequence[accounts.Fresh], sealed: bytes, *, before: bytes = b""
) -> None:
    """The accounts and the end of their connection, all or nothing. Raises Conflict."""
    keep(tx, connection_id, sealed, before=before)
    for one in fresh:
        accounts.keep_account(tx, one.account, one.sealed, one.renew_at)


def get(tx: Tx, user_id: UUID, connection_id: UUID) -> Way:
    """A connection of this person. Raises NotFound."""
    mine = sa.select(connections).where(connections.c.id == connection_id, connections.c.user_id == user_id)
    row = tx.first(mine)
    if row is None:
        raise NotFound("There is no such connection, or not any more.")
    return _as_way(row)


def forget(tx: Tx) -> int:
    """Empties what nobody came back for or chose from in time, and throws away what is long over. How many."""
    now = tx.now()
    tx.run(sa.delete(connections).where(_is_over(now)))
    over = sa.update(connections).where(connections.c.expires_at <= now, connections.c.sealed != b"")
    return tx.run(over.values(sealed=b"")).rowcount


def find_app(tx: Tx, host: str, redirect_uri: str) -> bytes | None:
    """Our app at this host for this redirect address, sealed."""
    mine = sa.select(apps.c.sealed).where(apps.c.host == host, apps.c.redirect_uri == redirect_uri)
    sealed: bytes | None = tx.value(mine)
    return sealed


def keep_app(tx: Tx, host: str, redirect_uri: str, sealed: bytes) -> None:
    """Our app at this host from now on."""
    insert_into = postgresql.insert if tx.on_postgres else sqlite.insert
    made = {"host": host, "redirect_uri": redirect_uri, "sealed": sealed, "created_at": tx.now()}
    statement = insert_into(apps).values(made)
    fresh = {"sealed": statement.excluded.sealed, "created_at": statement.excluded.created_at}
    tx.run(statement.on_conflict_do_update(index_elements=["host", "redirect_uri"], set_=fresh))


def forget_app(tx: Tx, host: str, redirect_uri: str) -> None:
    """The host does not know our app any more: whoever connects there next registers another."""
    tx.run(sa.delete(apps).where(apps.c.host == host, apps.c.redirect_uri == redirect_uri))


def _is_over(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(connections.c.expires_at <= now, connections.c.created_at <= now - KEPT)


def _as_way(row: Row[Any]) -> Way:
    return Way(row.id, row.user_id, row.platform, row.redirect_uri, row.sealed, row.expires_at, row.returned_at)
