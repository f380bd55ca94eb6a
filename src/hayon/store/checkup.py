"""What the doctor asks a database: what it really keeps, and who is at work on it. Changes nothing."""

import sqlalchemy as sa

from hayon.store.database import SESSION, Tx

ON_POSTGRES = ("fsync", "synchronous_commit", "full_page_writes")
SYNCHRONOUS = ("off", "normal", "full", "extra")


def read_durability(tx: Tx) -> dict[str, str]:
    """The settings that decide whether an answered commit survives a power cut, as they are in force right now.

    SQLite: `journal_mode` (a folder on a network may refuse `wal`) and `synchronous` (https://sqlite.org/pragma.html).
    PostgreSQL: `fsync`, `synchronous_commit`, `full_page_writes`.
    """
    if tx.on_postgres:
        return {name: str(tx.value(sa.text(f"SHOW {name}"))) for name in ON_POSTGRES}
    synchronous = int(tx.value(sa.text("PRAGMA synchronous")))
    return {"journal_mode": str(tx.value(sa.text("PRAGMA journal_mode"))), "synchronous": SYNCHRONOUS[synchronous]}


def find_weaknesses(durability: dict[str, str]) -> list[str]:
    """Those of these settings under which an answered commit may be lost, in words; none is as it should be."""
    weak = [f"{name} is off" for name in ON_POSTGRES if durability.get(name) == "off"]
    if durability.get("journal_mode", "wal") != "wal":
        weak.append(f"journal_mode is {durability['journal_mode']}")
    if durability.get("synchronous", "full") not in {"full", "extra"}:
        weak.append(f"synchronous is {durability['synchronous']}")
    return weak


def count_at_work(tx: Tx) -> int:
    """How many connections a Hayon at work has open to this database (PostgreSQL: pg_stat_activity, "Monitoring Stats")."""
    if not tx.on_postgres:
        return 0
    ours = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :ours"
    ).bindparams(ours=SESSION["application_name"])
    count: int = tx.value(ours)
    return count
