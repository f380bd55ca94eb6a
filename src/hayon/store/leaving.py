"""What is to leave the house: mails, and events of webhooks. Written with what they tell, claimed under a lease, settled.

A row is due while `due_at` is set; a claim moves that to the end of its lease, so that what a dead process held is due
again by itself. The number of tries is the fence: who lost the lease settles nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.notices import PASSWORD_RESET
from hayon.domain.pacing import MAIL_STEPS, next_sending
from hayon.store.database import Tx, new_id
from hayon.store.schema import mails, notices, users, webhook_events, webhooks

AT_ONCE = 4
"""Events of one webhook on their way at the same time; one that fails gets one."""
KEPT = timedelta(days=30)
"""How long mails and events are kept after they have left, or were given up."""
STALE = timedelta(days=1, hours=1)
"""A mail that could not even be tried by then (no mail server was set) is given up."""
LASTS = {PASSWORD_RESET: timedelta(hours=1)}
"""Mails that are of no use after this."""
_OLD_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail under lease, with whom it goes to and the notice it tells of (None where it tells of none)."""

    id: UUID
    kind: str
    email: str
    name: str
    timezone: str
    sealed: bytes | None
    tries: int
    created_at: datetime
    message: str | None
    post_id: UUID | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """An event under lease, with the webhook it goes to."""

    id: UUID
    webhook_id: UUID
    url: str
    sealed: bytes
    kind: str
    body: Mapping[str, Any]
    tries: int


def insert_mail(
    tx: Tx, user_id: UUID, kind: str, *, seal: Callable[[str], bytes] | None = None, notice_id: UUID | None = None,
    wait: timedelta = timedelta(0),
) -> UUID:  # fmt: skip
    """Writes down that this person gets a mail of this kind; its id. It leaves as soon as a relay looks, after `wait`.

    `seal` is given the context and seals what only the mail may show: `lambda context: vault.seal({"link": …}, context)`
    for a password.reset. It is emptied once the mail was sent, or given up.
    """
    now = tx.now()
    mail_id = new_id(now)
    tx.run(
        sa.insert(mails).values(
            id=mail_id, user_id=user_id, notice_id=notice_id, kind=kind, sealed=seal(str(mail_id)) if seal else None,
            due_at=now + wait, created_at=now,
        )
    )  # fmt: skip
    return mail_id


def insert_event(
    tx: Tx, webhook_id: UUID, kind: str, body: Mapping[str, Any], *, notice_id: UUID | None = None,
    due_at: datetime | None,
) -> UUID:  # fmt: skip
    """Writes down that this webhook gets an event; its id, which stays the same at every try."""
    now = tx.now()
    event_id = new_id(now)
    tx.run(
        sa.insert(webhook_events).values(
            id=event_id, webhook_id=webhook_id, notice_id=notice_id, kind=kind, body=dict(body), due_at=due_at,
            created_at=now,
        )
    )  # fmt: skip
    return event_id


def anything_due(tx: Tx) -> tuple[bool, bool]:
    """Whether mails are due, and whether events are. Two looks at an index: asked often."""
    now = tx.now()
    return (
        tx.first(sa.select(mails.c.id).where(mails.c.due_at <= now).limit(1)) is not None,
        tx.first(
            sa.select(webhooks.c.id).where(webhooks.c.disabled_at.is_(None), _first_due() <= now).limit(1)
        ) is not None,
    )  # fmt: skip


def claim_mails(tx: Tx, room: int, lease: timedelta) -> list[Mail]:
    """Takes the lease of mails that are due, the longest waiting first. What others are taking is left to them."""
    now = tx.now()
    due = sa.select(mails.c.id).where(mails.c.due_at <= now).order_by(mails.c.due_at, mails.c.id).limit(room)
    ids = _lease(tx, mails, [row.id for row in tx.all(due.with_for_update(skip_locked=True))], now, lease)
    rows = tx.all(
        sa.select(
            mails, users.c.email, users.c.name, users.c.timezone, notices.c.message, notices.c.post_id, notices.c.facts,
        )
        .join(users, users.c.id == mails.c.user_id).outerjoin(notices, notices.c.id == mails.c.notice_id)
        .where(mails.c.id.in_(ids)).order_by(mails.c.created_at, mails.c.id)
    )  # fmt: skip
    return [
        Mail(
            row.id, row.kind, row.email, row.name, row.timezone, row.sealed, row.tries, row.created_at, row.message,
            row.post_id, row.facts or {},
        )
        for row in rows
    ]  # fmt: skip


def claim_events(tx: Tx, room: int, lease: timedelta) -> list[Event]:
    """Takes the lease of events that are due, from webhook to webhook, so that no receiver holds up those of others."""
    now = tx.now()
    first_due = _first_due()
    waiting = tx.all(
        sa.select(webhooks.c.id, webhooks.c.failing_since, _count_leased(now).label("leased"))
        .where(webhooks.c.disabled_at.is_(None), first_due <= now).order_by(first_due, webhooks.c.id).limit(room)
    )  # fmt: skip
    chosen: list[UUID] = []
    for one in waiting:
        most = min((1 if one.failing_since else AT_ONCE) - one.leased, room - len(chosen))
        if most > 0:
            mine = sa.and_(webhook_events.c.webhook_id == one.id, webhook_events.c.due_at <= now)
            due = sa.select(webhook_events.c.id).where(mine).order_by(webhook_events.c.due_at, webhook_events.c.id)
            chosen.extend(row.id for row in tx.all(due.limit(most).with_for_update(skip_locked=True)))
    ids = _lease(tx, webhook_events, chosen, now, lease)
    return _read_events(tx, ids)


