"""What the last day came to is found by an index, and a try keeps when it was due, so that lateness can be told afterwards."""

import sqlalchemy as sa
from alembic import op

from hayon.store.database import Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

CAME_TO = "status IN ('completed', 'failed', 'unconfirmed')"


def upgrade() -> None:
    op.add_column("attempts", sa.Column("due_at", Moment()))
    op.create_index(
        "ix_targets_last_day", "targets", ["updated_at", "status"],
        postgresql_where=sa.text(CAME_TO), sqlite_where=sa.text(CAME_TO),
    )  # fmt: skip
