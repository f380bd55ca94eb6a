"""People, their roles and their API keys: rows only. Secrets arrive here as hashes; nothing is hashed or checked here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.errors import Conflict, Forbidden, NotFound
from hayon.store.database import Moment, Tx, new_id
from hayon.store.listed import one_of
from hayon.store.schema import api_keys, sessions, users
from hayon.store.together import Asked, together

CLOSED = "Registration is closed: somebody has set this Hayon up already. Ask them to let you in."
TAKEN = "Somebody has registered with this e-mail address already."
NOBODY = "There is no such person."
EVERYTHING = "all"
"""The scope of a key that may do whatever its person may."""
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
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A key that opens: whose it is, for what, and whether its last use is long enough ago to be written down."""

    person: Person
    id: UUID
    scopes: frozenset[str]
    stale: bool


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
        raise Conflict(TAKEN)
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
    return None if row is None else (as_person(row), row.password_hash)


def replace_password_hash(tx: Tx, person_id: UUID, password_hash: str) -> None:
    """The same password, hashed as is thought right today."""
    tx.run(sa.update(users).where(users.c.id == person_id).values(password_hash=password_hash))


def keep_profile(tx: Tx, person_id: UUID, *, name: str | None, timezone: str | None) -> None:
    """Another name or time zone; None leaves what is there."""
    given = {key: value for key, value in (("name", name), ("timezone", timezone)) if value is not None}
    if given:
        tx.run(sa.update(users).where(users.c.id == person_id).values(given))


def change_email(tx: Tx, person_id: UUID, email: str) -> None:
    """Another address, in lower case. Raises Conflict where it is somebody else's."""
    known = find_by_email(tx, email)
    if known is not None and known[0].id != person_id:
        raise Conflict(TAKEN)
    try:
        tx.run(sa.update(users).where(users.c.id == person_id).values(email=email))
    except sa.exc.IntegrityError as error:  # somebody else took it in this moment
        raise Conflict(TAKEN) from error


def get_person(tx: Tx, person_id: UUID) -> Person:
    """The person as they are now. Raises NotFound."""
    row = tx.first(sa.select(users).where(users.c.id == person_id))
    if row is None:
        raise NotFound(NOBODY)
    return as_person(row)


def still_has(tx: Tx, person_id: UUID, password_hash: str) -> bool:
    """Whether this is the person's hash still, and they may come in. Nobody changes either before this transaction ends."""
    held = sa.select(users.c.password_hash, users.c.disabled_at).where(users.c.id == person_id).with_for_update()
    row = tx.first(held)
    return row is not None and row.password_hash == password_hash and row.disabled_at is None


def password_hash_of(tx: Tx, person_id: UUID) -> str:
    """The hash of the person's password. Raises NotFound."""
    row = tx.first(sa.select(users.c.password_hash).where(users.c.id == person_id))
    if row is None:
        raise NotFound(NOBODY)
    kept: str = row.password_hash
    return kept


def list_people(tx: Tx) -> Sequence[Row[Any]]:
    """Everybody, in the order in which they came, with `used_at`: when one of their open sessions was used last."""
    used_at = sa.func.max(sessions.c.last_used_at).label("used_at")
    return tx.all(
        sa.select(users, used_at).outerjoin(sessions, sessions.c.user_id == users.c.id)
        .group_by(users.c.id).order_by(users.c.created_at, users.c.id)
    )  # fmt: skip


def find_addresses(tx: Tx, ids: Collection[UUID]) -> dict[UUID, str]:
    """The e-mail addresses of these people."""
    rows = tx.all(sa.select(users.c.id, users.c.email).where(users.c.id.in_(ids)))
    return {row.id: row.email for row in rows}


def set_admin(tx: Tx, person_id: UUID, *, is_admin: bool) -> None:
    """Makes somebody an admin, or takes that role. Raises NotFound, and Conflict for the last admin."""
    _lock_roles(tx)
    person = get_person(tx, person_id)
    if person.is_admin and not is_admin:
        _require_another_admin(tx, person_id)
    tx.run(sa.update(users).where(users.c.id == person_id).values(is_admin=is_admin))


