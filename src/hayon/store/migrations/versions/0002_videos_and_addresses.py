"""Videos are measured; a published post without an address is found quickly."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NO_ADDRESS = sa.text("status = 'completed' AND url IS NULL")


def upgrade() -> None:
    op.add_column("media", sa.Column("video_codec", sa.Text()))
    op.add_column("media", sa.Column("audio_codec", sa.Text()))
    op.add_column("media", sa.Column("frame_rate", sa.Float()))
    op.add_column("media", sa.Column("animated", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_targets_no_address", "targets", ["updated_at"], postgresql_where=NO_ADDRESS, sqlite_where=NO_ADDRESS
    )