def claim_event(tx: Tx, event_id: UUID, lease: timedelta) -> Event:
    """Takes the lease of one event, due or not: somebody waits for what the receiver says."""
    return _read_events(tx, _lease(tx, webhook_events, [event_id], tx.now(), lease))[0]


def settle_mail(tx: Tx, mail: Mail, *, error: str = "", for_good: bool = False) -> datetime | None:
    """Writes what became of a mail. When it is tried again; None where it is sent, given up, or another's by now.

    `for_good`: it can never be sent like this.
    """
    now = tx.now()
    mine = sa.update(mails).where(mails.c.id == mail.id, mails.c.tries == mail.tries, mails.c.lease_until.is_not(None))
    if not error:
        tx.run(mine.values(due_at=None, lease_until=None, sent_at=now, sealed=None, error=""))
        return None
    due_at = None if for_good else next_sending(MAIL_STEPS, mail.tries, now)
    lasts = LASTS.get(mail.kind)
    if due_at is not None and lasts is not None and due_at > mail.created_at + lasts:
        due_at = None
    kept = {} if due_at else {"sealed": None}
    settled = tx.run(mine.values(due_at=due_at, lease_until=None, error=error, **kept)).rowcount == 1
    return due_at if settled else None


def put_off_mails(tx: Tx, claimed: Collection[Mail], until: datetime | None = None) -> None:
    """These were not tried after all, and that try does not count. They are due again then, or now."""
    for mail in claimed:
        tx.run(
            sa.update(mails).where(mails.c.id == mail.id, mails.c.tries == mail.tries, mails.c.lease_until.is_not(None))
            .values(due_at=until or tx.now(), lease_until=None, tries=mail.tries - 1)
        )  # fmt: skip


def give_up_stale(tx: Tx) -> int:
    """Mails that nobody tried within their time, for no mail server is set any more, are given up. How many."""
    now = tx.now()
    stale = sa.or_(
        mails.c.created_at < now - STALE,
        *(sa.and_(mails.c.kind == kind, mails.c.created_at < now - lasts) for kind, lasts in LASTS.items()),
    )
    unleased = sa.or_(mails.c.lease_until.is_(None), mails.c.lease_until < now)
    left = sa.update(mails).where(mails.c.due_at.is_not(None), stale, unleased)
    return tx.run(left.values(due_at=None, sealed=None, error="It was not sent in time.")).rowcount


def forget_old(tx: Tx) -> int:
    """Throws away what left, or was given up, long ago. How many."""
    horizon = tx.now() - KEPT
    count = 0
    for table in (mails, webhook_events):
        # ids grow with time, so that the oldest are found at one end of an index
        old = sa.select(table.c.id).where(
            table.c.id < oldest_id(horizon), table.c.due_at.is_(None), table.c.created_at < horizon
        )
        ids = [row.id for row in tx.all(old.order_by(table.c.id).limit(_OLD_AT_ONCE))]
        if ids:
            count += tx.run(sa.delete(table).where(table.c.id.in_(ids))).rowcount
    return count


def oldest_id(moment: datetime) -> UUID:
    """The least id that can have been made at this moment (`store/database.py:new_id`)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _first_due() -> sa.ScalarSelect[Any]:
    mine = webhook_events.c.webhook_id == webhooks.c.id
    first = sa.select(sa.func.min(webhook_events.c.due_at)).where(mine, webhook_events.c.due_at.is_not(None))
    return first.correlate(webhooks).scalar_subquery()


def _count_leased(now: datetime) -> sa.ScalarSelect[Any]:
    """What is on its way: of that the row is due exactly when its lease ends."""
    leased = sa.select(sa.func.count()).select_from(webhook_events).where(
        webhook_events.c.webhook_id == webhooks.c.id, webhook_events.c.due_at > now,
        webhook_events.c.lease_until == webhook_events.c.due_at,
    )  # fmt: skip
    return leased.correlate(webhooks).scalar_subquery()


def _lease(tx: Tx, table: sa.Table, ids: Sequence[UUID], now: datetime, lease: timedelta) -> list[UUID]:
    """Takes the lease of those of these that are still due, or were due at no time: nobody else has them."""
    if not ids:
        return []
    until = now + lease
    free = sa.update(table).where(table.c.id.in_(ids), sa.or_(table.c.due_at.is_(None), table.c.due_at <= now))
    taken = free.values(due_at=until, lease_until=until, tries=table.c.tries + 1).returning(table.c.id)
    return [row.id for row in tx.all(taken)]


def _read_events(tx: Tx, ids: Collection[UUID]) -> list[Event]:
    rows: Sequence[Row[Any]] = tx.all(
        sa.select(webhook_events, webhooks.c.url, webhooks.c.sealed)
        .join(webhooks, webhooks.c.id == webhook_events.c.webhook_id)
        .where(webhook_events.c.id.in_(ids)).order_by(webhook_events.c.id)
    )  # fmt: skip
    return [Event(row.id, row.webhook_id, row.url, row.sealed, row.kind, row.body, row.tries) for row in rows]
