"""What owners shall be told: rows written in the transaction of what they tell. Their ways out are not here."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import PostStatus
from hayon.store.database import Tx, new_id
from hayon.store.schema import notices


def post_ended(
    tx: Tx, user_id: UUID, post_id: UUID, status: PostStatus, statuses: Sequence[str], now: datetime
) -> None:
    """A post has come to its end: published everywhere, on some, or nowhere."""
    counts = Counter(statuses)
    done, failed = counts["completed"], counts["failed"]
    message = {
        PostStatus.COMPLETED: f"Your post is published on {_places(done)}.",
        PostStatus.PARTIAL_SUCCESS: f"Your post is published on {_places(done)}; {_places(failed)} did not work.",
        PostStatus.FAILED: f"Your post was not published: {_places(failed)} did not work.",
    }[status]
    _write(tx, user_id, post_id, None, f"post.{status.lower()}", message, now)


def person_asked(tx: Tx, user_id: UUID, post_id: UUID, now: datetime) -> None:
    """Looking has come to an end without an answer; only a person can tell."""
    message = (
        "It is not known whether part of your post went out. Please look at the account and say whether it is there."
    )
    _write(tx, user_id, post_id, None, "post.needs_attention", message, now)


def published_twice(
    tx: Tx, user_id: UUID, post_id: UUID, target_id: UUID, links: Sequence[str | None], now: datetime
) -> None:
    """The platform confirmed two copies of one target; the owner gets both links."""
    shown = " and ".join(link or "(no link)" for link in links)
    message = f"This post stands twice on one account: {shown}. You may want to delete one of them."
    _write(tx, user_id, post_id, target_id, "target.published_twice", message, now)


def reconnection_needed(tx: Tx, user_id: UUID, platform: str, handle: str, message: str, now: datetime) -> None:
    """An account can publish nothing until its owner connects it anew."""
    words = f"{handle} on {platform} has to be connected again; until then nothing goes out there. {message}"
    _write(tx, user_id, None, None, "account.needs_reconnection", words, now)


def restored(tx: Tx, user_id: UUID, backup_time: datetime, looked_for: int, held: int, now: datetime) -> None:
    """A backup was restored: how many of somebody's posts are looked for, and how many wait for their word. One for all."""
    first = (
        f"Hayon was restored from a backup of {backup_time:%d %b %Y, %H:%M} UTC. What happened here after that time is not known "
        "any more: posts handed in since are missing, and so are edits and cancels."
    )
    words = [first]
    if looked_for:
        words.append(
            f"{_posts(looked_for)} may have gone out since: Hayon looks for {'it' if looked_for == 1 else 'them'}, publishes "
            'nothing of it again by itself, and asks you where it cannot tell ("Needs you").'
        )
    if held:
        words.append(
            f"{_posts(held)} planned for later {'is' if held == 1 else 'are'} held until you confirm {'it' if held == 1 else 'each'}."
        )
    _write(tx, user_id, None, None, "house.restored", " ".join(words), now)


def list_notices(tx: Tx, user_id: UUID, *, unread_only: bool, limit: int) -> Sequence[Row[Any]]:
    """The newest first."""
    statement = sa.select(notices).where(notices.c.user_id == user_id)
    if unread_only:
        statement = statement.where(notices.c.read_at.is_(None))
    return tx.all(statement.order_by(notices.c.created_at.desc(), notices.c.id.desc()).limit(limit))


def mark_read(tx: Tx, user_id: UUID, notice_id: UUID) -> bool:
    """True if there was such a notice of this person."""
    statement = sa.update(notices).where(notices.c.id == notice_id, notices.c.user_id == user_id)
    return tx.run(statement.values(read_at=sa.func.coalesce(notices.c.read_at, tx.now()))).rowcount == 1


def _posts(count: int) -> str:
    return "1 post" if count == 1 else f"{count} posts"


def _places(count: int) -> str:
    return "1 account" if count == 1 else f"{count} accounts"


def _write(
    tx: Tx, user_id: UUID, post_id: UUID | None, target_id: UUID | None, kind: str, message: str, now: datetime
) -> None:
    tx.run(
        sa.insert(notices).values(
            id=new_id(now), user_id=user_id, post_id=post_id, target_id=target_id, kind=kind, message=message,
            created_at=now,
        )
    )  # fmt: skip
