"""Rows of stored files and who refers to them. The files themselves are in the media store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.model import Media
from hayon.errors import Conflict, NotFound
from hayon.store.database import Tx
from hayon.store.schema import media, post_media, posts

POSTS_NAMED, WORDS_NAMED = 3, 40
"""How many of the posts that use a file are named with it, the newest ones, and with how many characters of their words."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the library. `uses` are the posts that refer to it, drafts and deleted ones (`deleted_uses`) included.

    `posts` are the newest of those that are not deleted, POSTS_NAMED at most: their ids and how their words begin.
    """

    media: Media
    created_at: datetime
    uses: int = 0
    deleted_uses: int = 0
    posts: tuple[tuple[UUID, str], ...] = ()


def as_media(row: Row[Any]) -> Media:
    """The row as a value."""
    return Media(
        id=row.id, user_id=row.user_id, key=row.key, mime=row.mime, size=row.size, width=row.width, height=row.height,
        duration_seconds=row.duration_seconds, video_codec=row.video_codec, audio_codec=row.audio_codec,
        frame_rate=row.frame_rate, animated=row.animated, ready=row.ready,
    )  # fmt: skip


def insert_media(tx: Tx, one: Media) -> None:
    """A grant to upload was given; the file is awaited."""
    tx.run(
        sa.insert(media).values(
            id=one.id, user_id=one.user_id, key=one.key, mime=one.mime, size=one.size, ready=False, created_at=tx.now()
        )
    )  # fmt: skip


def complete_media(tx: Tx, one: Media) -> None:
    """What really arrived, as measured."""
    tx.run(
        sa.update(media).where(media.c.id == one.id, media.c.user_id == one.user_id).values(
            mime=one.mime, size=one.size, width=one.width, height=one.height, duration_seconds=one.duration_seconds,
            video_codec=one.video_codec, audio_codec=one.audio_codec, frame_rate=one.frame_rate, animated=one.animated,
            ready=True,
        )
    )  # fmt: skip


def get_media(tx: Tx, user_id: UUID, media_id: UUID) -> Media:
    """One file of this person. Raises NotFound."""
    row = tx.first(sa.select(media).where(media.c.id == media_id, media.c.user_id == user_id))
    if row is None:
        raise NotFound("There is no such media.")
    return as_media(row)


def find_many(tx: Tx, user_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Media]:
    """Those of the ids that are media of this person."""
    rows = tx.all(sa.select(media).where(media.c.user_id == user_id, media.c.id.in_(ids))) if ids else []
    return {row.id: as_media(row) for row in rows}


def list_media(tx: Tx, user_id: UUID, *, limit: int) -> list[Media]:
    """The library: what has arrived, the newest first."""
    statement = sa.select(media).where(media.c.user_id == user_id, media.c.ready)
    return [as_media(row) for row in tx.all(statement.order_by(media.c.created_at.desc()).limit(limit))]


def list_library(
    tx: Tx, user_id: UUID, *, videos: bool | None = None, before: tuple[datetime, UUID] | None = None, limit: int
) -> list[Kept]:
    """What has arrived and who uses it, the newest first, in two statements; `videos`: these alone, or all but these.

    `before` is the last file of the page before (created_at and id).
    """
    statement = sa.select(media).where(media.c.user_id == user_id, media.c.ready)
    if videos is not None:
        is_video = media.c.mime.like("video/%")
        statement = statement.where(is_video if videos else ~is_video)
    if before is not None:
        created_at, media_id = before
        same = sa.and_(media.c.created_at == created_at, media.c.id < media_id)
        statement = statement.where(media.c.created_at <= created_at, sa.or_(media.c.created_at < created_at, same))
    rows = tx.all(statement.order_by(media.c.created_at.desc(), media.c.id.desc()).limit(limit))
    return _with_uses(tx, rows)


def get_kept(tx: Tx, user_id: UUID, media_id: UUID) -> Kept:
    """One file of the library. Raises NotFound, also while nothing has arrived."""
    mine = sa.select(media).where(media.c.id == media_id, media.c.user_id == user_id, media.c.ready)
    row = tx.first(mine)
    if row is None:
        raise NotFound("There is no such media.")
    return _with_uses(tx, [row])[0]


def _with_uses(tx: Tx, rows: Sequence[Row[Any]]) -> list[Kept]:
    """The files with their uses: counted, and the newest named, in one statement however often a file is used."""
    if not rows:
        return []
    file, gone = post_media.c.media_id, posts.c.deleted_at.is_not(None)
    counted = (
        sa.select(
            file, post_media.c.post_id, gone.label("gone"),
            sa.func.substr(posts.c.content["text"].as_string(), 1, WORDS_NAMED).label("words"),
            sa.func.count().over(partition_by=file).label("uses"),
            sa.func.sum(sa.case((gone, 1), else_=0)).over(partition_by=file).label("deleted_uses"),
            sa.func.row_number().over(
                partition_by=file, order_by=[gone, posts.c.created_at.desc(), posts.c.id]
            ).label("place"),
        )
        .join(posts, posts.c.id == post_media.c.post_id)
        .where(file.in_([row.id for row in rows]))
        .subquery()
    )  # fmt: skip
    uses: dict[UUID, list[Row[Any]]] = {row.id: [] for row in rows}
    for use in tx.all(sa.select(counted).where(counted.c.place <= POSTS_NAMED).order_by(counted.c.place)):
        uses[use.media_id].append(use)
    return [_as_kept(row, uses[row.id]) for row in rows]


def _as_kept(row: Row[Any], uses: Sequence[Row[Any]]) -> Kept:
    if not uses:
        return Kept(as_media(row), row.created_at)
    named = tuple((use.post_id, use.words) for use in uses if not use.gone)
    return Kept(as_media(row), row.created_at, uses[0].uses, int(uses[0].deleted_uses), named)


def delete_media(tx: Tx, user_id: UUID, media_id: UUID) -> Media:
    """Forgets a file nobody refers to. Raises Conflict while a post uses it."""
    one = get_media(tx, user_id, media_id)
    used = sa.select(post_media.c.post_id).where(post_media.c.media_id == media_id)
    if tx.first(used.limit(1)) is not None:
        raise Conflict("A post uses this; it stays until the post no longer does.")
    tx.run(sa.delete(media).where(media.c.id == media_id))
    return one


def find_uncopied(tx: Tx, limit: int) -> Sequence[Row[Any]]:
    """References of handed-in posts that have no copy of their own yet: post, person, place in the post, key to copy from."""
    return tx.all(
        sa.select(post_media, media.c.user_id, media.c.key.label("source"))
        .join(media, media.c.id == post_media.c.media_id)
        .join(posts, posts.c.id == post_media.c.post_id)
        .where(post_media.c.key.is_(None), posts.c.status != "DRAFT", posts.c.deleted_at.is_(None), media.c.ready)
        .limit(limit)
    )  # fmt: skip


def keep_copy(tx: Tx, post_id: UUID, media_id: UUID, position: int, key: str) -> None:
    """The post has its own copy from now on, if it still uses the file in this place."""
    statement = sa.update(post_media).where(
        post_media.c.post_id == post_id, post_media.c.media_id == media_id, post_media.c.position == position,
        post_media.c.key.is_(None),
    )  # fmt: skip
    tx.run(statement.values(key=key))


def find_forgotten(tx: Tx, older_than: timedelta, limit: int) -> list[Media]:
    """Files nobody refers to for that long: never used by any post, drafts included."""
    unused = ~sa.exists().where(post_media.c.media_id == media.c.id)
    statement = sa.select(media).where(unused, media.c.created_at < tx.now() - older_than).limit(limit)
    return [as_media(row) for row in tx.all(statement)]


def forget(tx: Tx, media_id: UUID) -> bool:
    """Deletes the row if still nobody refers to it."""
    unused = ~sa.exists().where(post_media.c.media_id == media.c.id)
    return tx.run(sa.delete(media).where(media.c.id == media_id, unused)).rowcount == 1


def is_known(tx: Tx, key: str) -> bool:
    """Whether an upload of anybody is kept under this key."""
    return tx.first(sa.select(media.c.id).where(media.c.key == key)) is not None
