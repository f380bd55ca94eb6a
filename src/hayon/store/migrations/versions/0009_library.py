"""A person's files are found in the order in which they came, a page at a time."""

from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_media_user_id_created_at", "media", ["user_id", "created_at", "id"])
    op.drop_index("ix_media_user_id", table_name="media")
