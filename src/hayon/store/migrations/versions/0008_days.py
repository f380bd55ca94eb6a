"""A post knows where it stands in a calendar, so that the posts of a month are found by an index."""

import sqlalchemy as sa
from alembic import op

from hayon.store.database import Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("posts", sa.Column("placed_at", Moment()))
    # when a draft without a time was handed in stands on its targets alone
    op.execute(
        "UPDATE posts SET placed_at = COALESCE(scheduled_at, (SELECT MIN(targets.created_at) FROM targets"
        " WHERE targets.post_id = posts.id), created_at) WHERE status <> 'DRAFT' OR scheduled_at IS NOT NULL"
    )
    op.create_index("ix_posts_user_id_placed_at", "posts", ["user_id", "placed_at"])
