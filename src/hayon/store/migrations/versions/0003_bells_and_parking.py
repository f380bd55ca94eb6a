"""Bells are announced in the row, so that they can be counted and rung again; failed targets are parked; turns are fair."""

import sqlalchemy as sa
from alembic import op

from hayon.store.database import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TAKEABLE = "status IN ('pending', 'unconfirmed')"
INDEXES = {
    "ix_targets_turn": (["platform", "user_id", "account_id", "due_at"], TAKEABLE),
    "ix_targets_busy": (["account_id"], "status = 'processing'"),
    "ix_targets_announced": (["platform"], "announced_until IS NOT NULL"),
    "ix_targets_parked": (["user_id", "parked_at"], "parked_at IS NOT NULL"),
    "ix_targets_unmirrored": (["parked_at"], "mirrored <> (parked_at IS NOT NULL)"),
}


def upgrade() -> None:
    op.add_column("targets", sa.Column("announced_until", Moment()))
    op.add_column("targets", sa.Column("rung_due_at", Moment()))
    op.add_column("targets", sa.Column("rung_version", sa.Integer()))
    op.add_column("targets", sa.Column("ring", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("targets", sa.Column("unheard", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("targets", sa.Column("parked_at", Moment()))
    op.add_column("targets", sa.Column("mirrored", sa.Boolean(), nullable=False, server_default=sa.false()))
    for name, (columns, where) in INDEXES.items():
        op.create_index(name, "targets", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
    op.execute("UPDATE targets SET parked_at = updated_at WHERE status = 'failed'")
