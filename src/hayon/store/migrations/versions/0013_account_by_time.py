"""What an account has planned around a time is a range of whichever index PostgreSQL takes, also before it has statistics."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_targets_account_id", table_name="targets")
    op.create_index("ix_targets_account_id_due_at", "targets", ["account_id", "due_at"])
