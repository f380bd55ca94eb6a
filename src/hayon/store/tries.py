"""How often something may be tried, counted for all processes together: one row per name while tries of it are missing."""

from datetime import datetime, timedelta
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hayon.errors import TooMany
from hayon.store.database import Tx
from hayon.store.schema import tries

FORGOTTEN_AT_ONCE = 100
"""Rows that are full again and are thrown away on the way, at most."""


def take(tx: Tx, name: str, *, count: int, refill: timedelta) -> None:
    """One of `count` tries, which come back one by one every `refill`. Raises TooMany, saying when to come back."""
    now, key = tx.now(), _key(name)
    insert = postgresql.insert(tries) if tx.on_postgres else sqlite.insert(tries)
    # one statement gives the row, new or old, and keeps others from it until we are done
    kept = insert.values(name=key, full_at=now).on_conflict_do_update(
        index_elements=[tries.c.name], set_={"full_at": tries.c.full_at}
    )
    full_at = max(tx.value(kept.returning(tries.c.full_at)), now) + refill
    wait = (full_at - now - count * refill).total_seconds()
    if wait > 0:
        raise TooMany(f"Too many tries. Come back in {in_words(wait)}.", wait)
    tx.run(sa.update(tries).where(tries.c.name == key).values(full_at=full_at))
    _forget_full(tx, now)


def forget(tx: Tx, name: str) -> None:
    """Every try so far is forgiven."""
    tx.run(sa.delete(tries).where(tries.c.name == _key(name)))


def in_words(seconds: float) -> str:
    """How long to wait, as people say it."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} minutes"


def _forget_full(tx: Tx, now: datetime) -> None:
    """Rows that another process is looking at are left to it, so that nobody waits for anybody here."""
    full = sa.select(tries.c.name).where(tries.c.full_at <= now).limit(FORGOTTEN_AT_ONCE)
    names = [row.name for row in tx.all(full.with_for_update(skip_locked=True))]
    if names:
        tx.run(sa.delete(tries).where(tries.c.name.in_(names)))


def _key(name: str) -> bytes:
    return sha256(name.encode("utf-8", "surrogatepass")).digest()
