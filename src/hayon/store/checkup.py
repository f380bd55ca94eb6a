"""What the doctor asks a database: what it really keeps, and one sealed credential to try the key on. Changes nothing."""

from uuid import UUID

import sqlalchemy as sa

from hayon.store.database import Tx
from hayon.store.schema import accounts

ON_POSTGRES = ("fsync", "synchronous_commit", "full_page_writes")


def read_durability(tx: Tx) -> dict[str, str]:
    """The settings that decide whether an answered commit survives a power cut, as they are in force right now.

    SQLite: `journal_mode` (a folder on a network may refuse `wal`) and `synchronous` (2 is FULL, 3 is EXTRA;
    https://sqlite.org/pragma.html). PostgreSQL: `fsync`, `synchronous_commit`, `full_page_writes`.
    """
    if tx.on_postgres:
        return {name: str(tx.value(sa.text(f"SHOW {name}"))) for name in ON_POSTGRES}
    return {name: str(tx.value(sa.text(f"PRAGMA {name}"))) for name in ("journal_mode", "synchronous")}


def find_weaknesses(durability: dict[str, str]) -> list[str]:
    """Those of these settings under which an answered commit may be lost, in words; none is as it should be."""
    weak = [f"{name} is off" for name in ON_POSTGRES if durability.get(name) == "off"]
    if durability.get("journal_mode", "wal") != "wal":
        weak.append(f"journal_mode is {durability['journal_mode']}")
    if durability.get("synchronous", "2") not in {"2", "3"}:
        weak.append("synchronous is not FULL")
    return weak


def find_sealed(tx: Tx) -> tuple[UUID, bytes] | None:
    """The account that was connected first and its sealed credential, or None where none is connected."""
    row = tx.first(
        sa.select(accounts.c.id, accounts.c.credential)
        .where(accounts.c.disconnected_at.is_(None), accounts.c.credential != b"")
        .order_by(accounts.c.connected_at)
        .limit(1)
    )
    return None if row is None else (row.id, row.credential)
