"""What PostgreSQL knows of our tables. Its own upkeep looks once a minute; until then one index is as good to it as another, and
plans that were made for a handful of rows go on being used for thousands (docs/decisions/0021). Nothing is counted here."""

import sqlalchemy as sa

from hayon.store.database import Tx
from hayon.store.schema import attempts, notices, posts, receipts, targets

GROWING = tuple(table.name for table in (posts, targets, attempts, receipts, notices))
"""The tables that every post makes longer."""
SLIGHT = 500
"""So many changed rows make no difference."""

_CHANGED = sa.text(
    "SELECT relname FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = ANY(:names)"
    " AND n_mod_since_analyze > :slight + n_live_tup / 2 ORDER BY relname"
).bindparams(names=list(GROWING), slight=SLIGHT)


def bring_up_to_date(tx: Tx) -> list[str]:
    """Has those tables looked at of which half the rows are others than when PostgreSQL looked last. Which. A table that somebody
    works on in the same way is left to them; SQLite needs no such thing."""
    if not tx.on_postgres:
        return []
    changed = [row.relname for row in tx.all(_CHANGED)]
    for name in changed:
        tx.run(sa.text(f"ANALYZE (SKIP_LOCKED) {name}"))
    return changed
