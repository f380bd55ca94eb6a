"""Lists of posts cost the same however many there are: those that go by their time, and those that ask for their author."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_posts_placed", "posts", ["user_id", "status", "placed_at", "id"])
    op.create_index(
        "ix_posts_needs_you", "posts", ["user_id", "created_at", "id"],
        postgresql_where=sa.text("needs_attention"), sqlite_where=sa.text("needs_attention = 1"),
    )  # fmt: skip
