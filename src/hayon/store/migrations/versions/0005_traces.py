"""A post keeps the traceparent of the request that wrote it last, so that its tries can be linked to it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("posts", sa.Column("traceparent", sa.Text(), nullable=False, server_default=""))
