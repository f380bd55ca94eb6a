"""Webhooks: where programs of somebody want to be told, and how that goes. Nothing is signed, opened or sent here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from hayon.domain.notices import WEBHOOK_TEST
from hayon.domain.pacing import WEBHOOK_STEPS, next_sending
from hayon.errors import Conflict, NotFound
from hayon.store import notices
from hayon.store.database import Tx, new_id
from hayon.store.leaving import Event, claim_event, insert_event
from hayon.store.schema import replays, users, webhook_events, webhooks

MOST = 20
"""Webhooks of one person."""
PATIENCE = timedelta(days=5)
"""A webhook that failed for so long, without one success, gets nothing more."""
GAP = timedelta(days=2)
"""Longer than any wait between two tries: after this the next failure is the beginning of another story."""


class KeyUsed(Conflict):
    """Another request used this Idempotency-Key at the same moment, or for something else."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of sending an event: settled, and where it failed when it is tried again, and whether that ended the webhook."""

    settled: bool
    again_at: datetime | None = None
    disabled: bool = False


def insert_webhook(
    tx: Tx, user_id: UUID, url: str, kinds: Sequence[str], seal: Callable[[str], bytes],
    replay: tuple[str, str] | None = None,
) -> UUID:  # fmt: skip
    """A new webhook, its secret sealed by `seal` for the context it is given. `replay` is an Idempotency-Key and the
    fingerprint of the request: the same one again gives the same webhook.

    Raises Conflict where somebody has too many, and KeyUsed.
    """
    now = tx.now()
    # whoever adds one at the same moment waits, so that nobody has more than there may be
    tx.run(sa.select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
    if replay is not None and (known := _find_made(tx, user_id, *replay)) is not None:
        return known
    if len(list_webhooks(tx, user_id)) >= MOST:
        raise Conflict(f"You have {MOST} webhooks already; delete one that is no longer used.")
    webhook_id = new_id(now)
    tx.run(
        sa.insert(webhooks).values(
            id=webhook_id, user_id=user_id, url=url, kinds=list(kinds), sealed=seal(str(webhook_id)), created_at=now
        )
    )
    if replay is not None:
        key, fingerprint = replay
        made = {"user_id": user_id, "key": key, "fingerprint": fingerprint, "created_at": now}
        try:
            tx.run(sa.insert(replays).values(**made, status=201, answer={"webhookId": str(webhook_id)}))
        except IntegrityError as error:
            raise KeyUsed("This Idempotency-Key was used at the same moment for something else.") from error
    return webhook_id


def list_webhooks(tx: Tx, user_id: UUID) -> Sequence[Row[Any]]:
    """All webhooks of this person, the oldest first."""
    return tx.all(sa.select(webhooks).where(webhooks.c.user_id == user_id).order_by(webhooks.c.id))


def get_webhook(tx: Tx, user_id: UUID, webhook_id: UUID) -> Row[Any]:
    """One webhook of this person. Raises NotFound."""
    row = tx.first(sa.select(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.user_id == user_id))
    if row is None:
        raise NotFound("There is no such webhook.")
    return row


def change_webhook(
    tx: Tx, user_id: UUID, webhook_id: UUID, *, url: str | None, kinds: Sequence[str] | None, enabled: bool | None
) -> None:
    """Another address or other kinds, turned off or on again; None leaves what is there. Raises NotFound."""
    get_webhook(tx, user_id, webhook_id)
    values: dict[str, Any] = {} if url is None else {"url": url}
    if kinds is not None:
        values["kinds"] = list(kinds)
    if enabled:
        values |= {"disabled_at": None, "failing_since": None, "failed_at": None, "message": ""}
    if values:
        tx.run(sa.update(webhooks).where(webhooks.c.id == webhook_id).values(values))
    if enabled is False:
        _disable(tx, webhook_id, "You turned it off.", tx.now())


def replace_secret(tx: Tx, user_id: UUID, webhook_id: UUID, reseal: Callable[[str, bytes], bytes]) -> None:
    """Another secret: `reseal` is given the context and what is sealed now. Raises NotFound."""
    get_webhook(tx, user_id, webhook_id)
    mine = sa.select(webhooks.c.sealed).where(webhooks.c.id == webhook_id).with_for_update()
    sealed: bytes = tx.value(mine)
    changed = sa.update(webhooks).where(webhooks.c.id == webhook_id)
    tx.run(changed.values(sealed=reseal(str(webhook_id), sealed)))


def delete_webhook(tx: Tx, user_id: UUID, webhook_id: UUID) -> None:
    """The webhook and all its events go. Raises NotFound."""
    get_webhook(tx, user_id, webhook_id)
    # in this order, so that an event that is written meanwhile waits, and then finds no webhook to belong to
    tx.run(sa.select(webhooks.c.id).where(webhooks.c.id == webhook_id).with_for_update())
    tx.run(sa.delete(webhook_events).where(webhook_events.c.webhook_id == webhook_id))
    tx.run(sa.delete(webhooks).where(webhooks.c.id == webhook_id))


def list_events(
    tx: Tx, user_id: UUID, webhook_id: UUID, *, before: UUID | None = None, limit: int = 50
) -> Sequence[Row[Any]]:
    """Events of this webhook, the newest first; `before` is the last one of the page before. Raises NotFound."""
    get_webhook(tx, user_id, webhook_id)
    mine = sa.select(webhook_events).where(webhook_events.c.webhook_id == webhook_id)
    if before is not None:
        mine = mine.where(webhook_events.c.id < before)
    return tx.all(mine.order_by(webhook_events.c.id.desc()).limit(limit))


def get_event(tx: Tx, user_id: UUID, webhook_id: UUID, event_id: UUID) -> Row[Any]:
    """One event of this person's webhook. Raises NotFound."""
    get_webhook(tx, user_id, webhook_id)
    mine = webhook_events.c.webhook_id == webhook_id
    row = tx.first(sa.select(webhook_events).where(webhook_events.c.id == event_id, mine))
    if row is None:
        raise NotFound("There is no such event.")
    return row


def replay_event(tx: Tx, user_id: UUID, webhook_id: UUID, event_id: UUID) -> None:
    """The event is sent once more, under its old id, with a new start of its tries.

    Raises NotFound; Conflict where the webhook is turned off, or the event is being sent at this moment.
    """
    if get_webhook(tx, user_id, webhook_id).disabled_at is not None:
        raise Conflict("This webhook is turned off. Turn it on first: `enabled: true`.")
    get_event(tx, user_id, webhook_id, event_id)
    now = tx.now()
    idle = sa.or_(webhook_events.c.lease_until.is_(None), webhook_events.c.lease_until < now)
    again = sa.update(webhook_events).where(webhook_events.c.id == event_id, idle)
    fresh = {"due_at": now, "lease_until": None, "tries": 0, "delivered_at": None, "error": "", "http_status": None}
    if tx.run(again.values(**fresh)).rowcount != 1:
        raise Conflict("This event is being sent just now.")


def begin_test(tx: Tx, user_id: UUID, webhook_id: UUID, body: Mapping[str, Any], lease: timedelta) -> Event:
    """Writes down an event of kind webhook.test and takes its lease, for the caller sends it at once. Raises NotFound."""
    get_webhook(tx, user_id, webhook_id)
    event_id = insert_event(tx, webhook_id, WEBHOOK_TEST, body, due_at=None)
    return claim_event(tx, event_id, lease)


def settle_event(
    tx: Tx, event: Event, *, error: str = "", http_status: int | None = None, gone: bool = False,
    asked: timedelta | None = None, spread: float = 0.0,
) -> Told:  # fmt: skip
    """Writes what became of an event under its lease, and what that says of its webhook.

    `error` is empty where it was delivered. `gone`: the receiver wants nothing more, ever; the webhook is turned off at
    once. `asked` is how long it wants to be left alone. A test is tried once, and says nothing of the webhook.
    """
    # the webhook first, as its deletion does; in nobody's way who writes down an event for it
    its_row = sa.select(webhooks).where(webhooks.c.id == event.webhook_id)
    webhook = tx.first(its_row.with_for_update(key_share=True))
    now = tx.now()
    is_test = event.kind == WEBHOOK_TEST
    again_at = None
    if error and not gone and not is_test and webhook is not None and webhook.disabled_at is None:
        again_at = next_sending(WEBHOOK_STEPS, event.tries, now, asked=asked, spread=spread)
    mine = sa.update(webhook_events).where(
        webhook_events.c.id == event.id, webhook_events.c.tries == event.tries,
        webhook_events.c.lease_until.is_not(None),
    )  # fmt: skip
    told = {"error": error, "http_status": http_status, "delivered_at": None if error else now}
    if webhook is None or tx.run(mine.values(due_at=again_at, lease_until=None, **told)).rowcount != 1:
        return Told(settled=False)
    if is_test:
        return Told(settled=True)
    if not error:
        well = {"failing_since": None, "failed_at": None, "message": ""}
        if webhook.failing_since is not None:
            tx.run(sa.update(webhooks).where(webhooks.c.id == webhook.id).values(**well))
        return Told(settled=True)
    goes_on = webhook.failed_at is not None and webhook.failed_at > now - GAP
    since = webhook.failing_since if goes_on and webhook.failing_since is not None else now
    failing = {"failing_since": since, "failed_at": now, "message": error}
    tx.run(sa.update(webhooks).where(webhooks.c.id == webhook.id).values(**failing))
    if webhook.disabled_at is not None or not (gone or since <= now - PATIENCE):
        return Told(settled=True, again_at=again_at)
    why = (
        "its receiver said that it wants nothing more (410)."
        if gone
        else f"it failed for {PATIENCE.days} days. {error}"
    )
    _disable(tx, webhook.id, why[:1].upper() + why[1:], now)
    notices.webhook_disabled(tx, webhook.user_id, webhook.id, webhook.url, why, now)
    return Told(settled=True, disabled=True)


def _disable(tx: Tx, webhook_id: UUID, why: str, now: datetime) -> None:
    """Nothing more is written for it or sent to it; what was waiting stays listed, to be replayed by hand."""
    off = sa.update(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.disabled_at.is_(None))
    if tx.run(off.values(disabled_at=now, message=why)).rowcount == 1:
        waiting = sa.and_(webhook_events.c.webhook_id == webhook_id, webhook_events.c.due_at.is_not(None))
        unleased = sa.or_(webhook_events.c.lease_until.is_(None), webhook_events.c.lease_until < now)
        ended = {"due_at": None, "lease_until": None, "error": "The webhook was turned off."}
        tx.run(sa.update(webhook_events).where(waiting, unleased).values(**ended))


def _find_made(tx: Tx, user_id: UUID, key: str, fingerprint: str) -> UUID | None:
    """The webhook that an earlier request with this key made. Raises KeyUsed where that asked for something else, or it is gone."""
    known = tx.first(sa.select(replays).where(replays.c.user_id == user_id, replays.c.key == key))
    if known is None:
        return None
    made = (known.answer or {}).get("webhookId")
    if known.fingerprint != fingerprint or made is None:
        raise KeyUsed("This Idempotency-Key was used for another request already. Take a new one.")
    if tx.first(sa.select(webhooks.c.id).where(webhooks.c.id == UUID(made))) is None:
        raise KeyUsed("The webhook that this Idempotency-Key made was deleted since. Take a new one.")
    return UUID(made)
