"""The routes of webhooks: where your programs are told, how that goes, and what was sent. Signing and sending is in notifying."""

import hashlib
import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hayon.notifying import check_address, new_secret, renew, seal_secret, shown_secret
from hayon.store import webhooks
from hayon.store.database import Tx
from hayon.web.auth import MayKeepNotices, MayRead
from hayon.web.desk import Desk, TheDesk
from hayon.web.notices import Kinds, check_kinds
from hayon.web.paging import Cursor, read_cursor, write_cursor
from hayon.web.problems import refusals
from hayon.web.repeating import KeyReused, idempotency_key
from hayon.web.wire import Answered, Flag, Given, Moment, Text

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])

WebhookId = Annotated[UUID, Path(alias="webhookId")]
EventId = Annotated[UUID, Path(alias="eventId")]
Address = Annotated[Text, Field(min_length=1, max_length=2_000)]
IdempotencyKey = Annotated[str | None, idempotency_key("webhook")]


class WebhookIn(Given):
    """Where events are sent, and of which kinds; none named means every kind, those of later versions too."""

    url: Address
    kinds: Kinds = Field(default_factory=list)


class WebhookPatch(Given):
    """What is to be changed. `enabled` turns it off, or on again."""

    url: Address | None = None
    kinds: Kinds | None = None
    enabled: Flag | None = None


class WebhookOut(Answered):
    """A webhook, without its secret. `failingSince` and `message` tell how it goes: since when, and what was answered last."""

    webhook_id: UUID
    url: str
    kinds: list[str]
    created_at: Moment
    enabled: bool
    disabled_at: Moment | None
    failing_since: Moment | None
    message: str


class WebhookMade(WebhookOut):
    """A webhook with its secret, which is shown this once."""

    secret: str


class Webhooks(Answered):
    """All your webhooks, the oldest first."""

    webhooks: list[WebhookOut]


class EventOut(Answered):
    """One event of a webhook: what was sent, and what came of it. `nextTryAt` is null once it was delivered or given up."""

    event_id: UUID
    kind: str
    body: dict[str, Any]
    created_at: Moment
    tries: int
    next_try_at: Moment | None
    delivered_at: Moment | None
    http_status: int | None
    message: str


class Events(Answered):
    """Events of a webhook, the newest first. They are kept for 30 days after they were delivered or given up."""

    events: list[EventOut]
    next_cursor: str | None


class Tested(Answered):
    """What the receiver answered to the test. `httpStatus` is null where it did not answer."""

    delivered: bool
    http_status: int | None
    message: str


@router.get("", responses=refusals(401, 403))
async def list_webhooks(me: MayRead, desk: TheDesk) -> Webhooks:
    """Your webhooks, and how they do."""
    rows = await desk.hayon.database.read(webhooks.list_webhooks, me.person.id)
    return Webhooks(webhooks=[_out(row) for row in rows])


@router.post("", status_code=201, responses=refusals(401, 403, 409))
async def create_webhook(
    given: WebhookIn, me: MayKeepNotices, desk: TheDesk, idempotency_key: IdempotencyKey = None
) -> WebhookMade:
    """A new webhook. Its secret, by which what is sent can be told from what others send, is shown this once."""
    _check(desk, given.url)
    kinds = check_kinds("kinds", given.kinds)
    vault, secret = desk.hayon.vault, new_secret()
    replay = None if idempotency_key is None else (idempotency_key, _fingerprint(given))

    def make(tx: Tx) -> WebhookMade:
        webhook_id = webhooks.insert_webhook(
            tx, me.person.id, given.url, kinds, lambda context: seal_secret(vault, secret, context), replay
        )
        row = webhooks.get_webhook(tx, me.person.id, webhook_id)
        return WebhookMade(**_out(row).model_dump(), secret=shown_secret(vault, row.sealed, str(webhook_id)))

    try:
        return await desk.hayon.database.write(make)
    except webhooks.KeyUsed as error:
        raise KeyReused(str(error)) from error


@router.get("/{webhookId}", responses=refusals(401, 403, 404))
async def get_webhook(webhook_id: WebhookId, me: MayRead, desk: TheDesk) -> WebhookOut:
    """One webhook."""
    return _out(await desk.hayon.database.read(webhooks.get_webhook, me.person.id, webhook_id))


