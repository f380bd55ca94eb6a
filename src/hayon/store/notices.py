"""What owners shall be told: rows written in the transaction of what they tell, together with the ways they leave the house by.

Nothing is sent here: `notifying/leaving.py` sends what stands in the rows.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import PostStatus
from hayon.domain.notices import mailed, takes
from hayon.store.database import Tx, new_id
from hayon.store.leaving import insert_event, insert_mail
from hayon.store.listed import one_of
from hayon.store.schema import accounts, mails, notices, targets, users, webhook_events, webhooks

GATHERED_FOR = timedelta(minutes=15)
"""What becomes too late within this of one another is told together, unless its owner has read of it already."""
GATHERED_QUIET = timedelta(minutes=1)
"""A notice that gathers leaves the house when nothing more came for so long."""
LISTED = 100
"""Entries that one notice lists; the others are counted."""
NAMED = 5


@dataclass(frozen=True, slots=True)
class Late:
    """One target that it was too late for."""

    post_id: UUID
    target_id: UUID
    platform: str
    handle: str
    scheduled_at: datetime


@dataclass(frozen=True, slots=True)
class EndedPost:
    """One post that has come to its end: published everywhere, on some, or nowhere."""

    user_id: UUID
    post_id: UUID
    status: PostStatus


@dataclass(frozen=True, slots=True)
class _Notice:
    user_id: UUID
    kind: str
    message: str
    facts: Mapping[str, Any]
    post_id: UUID | None = None
    target_id: UUID | None = None


def posts_ended(tx: Tx, ended: Sequence[EndedPost], now: datetime) -> None:
    """These posts have come to their ends. What was told of their parts is read by that."""
    if not ended:
        return
    post_ids = [one.post_id for one in ended]
    tx.do(_PARTS_READ, ids=post_ids, now=now)
    members = _targets(tx, post_ids)
    _write_all(tx, [_of_end(one, members[one.post_id]) for one in ended], now)


def _of_end(one: EndedPost, members: list[dict[str, Any]]) -> _Notice:
    counts = Counter(member["status"] for member in members)
    done, failed = counts["completed"], counts["failed"]
    message = {
        PostStatus.COMPLETED: f"Your post is published on {_places(done)}.",
        PostStatus.PARTIAL_SUCCESS: f"Your post is published on {_places(done)}; {_places(failed)} did not work.",
        PostStatus.FAILED: f"Your post was not published: {_places(failed)} did not work.",
    }[one.status]
    facts = {"status": str(one.status), "targets": members}
    return _Notice(one.user_id, f"post.{one.status.lower()}", message, facts, one.post_id)


def person_asked(tx: Tx, user_id: UUID, post_id: UUID, now: datetime) -> None:
    """Looking has come to an end without an answer; only a person can tell."""
    message = (
        "It is not known whether part of your post went out. Please look at the account and say whether it is there."
    )
    _write(
        tx,
        user_id,
        "post.needs_attention",
        message,
        now,
        post_id=post_id,
        facts={"targets": _targets(tx, [post_id])[post_id]},
    )


def parked(tx: Tx, target: Row[Any], message: str, code: str, now: datetime) -> None:
    """A target failed and stands in the parking lot, while others of its post may still be under way."""
    handle = tx.value(sa.select(accounts.c.handle).where(accounts.c.id == target.account_id))
    words = f"Your post did not work on {handle} ({target.platform}): {message}"
    facts = {
        "targetId": str(target.id), "platform": target.platform, "accountId": str(target.account_id), "handle": handle,
        "error": message, "code": code,
    }  # fmt: skip
    _write(tx, target.user_id, "target.parked", words, now, post_id=target.post_id, target_id=target.id, facts=facts)


def published_twice(
    tx: Tx, user_id: UUID, post_id: UUID, target_id: UUID, links: Sequence[str | None], now: datetime
) -> None:
    """The platform confirmed two copies of one target; the owner gets both links."""
    shown = " and ".join(link or "(no link)" for link in links)
    message = f"This post stands twice on one account: {shown}. You may want to delete one of them."
    facts = {"targetId": str(target_id), "urls": list(links)}
    _write(
        tx, user_id, "target.published_twice", message, now, post_id=post_id, target_id=target_id, facts=facts
    )  # fmt: skip


def reconnection_needed(
    tx: Tx, user_id: UUID, account_id: UUID, platform: str, handle: str, message: str, now: datetime
) -> None:
    """An account can publish nothing until its owner connects it anew."""
    words = f"{handle} on {platform} has to be connected again; until then nothing goes out there. {message}"
    facts = {"accountId": str(account_id), "platform": platform, "handle": handle, "error": message}
    _write(tx, user_id, "account.needs_reconnection", words, now, facts=facts)


def password_changed(tx: Tx, user_id: UUID, now: datetime) -> None:
    """Somebody's password was set anew, by themselves or by whoever had the link to it."""
    message = (
        "Your password was changed, and your other sessions have ended. If that was not you, set another one "
        "(“Forgot password?”) and delete the API keys that you do not know."
    )
    _write(tx, user_id, "password.changed", message, now, facts={})


