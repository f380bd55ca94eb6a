"""Which accounts want their picture copied, which a copy thrown away, and what became of it. The pictures are in the media store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Tx
from hayon.store.schema import accounts


def find_wanted(tx: Tx, limit: int) -> tuple[Sequence[Row[Any]], datetime]:
    """Connected accounts whose picture was not tried yet at its present address, or is due once more; and the database's time."""
    now = tx.now()
    columns = (accounts.c.id, accounts.c.user_id, accounts.c.platform, accounts.c.host, accounts.c.avatar_url,
               accounts.c.avatar_key, accounts.c.avatar_source, accounts.c.avatar_failures)  # fmt: skip
    untried = accounts.c.avatar_source.is_distinct_from(accounts.c.avatar_url)
    wanted = sa.select(*columns).where(
        accounts.c.disconnected_at.is_(None), accounts.c.avatar_url.is_not(None),
        sa.or_(untried, accounts.c.avatar_due_at <= now),
    )  # fmt: skip
    return tx.all(wanted.order_by(accounts.c.connected_at).limit(limit)), now


def find_unwanted(tx: Tx, limit: int) -> Sequence[Row[Any]]:
    """Copies of accounts that were disconnected, or that have no picture any more: account and key."""
    unwanted = sa.select(accounts.c.id, accounts.c.avatar_key).where(accounts.c.avatar_key.is_not(None), _has_none())
    return tx.all(unwanted.limit(limit))


def keep_copy(tx: Tx, account_id: UUID, source: str, key: str, before: str | None) -> bool:
    """From now on this is the picture, if it is still the one at this address and nobody else was faster."""
    kept = {"avatar_key": key, "avatar_source": source, "avatar_due_at": None, "avatar_failures": 0}
    statement = sa.update(accounts).where(_is(account_id, source), accounts.c.avatar_key.is_not_distinct_from(before))
    return tx.run(statement.values(kept)).rowcount == 1


def postpone(tx: Tx, account_id: UUID, source: str, failures: int, due_at: datetime | None) -> None:
    """This address gave no picture, so often in a row; it is tried again then, or not again. An older copy stays."""
    statement = sa.update(accounts).where(_is(account_id, source))
    tx.run(statement.values(avatar_source=source, avatar_due_at=due_at, avatar_failures=failures))


def forget(tx: Tx, account_id: UUID, key: str) -> bool:
    """The account has no copy any more, if it still is not to have this one; connected again it gets another."""
    statement = sa.update(accounts).where(accounts.c.id == account_id, accounts.c.avatar_key == key, _has_none())
    none = {"avatar_key": None, "avatar_source": None, "avatar_due_at": None, "avatar_failures": 0}
    return tx.run(statement.values(none)).rowcount == 1


def _has_none() -> sa.ColumnElement[bool]:
    return sa.or_(accounts.c.disconnected_at.is_not(None), accounts.c.avatar_url.is_(None))


def _is(account_id: UUID, source: str) -> sa.ColumnElement[bool]:
    return sa.and_(accounts.c.id == account_id, accounts.c.avatar_url == source, accounts.c.disconnected_at.is_(None))
