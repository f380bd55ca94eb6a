"""The generation: a number that only grows, by which a database restored from a backup is told from the one it was copied from.

Beside the media stands the newest number there was. Whoever compares the two is not here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Tx
from hayon.store.schema import generation, posts

ONLY = generation.c.id == 1


@dataclass(frozen=True, slots=True)
class Generation:
    """Which database this is (`house`), its number and since when it has it; what the last `hayon restored` was told, and when.

    `noted`: it stood beside the media at least once.
    """

    house: UUID
    number: int
    raised_at: datetime
    noted: bool
    backup_time: datetime | None
    restored_at: datetime | None


def read_generation(tx: Tx) -> Generation:
    """The database's own."""
    return _read(tx, sa.select(generation).where(ONLY))


def raise_generation(tx: Tx, *, older_than: timedelta = timedelta(0)) -> Generation | None:
    """Raises it by one, unless that was done less than `older_than` ago (by another process, say): then None."""
    now = tx.now()
    stale = sa.update(generation).where(ONLY, generation.c.raised_at <= now - older_than)
    row = tx.first(stale.values(number=generation.c.number + 1, raised_at=now).returning(*generation.c))
    return None if row is None else _as_generation(row)


def note_restored(tx: Tx, backup_time: datetime, beyond: int, now: datetime) -> Generation:
    """`hayon restored` was run for a backup of this time: from here on the number is greater than `beyond`, and its own."""
    number = max(read_generation(tx).number, beyond) + 1
    told = {"number": number, "raised_at": now, "backup_time": backup_time, "restored_at": now}
    return _read(tx, sa.update(generation).where(ONLY).values(told).returning(*generation.c))


def mark_noted(tx: Tx) -> None:
    """It stands beside the media now."""
    tx.run(sa.update(generation).where(ONLY).values(noted=True))


def anything_accepted(tx: Tx) -> bool:
    """Whether anybody ever wrote a post here."""
    return tx.first(sa.select(posts.c.id).limit(1)) is not None


def _read(tx: Tx, statement: sa.Executable) -> Generation:
    row = tx.first(statement)
    if row is None:
        raise AssertionError("the migration made this row")
    return _as_generation(row)


def _as_generation(row: Row[Any]) -> Generation:
    return Generation(row.house, row.number, row.raised_at, row.noted, row.backup_time, row.restored_at)