def webhook_disabled(tx: Tx, user_id: UUID, webhook_id: UUID, url: str, why: str, now: datetime) -> None:
    """A webhook gets nothing any more until its owner turns it on again. Its address may hold a secret: the host is named."""
    host = urlsplit(url).hostname or ""
    message = f"Your webhook at {host} was turned off: {why} Turn it on again when it can be reached."
    _write(
        tx, user_id, "webhook.disabled", message, now, facts={"webhookId": str(webhook_id), "host": host, "error": why}
    )  # fmt: skip


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
    facts = {"backupTime": _at(backup_time), "lookedFor": looked_for, "held": held}
    _write(tx, user_id, "house.restored", " ".join(words), now, facts=facts)


def too_late(tx: Tx, user_id: UUID, late: Sequence[Late], now: datetime) -> UUID:
    """It was too late for these. They join what the author was told of in the last 15 minutes, if that is neither read
    nor on its way out of the house; else they make a new notice. The id of the notice.

    Whoever tells the same author meanwhile waits, so that two make one notice: on PostgreSQL for the row of the
    person (in the way of no reference to it), on SQLite for the one writer.
    """
    if tx.on_postgres:
        tx.run(sa.select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
    before = _find_gathering(tx, user_id, now)
    facts = _gathered({} if before is None else before.facts, late)
    message = _lateness(facts)
    if before is not None:
        unread = sa.update(notices).where(notices.c.id == before.id, notices.c.read_at.is_(None))
        if tx.run(unread.values(facts=facts, message=message)).rowcount == 1:
            _put_off(tx, before, message, facts, now)
            gathering: UUID = before.id
            return gathering
    return _write(tx, user_id, "posts.too_late", message, now, facts=facts, wait=GATHERED_QUIET)


def list_notices(
    tx: Tx, user_id: UUID, *, unread_only: bool, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[Row[Any]]:
    """The newest first; `before` is the last one of the page before (created_at and id)."""
    statement = sa.select(notices).where(notices.c.user_id == user_id)
    if unread_only:
        statement = statement.where(notices.c.read_at.is_(None))
    if before is not None:
        at, notice_id = before
        older = sa.and_(notices.c.created_at == at, notices.c.id < notice_id)
        statement = statement.where(notices.c.created_at <= at, sa.or_(notices.c.created_at < at, older))
    return tx.all(statement.order_by(notices.c.created_at.desc(), notices.c.id.desc()).limit(limit))


def count_unread(tx: Tx, user_id: UUID, *, most: int | None = None) -> int:
    """How many of this person's notices are unread; counted no further than `most`."""
    unread = sa.select(sa.literal(1)).where(notices.c.user_id == user_id, notices.c.read_at.is_(None)).limit(most)
    count: int = tx.value(sa.select(sa.func.count()).select_from(unread.subquery()))
    return count


def mark_read(tx: Tx, user_id: UUID, notice_id: UUID) -> bool:
    """True if there was such a notice of this person."""
    statement = sa.update(notices).where(notices.c.id == notice_id, notices.c.user_id == user_id)
    return tx.run(statement.values(read_at=sa.func.coalesce(notices.c.read_at, tx.now()))).rowcount == 1


def mark_these_read(tx: Tx, user_id: UUID, notice_ids: Collection[UUID]) -> int:
    """Those of these that are this person's and unread are read. How many."""
    these = notices.c.id.in_(notice_ids), notices.c.user_id == user_id, notices.c.read_at.is_(None)
    return tx.run(sa.update(notices).where(*these).values(read_at=tx.now())).rowcount


def mark_all_read(tx: Tx, user_id: UUID, *, up_to: UUID | None = None) -> int:
    """Every notice of this person is read, or those not newer than this one: it may be the last that was shown. How many."""
    unread = sa.update(notices).where(notices.c.user_id == user_id, notices.c.read_at.is_(None))
    if up_to is not None:
        shown = sa.select(notices.c.created_at).where(notices.c.id == up_to, notices.c.user_id == user_id)
        unread = unread.where(notices.c.created_at <= shown.scalar_subquery())
    return tx.run(unread.values(read_at=tx.now())).rowcount


def mail_kinds(tx: Tx, user_id: UUID) -> Sequence[str]:
    """The kinds of notices that this person gets by mail."""
    return mailed(tx.value(sa.select(users.c.mail_kinds).where(users.c.id == user_id)))


def choose_mail_kinds(tx: Tx, user_id: UUID, kinds: Sequence[str] | None) -> None:
    """From now on this person gets these kinds by mail; None: those that ask for something."""
    tx.run(sa.update(users).where(users.c.id == user_id).values(mail_kinds=None if kinds is None else list(kinds)))


def _write(
    tx: Tx, user_id: UUID, kind: str, message: str, now: datetime, *, post_id: UUID | None = None,
    target_id: UUID | None = None, facts: Mapping[str, Any], wait: timedelta = timedelta(0),
) -> UUID:  # fmt: skip
    return _write_all(tx, [_Notice(user_id, kind, message, facts, post_id, target_id)], now, wait=wait)[0]


def _write_all(tx: Tx, many: Sequence[_Notice], now: datetime, *, wait: timedelta = timedelta(0)) -> list[UUID]:
    """The notices, and their ways out: by mail and by each webhook that takes such a kind. They leave after `wait`."""
    rows: list[dict[str, Any]] = [
        {"id": new_id(now), "user_id": one.user_id, "post_id": one.post_id, "target_id": one.target_id, "kind": one.kind,
         "message": one.message, "facts": dict(one.facts), "created_at": now}
        for one in many
    ]  # fmt: skip
    tx.run_each(_INSERT, rows)
    told = {one.user_id for one in many}
    # who is shut out sees nothing more of what is here
    people = {person.id: mailed(person.mail_kinds) for person in tx.all(_LET_IN, ids=told)}
    # kept from being deleted at this moment: an event without its webhook would undo all that is told of
    listening = tx.all(_LISTENING, ids=people)
    for row in rows:
        kind, user_id = row["kind"], row["user_id"]
        if tx.mailing and kind in people.get(user_id, ()):
            insert_mail(tx, user_id, kind, notice_id=row["id"], wait=wait)
        for webhook in listening:
            if webhook.user_id == user_id and takes(webhook.kinds, kind):
                body = _body(row["id"], kind, row["message"], row["post_id"], row["facts"], now)
                insert_event(tx, webhook.id, kind, body, notice_id=row["id"], due_at=tx.now() + wait)
    return [row["id"] for row in rows]


def _body(
    notice_id: UUID, kind: str, message: str, post_id: UUID | None, facts: Mapping[str, Any], at: datetime
) -> dict[str, Any]:
    """What a webhook is sent (standard-webhooks: spec/standard-webhooks.md, "Payload structure")."""
    about = {} if post_id is None else {"postId": str(post_id)}
    return {
        "type": kind, "timestamp": _at(at),
        "data": {"noticeId": str(notice_id), "message": message, **about, **facts},
    }  # fmt: skip


_PARTS_READ = (
    sa.update(notices)
    .where(one_of(notices.c.post_id, "ids"), notices.c.kind == "target.parked", notices.c.read_at.is_(None))
    .values(read_at=sa.bindparam("now"))
)
_INSERT = sa.insert(notices)
_LET_IN = sa.select(users.c.id, users.c.mail_kinds).where(one_of(users.c.id, "ids"), users.c.disabled_at.is_(None))
_LISTENING = (
    sa.select(webhooks.c.id, webhooks.c.user_id, webhooks.c.kinds)
    .where(one_of(webhooks.c.user_id, "ids"), webhooks.c.disabled_at.is_(None))
    .order_by(webhooks.c.id).with_for_update(read=True, key_share=True)
)  # fmt: skip
_MEMBERS = (
    sa.select(
        targets.c.id, targets.c.post_id, targets.c.platform, targets.c.account_id, targets.c.status, targets.c.url,
        targets.c.message, targets.c.code, accounts.c.handle,
    )
    .join(accounts, accounts.c.id == targets.c.account_id)
    .where(one_of(targets.c.post_id, "ids")).order_by(targets.c.position, targets.c.id)
)  # fmt: skip


def _targets(tx: Tx, post_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """What became of each target of these posts, as programs want to know it."""
    told: dict[UUID, list[dict[str, Any]]] = {post_id: [] for post_id in post_ids}
    for row in tx.all(_MEMBERS, ids=post_ids):
        told[row.post_id].append({
            "targetId": str(row.id), "platform": row.platform, "accountId": str(row.account_id), "handle": row.handle,
            "status": row.status, "url": row.url, "error": row.message or None, "code": row.code or None,
        })  # fmt: skip
    return told


def _find_gathering(tx: Tx, user_id: UUID, now: datetime) -> Row[Any] | None:
    """The author's notice of what was too late that may still grow: unread, young, and not on its way anywhere."""
    row = tx.first(
        sa.select(notices)
        .where(
            notices.c.user_id == user_id, notices.c.kind == "posts.too_late", notices.c.read_at.is_(None),
            notices.c.created_at > now - GATHERED_FOR,
        )
        .order_by(notices.c.created_at.desc(), notices.c.id.desc()).limit(1)
    )  # fmt: skip
    if row is None:
        return None
    for way in (mails, webhook_events):
        # locked, so that nobody claims it between this look and our writing
        mine = sa.select(way.c.tries).where(way.c.notice_id == row.id).order_by(way.c.id).with_for_update()
        if any(one.tries for one in tx.all(mine)):
            return None
    return row


def _put_off(tx: Tx, notice: Row[Any], message: str, facts: Mapping[str, Any], now: datetime) -> None:
    """More came: its ways out say so, and wait a little longer, but never beyond the time in which it gathers."""
    due_at = min(now + GATHERED_QUIET, notice.created_at + GATHERED_FOR)
    body = _body(notice.id, notice.kind, message, notice.post_id, facts, notice.created_at)
    tx.run(sa.update(mails).where(mails.c.notice_id == notice.id).values(due_at=due_at))
    tx.run(sa.update(webhook_events).where(webhook_events.c.notice_id == notice.id).values(due_at=due_at, body=body))


def _gathered(facts: Mapping[str, Any], late: Sequence[Late]) -> dict[str, Any]:
    listed = [*facts.get("targets", ())]
    listed += [
        {
            "postId": str(one.post_id), "targetId": str(one.target_id), "platform": one.platform, "handle": one.handle,
            "scheduledAt": _at(one.scheduled_at),
        }
        for one in late
    ]  # fmt: skip
    return {"count": facts.get("count", 0) + len(late), "targets": listed[:LISTED]}


def _lateness(facts: Mapping[str, Any]) -> str:
    count, listed = facts["count"], facts["targets"]
    named = [
        f"{one['handle']} ({one['platform']}), planned for {datetime.fromisoformat(one['scheduledAt']):%d %b %Y, %H:%M} UTC"
        for one in listed[:NAMED]
    ]
    more = f"; and {count - len(named)} more" if count > len(named) else ""
    what = "1 post was" if count == 1 else f"{count} posts, counted once for each account, were"
    return f"{what} not sent, because it was later by then than you allowed: {'; '.join(named)}{more}."


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _posts(count: int) -> str:
    return "1 post" if count == 1 else f"{count} posts"


def _places(count: int) -> str:
    return "1 account" if count == 1 else f"{count} accounts"