def set_disabled(tx: Tx, person_id: UUID, *, disabled: bool) -> None:
    """Shuts somebody out, which ends their sessions, or lets them in again. Raises NotFound, and Conflict for the last admin.

    Their keys open nothing meanwhile, and do so again afterwards. What they planned goes out all the same.
    """
    _lock_roles(tx)
    person = get_person(tx, person_id)
    if disabled:
        if person.is_admin:
            _require_another_admin(tx, person_id)
        tx.run(sa.delete(sessions).where(sessions.c.user_id == person_id))
    since = sa.func.coalesce(users.c.disabled_at, tx.now()) if disabled else None
    tx.run(sa.update(users).where(users.c.id == person_id).values(disabled_at=since))


def insert_key(
    tx: Tx, person_id: UUID, name: str, key_hash: bytes, hint: str, scopes: Sequence[str] = (EVERYTHING,),
    expires_at: datetime | None = None,
) -> Row[Any]:  # fmt: skip
    """A new API key, good for these scopes until then. Raises Conflict where somebody has too many."""
    if len(list_keys(tx, person_id)) >= KEYS_LIMIT:
        raise Conflict(f"You have {KEYS_LIMIT} keys already; delete one that is no longer used.")
    now = tx.now()
    made = {"id": new_id(now), "user_id": person_id, "name": name, "key_hash": key_hash, "hint": hint}
    made |= {"scopes": list(scopes), "created_at": now, "expires_at": expires_at}
    row = tx.first(sa.insert(api_keys).values(made).returning(*api_keys.c))
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


def find_keys(tx: Tx, asked: Sequence[Asked]) -> list[Key | None]:
    """`find_key` for many: as many statements as for one, for a program comes with the same key each time."""
    wanted = [one.args[0] for one in asked]
    if tx.on_postgres:
        rows = tx.all(_OPENED_BY, key_hashes=set(wanted))
    else:
        now = tx.now()
        then = {"now": now, "stale_since": now - USED_EVERY}
        rows = [row for one in set(wanted) for row in tx.all(_OPENED_BY_THEN, key_hash=one, **then)]
    found = {row.key_hash: Key(as_person(row), row.key_id, frozenset(row.scopes), row.stale) for row in rows}
    return [found.get(one) for one in wanted]


@together(find_keys)
def find_key(tx: Tx, key_hash: bytes) -> Key | None:
    """Whose key this is and what for, if it has not run out and they are not shut out."""
    return find_keys(tx, [Asked((key_hash,), {})])[0]


def _opened_by(
    given: sa.ColumnElement[bool], now: sa.ColumnElement[datetime], stale_since: sa.ColumnElement[datetime]
) -> sa.Select[Any]:
    stale = sa.or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < stale_since)
    open_still = sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    return (
        sa.select(*_PERSON, api_keys.c.id.label("key_id"), api_keys.c.key_hash, api_keys.c.scopes, stale.label("stale"))
        .join(api_keys, api_keys.c.user_id == users.c.id)
        .where(given, users.c.disabled_at.is_(None), open_still)
    )


def _moment(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=Moment)


_PERSON = [users.c[name] for name in ("id", "email", "name", "timezone", "is_admin", "disabled_at")]
_CLOCK = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))
_OPENED_BY = _opened_by(one_of(api_keys.c.key_hash, "key_hashes"), _CLOCK, _CLOCK - USED_EVERY)
"""PostgreSQL reads its own clock: asked for by itself it would be one more way there and back, at each request."""
_OPENED_BY_THEN = _opened_by(
    api_keys.c.key_hash == sa.bindparam("key_hash"), _moment("now"), _moment("stale_since")
)  # fmt: skip
"""SQLite has no lists of bytes, and is asked for one key after the other: there is no way there and back."""


def note_key_used(tx: Tx, key_id: UUID) -> None:
    """The key was used just now."""
    tx.run(sa.update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=tx.now()))


def as_person(row: Row[Any]) -> Person:
    """The person in a row of users."""
    return Person(row.id, row.email, row.name, row.timezone, row.is_admin, row.disabled_at is not None)


def _lock_roles(tx: Tx) -> None:
    if tx.on_postgres:
        # two admins who take each other's role at the same moment must not both succeed
        tx.run(sa.text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


def _require_another_admin(tx: Tx, person_id: UUID) -> None:
    others = sa.select(users.c.id).where(users.c.id != person_id, users.c.is_admin, users.c.disabled_at.is_(None))
    if tx.first(others.limit(1)) is None:
        raise Conflict("This is the last admin. Make somebody else an admin first.")
