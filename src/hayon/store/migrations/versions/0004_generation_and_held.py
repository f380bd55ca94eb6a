"""A number tells a restored database from the one it was copied from; what it planned is held until somebody confirms."""

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from hayon.store.database import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TAKEABLE = sa.text("status IN ('pending', 'unconfirmed') AND held_at IS NULL")
INDEXES = {
    "ix_targets_due": ["platform", "due_at"],
    "ix_targets_turn": ["platform", "user_id", "account_id", "due_at"],
}


def upgrade() -> None:
    op.add_column("targets", sa.Column("held_at", Moment()))
    op.add_column("targets", sa.Column("restored_at", Moment()))
    for name, columns in INDEXES.items():
        op.drop_index(name, table_name="targets")
        op.create_index(name, "targets", columns, postgresql_where=TAKEABLE, sqlite_where=TAKEABLE)
    table = op.create_table(
        "generation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("house", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", Moment(), nullable=False),
        sa.Column("noted", sa.Boolean(), nullable=False),
        sa.Column("backup_time", Moment()),
        sa.Column("restored_at", Moment()),
        sa.CheckConstraint("id = 1", name=op.f("ck_generation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generation")),
    )
    # made here and not at the first start, so that a database older than this one gets another house when it is migrated anew
    op.bulk_insert(table, [{"id": 1, "house": uuid4(), "number": 0, "raised_at": datetime.now(UTC), "noted": False}])
