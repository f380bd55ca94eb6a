"""The pages of webhooks: where one's programs are told, how that goes, and what was sent. They work without scripts."""

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from hayon.domain.notices import KINDS
from hayon.errors import Conflict, Invalid, Mistake
from hayon.web import webhooks
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, new_key, read_key, shape
from hayon.web.pages_inside import go, problems_of, show, unknown_button
from hayon.web.paging import Cursor
from hayon.web.webhooks import Tested, WebhookMade, WebhookPatch

router = APIRouter(route_class=PageRoute, include_in_schema=False)

WebhookId = Annotated[UUID, Path(alias="webhookId")]
EventId = Annotated[UUID, Path(alias="eventId")]
Told = Annotated[str, Query(max_length=20)]
EVENTS = 25


@router.get("/settings/webhooks")
async def show_webhooks(me: Visitor, desk: TheDesk, told: Told = "") -> Response:
    """Every webhook, and the form for another."""
    return await _webhooks(desk, me, told=told)


@router.post("/settings/webhooks")
async def make_webhook(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """A new webhook; its secret is shown on the page that answers, and never again. Pressed twice it makes one."""
    try:
        given = shape(webhooks.WebhookIn, _wanted(form))
        made = await webhooks.create_webhook(given, me, desk, read_key(form) or None)
    except (Invalid, Conflict) as error:
        return await _webhooks(desk, me, form=form, error=error)
    return await _webhook(desk, me, made.webhook_id, made=made)


@router.get("/settings/webhooks/{webhookId}")
async def show_webhook(
    webhook_id: WebhookId, me: Visitor, desk: TheDesk, told: Told = "", cursor: Cursor = None
) -> Response:
    """One webhook: how it goes, what it takes, and what was sent."""
    return await _webhook(desk, me, webhook_id, told=told, cursor=cursor)


@router.post("/settings/webhooks/{webhookId}")
async def change_webhook(webhook_id: WebhookId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Another address or other kinds."""
    try:
        await webhooks.change_webhook(webhook_id, shape(WebhookPatch, _wanted(form)), me, desk)
    except Invalid as error:
        return await _webhook(desk, me, webhook_id, form=form, error=error)
    return go(f"/settings/webhooks/{webhook_id}?told=webhook")


@router.post("/settings/webhooks/{webhookId}/decide")
async def decide(webhook_id: WebhookId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """A test, a new secret, off and on again, or gone."""
    wish = form.text("do")
    if wish == "test":
        return await _webhook(desk, me, webhook_id, tested=await webhooks.test_webhook(webhook_id, me, desk))
    if wish == "secret":
        return await _webhook(
            desk, me, webhook_id, made=await webhooks.renew_secret(webhook_id, me, desk), renewed=True
        )
    if wish == "delete":
        await webhooks.delete_webhook(webhook_id, me, desk)
        return go("/settings/webhooks?told=webhook-delete")
    if wish not in {"pause", "resume"}:
        raise Invalid([unknown_button(wish)])
    await webhooks.change_webhook(webhook_id, WebhookPatch(enabled=wish == "resume"), me, desk)
    return go(f"/settings/webhooks/{webhook_id}?told=webhook-{wish}")


@router.post("/settings/webhooks/{webhookId}/events/{eventId}/replay")
async def replay_event(webhook_id: WebhookId, event_id: EventId, me: Sender, desk: TheDesk) -> Response:
    """Sends an event once more, under its old id."""
    try:
        await webhooks.replay_event(webhook_id, event_id, me, desk)
    except Conflict as error:
        return await _webhook(desk, me, webhook_id, error=error)
    return go(f"/settings/webhooks/{webhook_id}?told=webhook-replay")


def _wanted(form: Form) -> dict[str, Any]:
    return {"url": form.text("url").strip(), "kinds": form.texts("kinds")}


async def _webhooks(
    desk: Desk, me: Caller, *, told: str = "", form: Form | None = None, error: Mistake | None = None
) -> Response:
    known = await webhooks.list_webhooks(me, desk)
    return await show(
        desk, me, "webhooks.html", told=told, heading="Not made", problems=problems_of(error),
        status=error.status if error else 200, here="settings", webhooks=known.webhooks, kinds=KINDS.values(),
        typed=form.text("url")[:2_000] if form is not None else "",
        chosen=form.texts("kinds") if form is not None else [], key=new_key(),
    )  # fmt: skip


async def _webhook(
    desk: Desk, me: Caller, webhook_id: UUID, *, told: str = "", form: Form | None = None, error: Mistake | None = None,
    made: WebhookMade | None = None, renewed: bool = False, tested: Tested | None = None, cursor: str | None = None,
) -> Response:  # fmt: skip
    webhook = await webhooks.get_webhook(webhook_id, me, desk)
    events = await webhooks.list_events(webhook_id, me, desk, EVENTS, cursor)
    return await show(
        desk, me, "webhook.html", told=told, heading="Not done", problems=problems_of(error),
        status=error.status if error else 200, here="settings", webhook=webhook, kinds=KINDS.values(),
        typed=form.text("url")[:2_000] if form is not None else webhook.url,
        chosen=form.texts("kinds") if form is not None else webhook.kinds, made=made, renewed=renewed, tested=tested,
        events=[(one, json.dumps(one.body, indent=2, ensure_ascii=False)) for one in events.events],
        older=events.next_cursor,
    )  # fmt: skip
