"""Which credentials are to be refreshed although nobody uses them, and when. Nothing is opened or refreshed here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Tx
from hayon.store.schema import accounts


def find_due(tx: Tx, limit: int) -> tuple[Sequence[Row[Any]], datetime]:
    """Accounts whose time has come and that nobody refreshes now, the longest waiting first; and the database's time.

    Those that wait for their owner are left alone: only they can help.
    """
    now = tx.now()
    free = sa.or_(accounts.c.refreshing_until.is_(None), accounts.c.refreshing_until < now)
    due = sa.select(accounts).where(
        accounts.c.renew_at.is_not(None),
        accounts.c.renew_at <= now,
        _alive(),
        free,
        sa.not_(accounts.c.needs_reconnection),
    )
    return tx.all(due.order_by(accounts.c.renew_at).limit(limit)), now


def find_unplanned(tx: Tx, after: UUID | None, limit: int) -> tuple[Sequence[Row[Any]], datetime]:
    """Accounts for which no time is known, in the order of their ids, from behind `after` on; and the database's time."""
    unplanned = sa.select(accounts).where(accounts.c.renew_at.is_(None), _alive())
    if after is not None:
        unplanned = unplanned.where(accounts.c.id > after)
    return tx.all(unplanned.order_by(accounts.c.id).limit(limit)), tx.now()


def plan(tx: Tx, account_id: UUID, credential_version: int, renew_at: datetime) -> bool:
    """Sets the time, if none is set and the credential is still this one."""
    unplanned = sa.and_(_is(account_id, credential_version), accounts.c.renew_at.is_(None))
    return tx.run(sa.update(accounts).where(unplanned).values(renew_at=renew_at)).rowcount == 1


def postpone(tx: Tx, account_id: UUID, credential_version: int, renew_at: datetime) -> bool:
    """It did not work and is tried again then, if the credential is still this one. Counts the failures in a row."""
    later = sa.update(accounts).where(_is(account_id, credential_version), accounts.c.renew_at.is_not(None))
    return tx.run(later.values(renew_at=renew_at, renew_failures=accounts.c.renew_failures + 1)).rowcount == 1


def _alive() -> sa.ColumnElement[bool]:
    return sa.and_(accounts.c.disconnected_at.is_(None), accounts.c.credential != b"")


def _is(account_id: UUID, credential_version: int) -> sa.ColumnElement[bool]:
    return sa.and_(accounts.c.id == account_id, accounts.c.credential_version == credential_version)