@router.patch("/{webhookId}", responses=refusals(401, 403, 404))
async def change_webhook(
    webhook_id: WebhookId, given: WebhookPatch, me: MayKeepNotices, desk: TheDesk
) -> WebhookOut:  # fmt: skip
    """Another address, other kinds; turned off, or on again. What was waiting when it was turned off can be replayed."""
    if given.url is not None:
        _check(desk, given.url)
    kinds = None if given.kinds is None else check_kinds("kinds", given.kinds)

    def change(tx: Tx) -> WebhookOut:
        webhooks.change_webhook(tx, me.person.id, webhook_id, url=given.url, kinds=kinds, enabled=given.enabled)
        return _out(webhooks.get_webhook(tx, me.person.id, webhook_id))

    return await desk.hayon.database.write(change)


@router.delete("/{webhookId}", status_code=204, responses=refusals(401, 403, 404))
async def delete_webhook(webhook_id: WebhookId, me: MayKeepNotices, desk: TheDesk) -> None:
    """The webhook and its events go; nothing more is sent."""
    await desk.hayon.database.write(webhooks.delete_webhook, me.person.id, webhook_id)


@router.post("/{webhookId}/secret", responses=refusals(401, 403, 404))
async def renew_secret(webhook_id: WebhookId, me: MayKeepNotices, desk: TheDesk) -> WebhookMade:
    """A new secret, shown this once. For a day the old one signs too, so that your receiver can follow without a gap."""
    vault, secret = desk.hayon.vault, new_secret()

    def change(tx: Tx) -> WebhookMade:
        now = tx.now()
        webhooks.replace_secret(
            tx, me.person.id, webhook_id, lambda context, sealed: renew(vault, secret, context, sealed, now)
        )
        row = webhooks.get_webhook(tx, me.person.id, webhook_id)
        return WebhookMade(**_out(row).model_dump(), secret=secret)

    return await desk.hayon.database.write(change)


@router.post("/{webhookId}/test", responses=refusals(401, 403, 404))
async def test_webhook(webhook_id: WebhookId, me: MayKeepNotices, desk: TheDesk) -> Tested:
    """Sends an event of kind `webhook.test` now, once, and says what the receiver answered."""
    verdict = await desk.hayon.leaving.test_webhook(me.person.id, webhook_id)
    message = verdict.error or "The receiver took it."
    return Tested(delivered=not verdict.error, http_status=verdict.http_status, message=message)


@router.get("/{webhookId}/events", responses=refusals(401, 403, 404))
async def list_events(
    webhook_id: WebhookId, me: MayRead, desk: TheDesk, limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> Events:  # fmt: skip
    """What was sent, or is to be sent, the newest first. `cursor` is the `nextCursor` of the page before."""
    before = None if cursor is None else read_cursor(cursor)[1]
    rows = await desk.hayon.database.read(
        webhooks.list_events, me.person.id, webhook_id, before=before, limit=limit + 1
    )
    shown = rows[:limit]
    following = write_cursor(shown[-1].created_at, shown[-1].id) if len(rows) > limit else None
    return Events(events=[_event_out(row) for row in shown], next_cursor=following)


@router.post("/{webhookId}/events/{eventId}/replay", status_code=202, responses=refusals(401, 403, 404, 409))
async def replay_event(webhook_id: WebhookId, event_id: EventId, me: MayKeepNotices, desk: TheDesk) -> EventOut:
    """Sends an event once more, delivered or not, under its old id."""

    def replay(tx: Tx) -> EventOut:
        webhooks.replay_event(tx, me.person.id, webhook_id, event_id)
        return _event_out(webhooks.get_event(tx, me.person.id, webhook_id, event_id))

    return await desk.hayon.database.write(replay)


def _check(desk: Desk, url: str) -> None:
    check_address(url, private=desk.hayon.settings.allow_private_addresses)


def _fingerprint(given: WebhookIn) -> str:
    return hashlib.sha256(json.dumps(["webhook", given.model_dump()], sort_keys=True).encode()).hexdigest()


def _out(row: Any) -> WebhookOut:
    return WebhookOut(
        webhook_id=row.id, url=row.url, kinds=row.kinds, created_at=row.created_at, enabled=row.disabled_at is None,
        disabled_at=row.disabled_at, failing_since=row.failing_since, message=row.message,
    )  # fmt: skip


def _event_out(row: Any) -> EventOut:
    return EventOut(
        event_id=row.id, kind=row.kind, body=row.body, created_at=row.created_at, tries=row.tries,
        next_try_at=row.due_at, delivered_at=row.delivered_at, http_status=row.http_status, message=row.error,
    )  # fmt: skip
