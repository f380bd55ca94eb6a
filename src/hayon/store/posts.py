"""Posts and their targets as their author made them: written whole, read back, listed. What happens to them is elsewhere."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from hayon.domain import pacing
from hayon.domain.lifecycle import PostStatus, TargetStatus, TargetSummary, summarize
from hayon.domain.model import Account, Content, MediaUse, Override
from hayon.errors import Conflict, NotFound
from hayon.store.database import Moment, Tx, new_id
from hayon.store.listed import one_of
from hayon.store.schema import accounts, attempts, post_media, posts, replays, targets


class KeyUsed(Conflict):
    """Another transaction wrote the same Idempotency-Key, or the same post, at the same moment."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Everything an author hands in for one post, checked already. `scheduled_at` None means: now.

    `correlation_id` stays that of the first request; `traceparent` is that of the last.
    """

    content: Content
    overrides: Mapping[str, Override]
    platforms: tuple[str, ...]
    account_ids: tuple[str, ...]
    accounts: tuple[Account, ...]
    scheduled_at: datetime | None
    timezone: str
    max_lateness_seconds: int | None
    correlation_id: str
    draft: bool = False
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class PostView:
    """One post with its targets, as it is read: rows, or what was written just now under the same names."""

    row: Any
    targets: Sequence[Any]


def content_json(content: Content) -> dict[str, Any]:
    """How content is kept in its column."""
    return {
        "text": content.text,
        "media": [{"mediaId": str(use.media_id), "altText": use.alt_text} for use in content.media],
        "options": dict(content.options),
    }


def read_content(kept: Mapping[str, Any]) -> Content:
    """The content a column keeps."""
    return Content(kept["text"], read_uses(kept["media"]), kept.get("options") or {})


def read_uses(kept: Sequence[Mapping[str, Any]]) -> tuple[MediaUse, ...]:
    """The media uses a column keeps."""
    return tuple(MediaUse(UUID(one["mediaId"]), one["altText"]) for one in kept)


def overrides_json(overrides: Mapping[str, Override]) -> dict[str, Any]:
    """How overrides are kept in their column: only what differs."""
    kept = {}
    for name, override in overrides.items():
        one: dict[str, Any] = {"options": dict(override.options)}
        if override.text is not None:
            one["text"] = override.text
        if override.media is not None:
            one["media"] = [{"mediaId": str(use.media_id), "altText": use.alt_text} for use in override.media]
        kept[name] = one
    return kept


def read_overrides(kept: Mapping[str, Any]) -> dict[str, Override]:
    """The overrides a column keeps."""
    return {
        name: Override(one.get("text"), read_uses(one["media"]) if "media" in one else None, one.get("options", {}))
        for name, one in kept.items()
    }


def words_of(content: Content, overrides: Mapping[str, Override]) -> str:
    """All that a post says anywhere, as it is searched."""
    return searchable("\n".join([content.text, *(one.text for one in overrides.values() if one.text)]))


def searchable(text: str) -> str:
    """Text in which large and small letters are one, in every script and on every database."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@dataclass(frozen=True, slots=True)
class Fresh:
    """A post that is to be written. `replay` is an Idempotency-Key and the request's fingerprint."""

    id: UUID
    user_id: UUID
    writing: Writing
    replay: tuple[str, str] | None = None


def insert_post(
    tx: Tx, user_id: UUID, writing: Writing, now: datetime, replay: tuple[str, str] | None = None
) -> PostView:
    """`insert_posts` for one that gets a new id."""
    return insert_posts(tx, [Fresh(new_id(now), user_id, writing, replay)], now)[0]


def insert_posts(tx: Tx, fresh: Sequence[Fresh], now: datetime) -> list[PostView]:
    """Writes posts, targets and media references whole.

    What was written is given as it would be read: nothing has to be asked again. Raises KeyUsed where another transaction
    wrote one of these posts or keys at the same moment: the caller reads what it wrote.
    """
    views, files = [], []
    for one in fresh:
        used = _files_of(one.writing)
        files += _references(one.id, used, 1)
        views.append(_view(one, len(used), now))
    members = [vars(target) for view in views for target in view.targets]
    try:
        _insert_whole(tx, [vars(view.row) for view in views], members, now)
        keys = [
            {"user_id": one.user_id, "key": one.replay[0], "fingerprint": one.replay[1], "post_id": one.id, "created_at": now}
            for one in fresh if one.replay is not None
        ]  # fmt: skip
        if keys:
            tx.run(_INSERT_REPLAY, keys)
    except IntegrityError as error:
        raise KeyUsed from error
    if files:
        tx.run(_INSERT_REFERENCE, files)
    return views


