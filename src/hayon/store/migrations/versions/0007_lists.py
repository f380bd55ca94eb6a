"""Posts are searched by their words and listed by state, and each wait says whose rule it is."""

import json
import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

AT_ONCE = 500


def upgrade() -> None:
    """To the new shape."""
    op.add_column("accounts", sa.Column("block_guessed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("targets", sa.Column("waits_for", sa.Text(), nullable=False, server_default=""))
    op.add_column("posts", sa.Column("words", sa.Text(), nullable=False, server_default=""))
    _fill_words()
    op.drop_index("ix_posts_user_id_created_at", "posts")
    op.create_index("ix_posts_newest", "posts", ["user_id", "created_at", "id"])
    op.create_index("ix_posts_state", "posts", ["user_id", "status", "created_at", "id"])


def _fill_words() -> None:
    posts = sa.table("posts", *(sa.column(name, sa.JSON()) for name in ("content", "overrides")),
                     sa.column("id", sa.Uuid()), sa.column("words", sa.Text()))  # fmt: skip
    bind = op.get_bind()
    last: Any = None
    while True:
        page = sa.select(posts.c.id, posts.c.content, posts.c.overrides).order_by(posts.c.id).limit(AT_ONCE)
        rows = bind.execute(page if last is None else page.where(posts.c.id > last)).all()
        if not rows:
            return
        last = rows[-1].id
        bind.execute(
            sa.update(posts).where(posts.c.id == sa.bindparam("row_id")).values(words=sa.bindparam("found")),
            [{"row_id": row.id, "found": _words(_read(row.content), _read(row.overrides))} for row in rows],
        )


def _words(content: Any, overrides: Any) -> str:
    """As `words_of` in `store/posts.py` said it when this was written."""
    texts = [content.get("text") or "", *(one["text"] for one in overrides.values() if one.get("text"))]
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", "\n".join(texts)).casefold())


def _read(kept: Any) -> Any:
    """JSON as one driver gives it, or the other."""
    return json.loads(kept) if isinstance(kept, str) else kept
