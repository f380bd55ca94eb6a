"""An account's picture is copied: where the copy is kept, which address it came from, and when that is tried again."""

import sqlalchemy as sa
from alembic import op

from hayon.store.database import Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("avatar_key", sa.Text()))
    op.add_column("accounts", sa.Column("avatar_source", sa.Text()))
    op.add_column("accounts", sa.Column("avatar_due_at", Moment()))
    op.add_column("accounts", sa.Column("avatar_failures", sa.Integer(), nullable=False, server_default="0"))
