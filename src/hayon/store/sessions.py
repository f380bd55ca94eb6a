"""How people get in: their sessions, and the way to a new password. Secrets arrive here as hashes; none is made or checked here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.errors import NotFound
from hayon.store.database import Tx
from hayon.store.schema import resets, sessions, users
from hayon.store.users import Person, as_person

LASTS = timedelta(days=30)
"""How long a session lasts, however much it is used."""
UNUSED_LASTS = timedelta(days=14)
"""How long a session lasts that nobody uses."""
USED_EVERY = timedelta(minutes=5)
"""How often the last use of a session is written down: a page that is looked at must not cost a write each time."""
RESET_LASTS = timedelta(hours=1)
"""How long a way to a new password stays open."""
SPENT = "This link to a new password is no longer good: it lasts an hour and works once. Ask for another."


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is open: whose it is, and whether its last use is long enough ago to be written down."""

    person: Person
    public_id: UUID
    stale: bool


def open_session(tx: Tx, person_id: UUID, token_hash: bytes, agent: str) -> None:
    """Somebody has signed in. Sessions of theirs that have run out are thrown away on the way."""
    now = tx.now()
    gone = sa.or_(sessions.c.expires_at <= now, _last_used() <= now - UNUSED_LASTS)
    tx.run(sa.delete(sessions).where(sessions.c.user_id == person_id, gone))
    tx.run(
        sa.insert(sessions).values(
            token_hash=token_hash, user_id=person_id, public_id=uuid4(), agent=agent, created_at=now,
            expires_at=now + LASTS, last_used_at=now,
        )
    )  # fmt: skip


def find_session(tx: Tx, token_hash: bytes) -> Session | None:
    """Whose session this is, if it has not run out and they are not shut out."""
    now = tx.now()
    mine = sa.select(users, sessions.c.public_id, _last_used().label("used_at"))
    row = tx.first(
        mine.join(sessions, sessions.c.user_id == users.c.id).where(
            sessions.c.token_hash == token_hash, _is_open(now), users.c.disabled_at.is_(None)
        )
    )
    return None if row is None else Session(as_person(row), row.public_id, row.used_at <= now - USED_EVERY)


def note_session_used(tx: Tx, token_hash: bytes) -> None:
    """The session was used just now."""
    tx.run(sa.update(sessions).where(sessions.c.token_hash == token_hash).values(last_used_at=tx.now()))


def list_sessions(tx: Tx, person_id: UUID) -> Sequence[Row[Any]]:
    """The person's open sessions (`public_id`, `agent`, `created_at`, `used_at`, `expires_at`), the one used last first."""
    seen = sa.select(
        sessions.c.public_id, sessions.c.agent, sessions.c.created_at, sessions.c.expires_at, _last_used().label("used_at")
    )  # fmt: skip
    mine = seen.where(sessions.c.user_id == person_id, _is_open(tx.now()))
    return tx.all(mine.order_by(_last_used().desc(), sessions.c.created_at.desc(), sessions.c.public_id))


def close_session(tx: Tx, token_hash: bytes) -> None:
    """Somebody has signed out."""
    tx.run(sa.delete(sessions).where(sessions.c.token_hash == token_hash))


def close_one(tx: Tx, person_id: UUID, public_id: UUID) -> None:
    """The person ends one of their sessions. Raises NotFound."""
    mine = sessions.c.user_id == person_id, sessions.c.public_id == public_id, _is_open(tx.now())
    if tx.run(sa.delete(sessions).where(*mine)).rowcount != 1:
        raise NotFound("There is no such session, or not any more.")


def close_all(tx: Tx, person_id: UUID, *, but: UUID | None = None) -> int:
    """Ends every session of the person, but the one with this id. How many of them were still open."""
    every = sessions.c.user_id == person_id
    if but is not None:
        every = sa.and_(every, sessions.c.public_id != but)
    still_open = tx.value(sa.select(sa.func.count()).select_from(sessions).where(every, _is_open(tx.now())))
    tx.run(sa.delete(sessions).where(every))
    return int(still_open)


def open_reset(tx: Tx, person_id: UUID, token_hash: bytes) -> datetime:
    """Somebody wants to set a new password: the way stays open until the time that is answered."""
    now = tx.now()
    tx.run(sa.delete(resets).where(resets.c.user_id == person_id, resets.c.expires_at <= now))
    made = {"token_hash": token_hash, "user_id": person_id, "created_at": now, "expires_at": now + RESET_LASTS}
    tx.run(sa.insert(resets).values(made))
    return now + RESET_LASTS


def find_reset(tx: Tx, token_hash: bytes) -> Person:
    """Whose way to a new password this is. Raises NotFound where it has run out, was used, or never was."""
    mine = sa.select(users).join(resets, resets.c.user_id == users.c.id)
    row = tx.first(
        mine.where(resets.c.token_hash == token_hash, resets.c.expires_at > tx.now(), users.c.disabled_at.is_(None))
    )
    if row is None:
        raise NotFound(SPENT)
    return as_person(row)


def use_reset(tx: Tx, token_hash: bytes) -> Person:
    """Takes the way to a new password: of two who come at once one finds it. Raises NotFound."""
    person = find_reset(tx, token_hash)
    if tx.run(sa.delete(resets).where(resets.c.token_hash == token_hash)).rowcount != 1:
        raise NotFound(SPENT)
    return person


def close_resets(tx: Tx, person_id: UUID) -> None:
    """No way to a new password that was sent before is good any more."""
    tx.run(sa.delete(resets).where(resets.c.user_id == person_id))


def _is_open(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(sessions.c.expires_at > now, _last_used() > now - UNUSED_LASTS)


def _last_used() -> sa.ColumnElement[datetime]:
    # sessions that were opened before this was written down count from when they were opened
    return sa.func.coalesce(sessions.c.last_used_at, sessions.c.created_at)
