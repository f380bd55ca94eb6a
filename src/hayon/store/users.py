"""People, their sessions and their API keys: rows only. Secrets arrive here as hashes; nothing is hashed or checked here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.errors import Conflict, Forbidden, NotFound
from hayon.store.database import Tx, new_id
from hayon.store.schema import api_keys, sessions, users

CLOSED = "Registration is closed: somebody has set this Hayon up already. Ask them to let you in."
KEYS_LIMIT = 100
USED_EVERY = timedelta(minutes=1)
"""How often the last use of a key is written down: a busy program must not cost a write at each request."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has registered. `email` is in lower case, `timezone` an IANA name."""

    id: UUID
    email: str
    name: str
    timezone: str
    is_admin: bool


def anybody_registered(tx: Tx) -> bool:
    """False until the first person has registered."""
    return tx.first(sa.select(users.c.id).limit(1)) is not None


def insert_person(tx: Tx, email: str, password_hash: str, name: str, timezone: str, *, only_first: bool) -> Person:
    """Registers somebody; the first one is the admin. Raises Forbidden after the first where `only_first` says so."""
    if tx.on_postgres:
        # two people who register at the same moment must not both be the first
        tx.run(sa.text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
    first = not anybody_registered(tx)
    if only_first and not first:
        raise Forbidden(CLOSED)
    if find_by_email(tx, email) is not None:
        raise Conflict("Somebody has registered with this e-mail address already.")
    now = tx.now()
    person = Person(new_id(now), email, name, timezone, first)
    tx.run(
        sa.insert(users).values(
            id=person.id, email=email, password_hash=password_hash, name=name, timezone=timezone, is_admin=first,
            created_at=now,
        )
    )  # fmt: skip
    return person


def find_by_email(tx: Tx, email: str) -> tuple[Person, str] | None:
    """The person with this address (in lower case) and the hash of the password."""
    row = tx.first(sa.select(users).where(users.c.email == email))
    return None if row is None else (_as_person(row), row.password_hash)


def replace_password_hash(tx: Tx, person_id: UUID, password_hash: str) -> None:
    """The same password, hashed as is thought right today."""
    tx.run(sa.update(users).where(users.c.id == person_id).values(password_hash=password_hash))


def open_session(tx: Tx, person_id: UUID, token_hash: bytes, lasts: timedelta) -> None:
    """Somebody has signed in. Sessions of theirs that have run out are thrown away on the way."""
    now = tx.now()
    tx.run(sa.delete(sessions).where(sessions.c.user_id == person_id, sessions.c.expires_at <= now))
    made = {"token_hash": token_hash, "user_id": person_id, "created_at": now, "expires_at": now + lasts}
    tx.run(sa.insert(sessions).values(made))


def find_session(tx: Tx, token_hash: bytes) -> Person | None:
    """Whose session this is, if it has not run out."""
    mine = sa.select(users).join(sessions, sessions.c.user_id == users.c.id)
    row = tx.first(mine.where(sessions.c.token_hash == token_hash, sessions.c.expires_at > tx.now()))
    return None if row is None else _as_person(row)


def close_session(tx: Tx, token_hash: bytes) -> None:
    """Somebody has signed out."""
    tx.run(sa.delete(sessions).where(sessions.c.token_hash == token_hash))


def insert_key(tx: Tx, person_id: UUID, name: str, key_hash: bytes, hint: str) -> Row[Any]:
    """A new API key. Raises Conflict where somebody has too many."""
    if len(list_keys(tx, person_id)) >= KEYS_LIMIT:
        raise Conflict(f"You have {KEYS_LIMIT} keys already; delete one that is no longer used.")
    now = tx.now()
    made = {"id": new_id(now), "user_id": person_id, "name": name, "key_hash": key_hash, "hint": hint}
    row = tx.first(sa.insert(api_keys).values(made | {"created_at": now}).returning(*api_keys.c))
    if row is None:
        raise AssertionError("an insert gave no row")
    return row


def list_keys(tx: Tx, person_id: UUID) -> Sequence[Row[Any]]:
    """The person's keys, the newest first."""
    return tx.all(sa.select(api_keys).where(api_keys.c.user_id == person_id).order_by(api_keys.c.id.desc()))


def delete_key(tx: Tx, person_id: UUID, key_id: UUID) -> None:
    """The key opens nothing any more. Raises NotFound."""
    statement = sa.delete(api_keys).where(api_keys.c.id == key_id, api_keys.c.user_id == person_id)
    if tx.run(statement).rowcount != 1:
        raise NotFound("There is no such key.")


def find_key(tx: Tx, key_hash: bytes) -> tuple[Person, UUID, bool] | None:
    """Whose key this is, its id, and whether its last use is long enough ago to be written down."""
    statement = sa.select(users, api_keys.c.id.label("key_id"), api_keys.c.last_used_at)
    row = tx.first(
        statement.join(api_keys, api_keys.c.user_id == users.c.id).where(api_keys.c.key_hash == key_hash)
    )  # fmt: skip
    if row is None:
        return None
    stale = row.last_used_at is None or row.last_used_at < tx.now() - USED_EVERY
    return _as_person(row), row.key_id, stale


def note_key_used(tx: Tx, key_id: UUID) -> None:
    """The key was used just now."""
    tx.run(sa.update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=tx.now()))


def _as_person(row: Row[Any]) -> Person:
    return Person(row.id, row.email, row.name, row.timezone, row.is_admin)