def _view(fresh: Fresh, media_count: int, now: datetime) -> PostView:
    writing = fresh.writing
    members = [] if writing.draft else _fresh_targets(fresh.user_id, fresh.id, writing, 1, now)
    # nothing was claimed yet, and nobody is asked anything
    summary = TargetSummary(TargetStatus.PENDING, False, writing.scheduled_at is not None, False)
    status, _ = summarize(summary for _ in members)
    row = {
        "id": fresh.id, "user_id": fresh.user_id, "status": str(status), "version": 1, "media_count": media_count,
        "correlation_id": writing.correlation_id, "created_at": now, **_written(writing, now),
    }  # fmt: skip
    names = {account.id: {"handle": account.handle, "host": account.host} for account in writing.accounts}
    return PostView(
        SimpleNamespace(**_BLANK_POST | row),
        [SimpleNamespace(**_BLANK_TARGET | one | names[one["account_id"]]) for one in members],
    )


def find_post(tx: Tx, post_id: UUID, user_id: UUID) -> PostView | None:
    """As `get_post`; None where there is none."""
    try:
        return get_post(tx, post_id, user_id)
    except NotFound:
        return None


def find_replays(tx: Tx, keys: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those of these people's Idempotency-Keys that were used already."""
    if not keys:
        return set()
    used = tx.all(_FIND_REPLAYS, user_ids={one for one, _ in keys}, keys={one for _, one in keys})
    return {(row.user_id, row.key) for row in used}


def find_replay(tx: Tx, user_id: UUID, key: str) -> Row[Any] | None:
    """What a create with this Idempotency-Key led to, if there was one."""
    return tx.first(sa.select(replays).where(replays.c.user_id == user_id, replays.c.key == key))


def has_handed_in(tx: Tx, user_id: UUID) -> bool:
    """Whether this person has ever handed in a post; drafts alone are none."""
    handed_in = sa.select(posts.c.id).where(posts.c.user_id == user_id, posts.c.status != PostStatus.DRAFT)
    return tx.first(handed_in.limit(1)) is not None


def rewrite_post(tx: Tx, post_id: UUID, writing: Writing) -> None:
    """The author's edit of a post that still may be edited: version up, targets as now selected. Locks are the caller's.

    A draft gets no targets; one that is handed in now gets them all.
    """
    now = tx.now()
    row = tx.first(sa.update(posts).where(posts.c.id == post_id).values(
        version=posts.c.version + 1, **_written(writing, now)).returning(posts.c.version, posts.c.user_id))  # fmt: skip
    if row is None:
        raise NotFound("There is no such post.")
    _refer_media(tx, post_id, writing)
    if writing.draft:
        return
    kept = {one.account_id: one for one in tx.all(sa.select(targets).where(targets.c.post_id == post_id))}
    chosen = {one.id for one in writing.accounts}
    # nothing was ever sent for those left out: an edit is refused once any intent of the post was committed
    left_out = [target.id for account_id, target in kept.items() if account_id not in chosen]
    tx.run(sa.delete(attempts).where(attempts.c.target_id.in_(left_out)))
    tx.run(sa.delete(targets).where(targets.c.id.in_(left_out)))
    tx.run(
        sa.update(targets).where(targets.c.post_id == post_id, targets.c.status.in_(["pending", "processing"])).values(
            version=row.version, due_at=writing.scheduled_at or now, too_late_at=_too_late_at(writing), claims=0, tries=0, lost_leases=0, waits=0, waiting_for="", waits_for="", first_try_at=None, first_wait_at=None, updated_at=now,
            checkpoint=None, slot_at=None,
        )
    )  # fmt: skip
    fresh = _fresh_targets(row.user_id, post_id, writing, row.version, now, without=kept)
    if fresh:
        tx.run(sa.insert(targets), fresh)


def _written(writing: Writing, now: datetime) -> dict[str, Any]:
    return {
        "content": content_json(writing.content), "overrides": overrides_json(writing.overrides),
        "selected": {"platforms": list(writing.platforms), "accountIds": list(writing.account_ids)},
        "words": words_of(writing.content, writing.overrides), "scheduled_at": writing.scheduled_at, "timezone": writing.timezone,
        "placed_at": writing.scheduled_at or (None if writing.draft else now),
        "max_lateness_seconds": writing.max_lateness_seconds, "traceparent": writing.traceparent, "updated_at": now,
    }  # fmt: skip


def _too_late_at(writing: Writing) -> datetime | None:
    """After what its author set, whatever moves its due time; for what has a time at all."""
    return pacing.latest(writing.scheduled_at, writing.max_lateness_seconds)


def _fresh_targets(
    user_id: UUID, post_id: UUID, writing: Writing, version: int, now: datetime, without: Collection[UUID] = ()
) -> list[dict[str, Any]]:
    shared = {
        "post_id": post_id, "user_id": user_id, "status": str(TargetStatus.PENDING), "version": version,
        "due_at": writing.scheduled_at or now, "too_late_at": _too_late_at(writing), "created_at": now, "updated_at": now,
    }  # fmt: skip
    return [
        shared | {
            "id": new_id(now), "account_id": account.id, "platform": account.platform, "position": position,
            "idempotency_key": str(new_id(now)),
        }
        for position, account in enumerate(writing.accounts)
        if account.id not in without
    ]  # fmt: skip


def _insert_whole(tx: Tx, rows: Sequence[dict[str, Any]], members: Sequence[dict[str, Any]], now: datetime) -> None:
    """Posts and their targets; on PostgreSQL they are one statement, and so one way there and back, however many they are."""
    if tx.on_postgres:
        lists = {f"post_{name}": [one[name] for one in rows] for name in _OF_POST}
        lists |= {f"target_{name}": [one[name] for one in members] for name in _OF_TARGET}
        tx.run(_INSERT_WHOLE, lists | {"now": now})
        return
    tx.run(_INSERT_POST, rows)
    if members:
        tx.run(_INSERT_TARGET, members)


def _blank(table: sa.Table) -> dict[str, Any]:
    """What a column holds where nothing is said."""
    return {one.name: one.default.arg if isinstance(one.default, sa.ColumnDefault) and one.default.is_scalar else None for one in table.c}  # fmt: skip


_BLANK_POST, _BLANK_TARGET = _blank(posts), _blank(targets)
_OF_POST = (
    "id", "user_id", "status", "media_count", "correlation_id", "content", "overrides", "selected", "words", "scheduled_at",
    "timezone", "placed_at", "max_lateness_seconds", "traceparent",
)  # fmt: skip
_OF_TARGET = (
    "id", "post_id", "user_id", "account_id", "platform", "position", "idempotency_key", "due_at", "too_late_at",
)  # fmt: skip
"""What differs between fresh posts, and between fresh targets."""
_ALIKE: Mapping[str, Any] = {"version": 1}
_ALIKE_TARGET: Mapping[str, Any] = {"version": 1, "status": str(TargetStatus.PENDING)}
"""What is the same for all, beside what nobody says anything of, and the time."""


def _insert_row(table: sa.Table, names: Sequence[str]) -> sa.Insert:
    """One row, of one dictionary."""
    return sa.insert(table).values({name: sa.bindparam(name, type_=table.c[name].type) for name in names})


def _insert_rows(table: sa.Table, names: Sequence[str], alike: Mapping[str, Any], prefix: str) -> sa.Insert:
    """Many rows, each of whose columns is a list."""
    lists = [sa.bindparam(f"{prefix}_{name}", type_=postgresql.ARRAY(table.c[name].type)) for name in names]
    each = sa.func.unnest(*lists).table_valued(*(sa.column(name, table.c[name].type) for name in names), name=prefix)
    now = sa.bindparam("now", type_=Moment)
    blank = {name: one for name, one in (_blank(table) | dict(alike)).items() if one is not None and name not in names}
    row = [*each.render_derived().c, now, now, *(_as_words(one) for one in blank.values())]
    return sa.insert(table).from_select(
        [*names, "created_at", "updated_at", *blank], sa.select(*row), include_defaults=False
    )


def _as_words(value: Any) -> sa.ColumnElement[Any]:
    """A constant of the schema, written into the statement: it has not to be sent with each."""
    return sa.literal_column(f"'{value}'" if isinstance(value, str) else str(value).lower())


_INSERT_WHOLE = _insert_rows(targets, _OF_TARGET, _ALIKE_TARGET, "target").add_cte(
    _insert_rows(posts, _OF_POST, _ALIKE, "post").cte("post")
)
_TIMES = ("created_at", "updated_at")
_INSERT_POST = _insert_row(posts, (*_OF_POST, *_ALIKE, *_TIMES))
_INSERT_TARGET = _insert_row(targets, (*_OF_TARGET, *_ALIKE_TARGET, *_TIMES))
_INSERT_REPLAY = _insert_row(replays, ("user_id", "key", "fingerprint", "post_id", "created_at"))
_INSERT_REFERENCE = _insert_row(post_media, ("post_id", "media_id", "position"))
_FIND_REPLAYS = sa.select(replays.c.user_id, replays.c.key).where(
    one_of(replays.c.user_id, "user_ids"), one_of(replays.c.key, "keys")
)


def _files_of(writing: Writing) -> list[UUID]:
    """The files that a post uses anywhere, each once."""
    uses = [use.media_id for use in writing.content.media]
    for override in writing.overrides.values():
        uses.extend(use.media_id for use in override.media or ())
    return list(dict.fromkeys(uses))


def _references(post_id: UUID, files: Sequence[UUID], first: int) -> list[dict[str, Any]]:
    return [{"post_id": post_id, "media_id": one, "position": place} for place, one in enumerate(files, first)]


def _refer_media(tx: Tx, post_id: UUID, writing: Writing) -> None:
    """Refers to the media used now. What stays keeps its place and its copy; a place is never given to another file."""
    files = _files_of(writing)
    mine = post_media.c.post_id == post_id
    tx.run(sa.delete(post_media).where(mine, post_media.c.media_id.not_in(files)))
    kept = {row.media_id for row in tx.all(sa.select(post_media.c.media_id).where(mine))}
    fresh = [media_id for media_id in files if media_id not in kept]
    if not fresh:
        return
    counted = sa.update(posts).where(posts.c.id == post_id).values(media_count=posts.c.media_count + len(fresh))
    last = tx.value(counted.returning(posts.c.media_count))
    tx.run(sa.insert(post_media), _references(post_id, fresh, last - len(fresh) + 1))


def get_post(tx: Tx, post_id: UUID, user_id: UUID) -> PostView:
    """One post of this person with its targets. Raises NotFound."""
    # a deleted post can still be looked at while a person may be asked about it
    in_question = sa.exists().where(targets.c.post_id == posts.c.id, targets.c.open_attempt_id.is_not(None))
    shown = sa.or_(posts.c.deleted_at.is_(None), in_question)
    row = tx.first(sa.select(posts).where(posts.c.id == post_id, posts.c.user_id == user_id, shown))
    if row is None:
        raise NotFound("There is no such post.")
    return PostView(row, list_targets(tx, [post_id]))


def list_targets(tx: Tx, post_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The targets of these posts with the names of their accounts, in the order of each post."""
    if not post_ids:
        return []
    return tx.all(
        sa.select(targets, accounts.c.handle, accounts.c.host)
        .join(accounts, accounts.c.id == targets.c.account_id)
        .where(targets.c.post_id.in_(post_ids)).order_by(targets.c.post_id, targets.c.position, targets.c.id)
    )  # fmt: skip


def refuse_if_sent(tx: Tx, post_id: UUID) -> None:
    """Raises Conflict once any intent of the post was committed, or a target has ended: its words can't change any more."""
    gone = sa.select(targets.c.id).where(
        targets.c.post_id == post_id,
        sa.or_(targets.c.last_attempt_id.is_not(None), targets.c.status.in_(["completed", "failed", "cancelled"])),
    )
    if tx.first(gone.limit(1)) is not None:
        raise Conflict("It is too late to change this post: part of it was sent, has failed or was cancelled already.")
