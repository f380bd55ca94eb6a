"""Statuses of the simulated instance: create under an Idempotency-Key, read, list, delete.

Source: mastodon app/services/post_status_service.rb, app/controllers/api/v1/statuses_controller.rb,
lib/redis_lock.rb of marioizquierdo/mario-redis-lock for the wait under a key.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.mastodon.entities import status_json
from hayon.sandbox.mastodon.instance import instance_of
from hayon.sandbox.mastodon.limits import InstanceLimits
from hayon.sandbox.mastodon.text import counted_length
from hayon.sandbox.mastodon.wire import (
    BROKEN_PAGE,
    TRY_AGAIN,
    caller,
    charge,
    count,
    error,
    invalid,
    not_found,
    parameters,
    text_of,
    truth_of,
    viewer,
)
from hayon.sandbox.model import AccessToken, Account, Media, Status

VISIBILITIES = ("public", "unlisted", "private", "direct")
LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]+)*")
NOT_SIMULATED = ("poll", "scheduled_at", "quoted_status_id", "quote_id")
FILLED_IN = {"video": "📹", "audio": "🎵", "image": "🖼"}
BLANKS = " \t\n\v\f\r\0"


def note_key(call: Call) -> None:
    """Look the key up at arrival, for servers that do so only then."""
    key = _key(call)
    call.begun = instance_of(call.world).find_key(call.account.account_id, key) if call.account and key else None


@contextlib.asynccontextmanager
async def one_at_a_time(call: Call) -> AsyncIterator[None]:
    """Requests of one account under one key wait for one another, up to ten seconds, since 4.6.0."""
    key = _key(call)
    if not key or call.account is None or call.met.find("key_at_start"):
        yield
        return
    instance, name = instance_of(call.world), (call.account.account_id, key)
    lock = instance.locks.setdefault(name, asyncio.Lock())
    instance.lock_users[name] += 1
    try:
        try:
            await asyncio.wait_for(lock.acquire(), call.world.limits.of(InstanceLimits).key_wait_seconds)
        except TimeoutError:
            raise error(503, TRY_AGAIN) from None
        try:
            yield
        finally:
            lock.release()
    finally:
        instance.lock_users[name] -= 1
        if not instance.lock_users[name]:
            del instance.lock_users[name]
            instance.locks.pop(name, None)


async def create_status(call: Call) -> Answer:
    """POST /api/v1/statuses."""
    charge(call)
    given = await parameters(call)
    # from here to the effect nothing waits: what was found stays true
    account, token = caller(call, "write:statuses")
    for name in NOT_SIMULATED:
        if given.get(name) or any(held.startswith(f"{name}[") for held in given):
            raise error(501, f"The sandbox does not simulate {name}")
    parent = text_of(given, "in_reply_to_id")
    if parent and parent not in instance_of(call.world).statuses:
        raise error(404, "The post you are trying to reply to does not appear to exist.")
    key = _key(call)
    earlier = call.begun if call.met.find("key_at_start") else key and _earlier(call, account, key)
    if earlier:
        return _repeat(call, account, key, earlier)
    status = _drafted(call, account, token, given)
    if not call.met.find("silent_drop"):
        count(call, ("mastodon.statuses", account.account_id))
        entry = call.world.entry(
            account,
            "createStatus",
            status.status_id,
            call.request_id,
            key=key,
            text=status.text,
            media_ids=status.media_ids,
        )
        call.world.happen(*instance_of(call.world).create(status, key), entry)
    return Answer(status_json(call, status))


async def get_status(call: Call) -> Answer:
    """GET /api/v1/statuses/:id."""
    charge(call)
    return Answer(status_json(call, _visible(call)))


async def get_source(call: Call) -> Answer:
    """GET /api/v1/statuses/:id/source."""
    charge(call)
    caller(call, "read:statuses")
    status = _visible(call)
    return Answer({"id": status.status_id, "text": status.text, "spoiler_text": status.spoiler_text})


async def delete_status(call: Call) -> Answer:
    """DELETE /api/v1/statuses/:id: gone at once, its media free again unless `delete_media`."""
    account, _ = caller(call, "write:statuses")
    charge(call, ("mastodon.delete", account.account_id))
    given = await parameters(call)
    status = instance_of(call.world).statuses.get(call.request.path_params["id"])
    if status is None or status.account_id != account.account_id:
        raise not_found()
    body = status_json(call, status, with_text=True)
    gone = {"status_id": status.status_id, "delete_media": bool(truth_of(given, "delete_media"))}
    entry = call.world.entry(account, "deleteStatus", status.status_id, call.request_id, text=status.text)
    call.world.happen(("status_gone", gone), entry)
    return Answer(body)


async def list_statuses(call: Call) -> Answer:
    """GET /api/v1/accounts/:id/statuses, newest first."""
    charge(call)
    account_id, query = call.request.path_params["id"], call.request.query_params
    reader, instance = viewer(call), instance_of(call.world)
    author = call.world.find_account("mastodon", account_id)
    if author is None or author.account_id != account_id:
        raise not_found()
    statuses = instance.list_statuses(account_id)
    if reader is None or reader.account_id != account_id:
        statuses = [one for one in statuses if one.visibility in ("public", "unlisted")]
    if truth_of(dict(query), "exclude_replies"):
        statuses = [one for one in statuses if one.in_reply_to_id is None]
    if truth_of(dict(query), "only_media"):
        statuses = [one for one in statuses if one.media_ids]
    for name in ("max_id", "since_id", "min_id"):
        edge = query.get(name, "")
        if edge.isdigit():
            later = name != "max_id"
            statuses = [
                one for one in statuses if (int(one.status_id) > int(edge) if later else int(one.status_id) < int(edge))
            ]
    limit = query.get("limit", "20")
    most = min(int(limit), 40) if limit.isdigit() and int(limit) else 20
    page = statuses[-most:] if query.get("min_id") else statuses[:most]
    headers = {}
    if page:
        here = f"{call.base_url}{call.request.url.path}?limit={most}"
        headers["link"] = (
            f'<{here}&max_id={page[-1].status_id}>; rel="next", <{here}&min_id={page[0].status_id}>; rel="prev"'
        )
    return Answer([status_json(call, one) for one in page], headers=headers)


def _key(call: Call) -> str | None:
    return call.request.headers.get("idempotency-key") or None


def _earlier(call: Call, account: Account, key: str) -> str | None:
    return instance_of(call.world).find_key(account.account_id, key)


def _repeat(call: Call, account: Account, key: str | None, status_id: str) -> Answer:
    status = instance_of(call.world).statuses.get(status_id)
    if status is None:
        raise not_found()
    entry = call.world.entry(
        account,
        "createStatus",
        status_id,
        call.request_id,
        key=key,
        text=status.text,
        media_ids=status.media_ids,
        repeat=True,
    )
    call.world.happen(entry)
    crash = call.met.find("crash_on_repeat")
    if crash:
        call.world.faults.strike(crash)
        raise Refused(500, BROKEN_PAGE)
    return Answer(status_json(call, status))


def _drafted(call: Call, account: Account, token: AccessToken, given: dict[str, Any]) -> Status:
    media = _media(call, account, given.get("media_ids") or [])
    spoiler = (text_of(given, "spoiler_text") or "").strip(BLANKS)
    text = (text_of(given, "status") or "").strip(BLANKS)
    if not text and spoiler:
        text = FILLED_IN[media[0].mime_type.split("/")[0]] if media else "."
    if not text and not media:
        raise invalid("Text can't be blank")
    limits = call.world.limits.of(InstanceLimits)
    if counted_length(text, spoiler, limits.characters_per_url) > limits.characters:
        raise invalid(f"Text character limit of {limits.characters} exceeded")
    visibility = text_of(given, "visibility") or "public"
    if visibility not in VISIBILITIES:
        raise error(422, f"'{visibility}' is not a valid visibility")
    language = text_of(given, "language")
    app = instance_of(call.world).apps.get(token.client_id)
    late = call.met.find("list_late")
    return Status(
        status_id=instance_of(call.world).next_id(),
        account_id=account.account_id,
        text=text,
        spoiler_text=spoiler,
        sensitive=bool(truth_of(given, "sensitive")) or bool(spoiler),
        visibility=visibility,
        language=language if language and LANGUAGE.fullmatch(language) else "en",
        in_reply_to_id=text_of(given, "in_reply_to_id") or None,
        media_ids=[one.media_id for one in media],
        app_name=token.app_name,
        app_website=app.website if app else None,
        created_at=call.now,
        listed_at=call.now + (late.seconds if late else 0.0),
    )


def _media(call: Call, account: Account, named: Any) -> list[Media]:
    ids = [str(one) for one in (named if isinstance(named, list) else [named])]
    if len(ids) > call.world.limits.of(InstanceLimits).media_per_status:
        raise error(422, f"Cannot attach more than {call.world.limits.of(InstanceLimits).media_per_status} files")
    found: list[Media] = []
    missing: list[str] = []
    for media_id in dict.fromkeys(ids):
        media = instance_of(call.world).find_media(media_id)
        if media is None or media.account_id != account.account_id or media.status_id is not None:
            missing.append(media_id)
        else:
            found.append(media)
    if missing:
        raise error(422, f"Media {', '.join(missing)} not found or already attached to another post")
    if len(found) > 1 and any(not one.mime_type.startswith("image/") for one in found):
        raise error(422, "Cannot attach a video to a post that already contains images")
    if any(call.now < one.ready_at or one.failed for one in found):
        raise error(422, "Cannot attach files that have not finished processing. Try again in a moment!")
    return found


def _visible(call: Call) -> Status:
    reader = viewer(call)
    status = instance_of(call.world).statuses.get(call.request.path_params["id"])
    if status is None:
        raise not_found()
    own = reader is not None and reader.account_id == status.account_id
    if status.visibility in ("private", "direct") and not own:
        raise not_found()
    return status
