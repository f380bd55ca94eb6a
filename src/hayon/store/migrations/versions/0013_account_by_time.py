"""What an account has planned around a time, and what is rung for it, is found by whichever index PostgreSQL takes, also before
it has statistics."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_targets_account_id", table_name="targets")
    op.create_index("ix_targets_account_id_due_at", "targets", ["account_id", "due_at"])
    op.drop_index("ix_targets_announced", table_name="targets")
    rung = sa.text("announced_until IS NOT NULL")
    op.create_index("ix_targets_announced", "targets", ["account_id"], postgresql_where=rung, sqlite_where=rung)
