"""Events leave for a real receiver, which verifies them with the public library: signed, repeated, given up, and never in the way."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from standardwebhooks.webhooks import WebhookVerificationError

from hayon.errors import Conflict, Invalid, NotFound
from hayon.notifying import check_address, new_secret, renew, seal_secret
from hayon.notifying import webhooks as wire
from hayon.outgoing import Outgoing
from hayon.store import leaving, webhooks
from hayon.store.database import new_id
from hayon.store.schema import webhook_events
from tests.delivery.scripted import House
from tests.notifying.office import SECRET, Receiver, events_of, leaving_of, notices_of, subscribe, until
from tests.outgoing.peer import Arrived, Peer, answer_with, never

OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = {"type": "post.completed", "timestamp": "2026-11-21T12:00:00.000Z", "data": {"message": "Größe & <b>"}}


async def write_event(house: House, webhook_id: UUID, kind: str = "post.completed") -> UUID:
    return await house.database.write(leaving.insert_event, webhook_id, kind, BODY, due_at=house.clock.now)


async def one_event(house: House) -> Any:
    (row,) = await events_of(house)
    return row


async def webhook(house: House, webhook_id: UUID) -> Any:
    return await house.database.read(webhooks.get_webhook, house.user_id, webhook_id)


async def test_a_published_post_is_told_and_verified(house: House, receiver: Receiver, outgoing: Outgoing) -> None:
    await subscribe(house, f"{receiver.url}/hook?key=1")
    post_id = await house.submit()
    await house.deliver_due()
    began = time.time()
    assert await leaving_of(house, outgoing=outgoing).send_once() == 1
    event = await one_event(house)
    told = receiver.verify(0, SECRET)
    assert told == event.body
    assert (told["type"], told["data"]["postId"]) == ("post.completed", str(post_id))
    assert told["data"]["targets"][0]["url"] == "https://scripted.test/r1"
    headers = receiver.headers[0]
    assert headers["webhook-id"] == str(event.id)
    assert began - 1 <= int(headers["webhook-timestamp"]) <= time.time()
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "Hayon/test"
    assert (event.due_at, event.delivered_at, event.http_status, event.error) == (None, house.clock.now, 204, "")
    with pytest.raises(WebhookVerificationError):
        receiver.verify(0, OTHER)
    assert await leaving_of(house, outgoing=outgoing).send_once() == 0


async def test_what_fails_is_repeated_over_days_under_one_id(
    house: House, receiver: Receiver, outgoing: Outgoing
) -> None:
    webhook_id = await subscribe(house, receiver.url)
    event_id = await write_event(house, webhook_id)
    began = house.clock.now
    receiver.says = [500] * 50
    sends = leaving_of(house, outgoing=outgoing)
    waits: list[float] = []
    while (row := await one_event(house)).due_at is not None:
        house.clock.now = row.due_at
        waits.append((house.clock.now - began).total_seconds())
        await sends.send_once()
    steps = [0, 5, 305, 2105, 9305, 27305, 63305, 113705, 185705, 272105]
    assert len(waits) == len(steps)
    assert all(step <= wait <= step * 1.1 for step, wait in zip(steps, waits, strict=True)), waits
    assert receiver.ids == [str(event_id)] * 10
    assert (row.delivered_at, row.http_status, row.error) == (None, 500, "It answered 500.")
    failing = await webhook(house, webhook_id)
    assert (failing.failing_since, failing.disabled_at, failing.message) == (began, None, "It answered 500.")
    await house.database.write(webhooks.replay_event, house.user_id, webhook_id, event_id)
    receiver.says = []
    assert await sends.send_once() == 1
    assert receiver.verify(10, SECRET) == BODY
    well = await webhook(house, webhook_id)
    assert (well.failing_since, well.message) == (None, "")
    assert (await one_event(house)).tries == 1


async def test_410_turns_it_off_at_once_and_its_owner_is_told(
    house: House, receiver: Receiver, outgoing: Outgoing
) -> None:
    webhook_id = await subscribe(house, f"{receiver.url}/gone")
    await subscribe(house, f"{receiver.url}/other", "webhook.disabled")
    for _ in range(3):
        await write_event(house, webhook_id)
        house.clock.forward(0.01)
    receiver.says = [410]
    first = (await house.database.write(leaving.claim_events, 1, timedelta(minutes=1)))[0]
    sends = leaving_of(house, outgoing=outgoing)
    await sends.send_event(first)
    gone = await webhook(house, webhook_id)
    assert gone.disabled_at == house.clock.now
    assert gone.message == "Its receiver said that it wants nothing more (410)."
    (notice,) = await notices_of(house)
    assert (notice.kind, notice.facts["webhookId"]) == ("webhook.disabled", str(webhook_id))
    assert "/gone" not in notice.message + json.dumps(notice.facts), "an address may hold a secret"
    assert await sends.send_once() == 1  # the other webhook is told; what waited for this one is not sent
    assert receiver.ids.count(str(first.id)) == 1
    waiting = [row for row in await events_of(house) if row.webhook_id == webhook_id]
    assert [(row.due_at, row.delivered_at) for row in waiting] == [(None, None)] * 3
    with pytest.raises(Conflict, match="turned off"):
        await house.database.write(webhooks.replay_event, house.user_id, webhook_id, first.id)


async def test_five_days_without_one_success_turn_it_off(house: House, receiver: Receiver, outgoing: Outgoing) -> None:
    webhook_id = await subscribe(house, receiver.url, "post.completed")
    sends = leaving_of(house, outgoing=outgoing)
    for hour in range(0, 121, 24):
        assert (await webhook(house, webhook_id)).disabled_at is None, hour
        await write_event(house, webhook_id)
        receiver.says = [500] * 100
        while await sends.send_once():
            pass
        house.clock.forward(24 * 3600 + 1)
    off = await webhook(house, webhook_id)
    assert off.disabled_at is not None
    assert off.message == "It failed for 5 days. It answered 500."
    assert [one.kind for one in await notices_of(house)] == ["webhook.disabled"]
    assert [one.kind for one in await leaving_rows(house)] == ["webhook.disabled"]
    enabled = {"url": None, "kinds": None, "enabled": True}
    await house.database.write(webhooks.change_webhook, house.user_id, webhook_id, **enabled)
    receiver.says = [500]
    await write_event(house, webhook_id)
    await sends.send_once()
    again = await webhook(house, webhook_id)
    assert (again.disabled_at, again.failing_since) == (None, house.clock.now), "a new start"


async def leaving_rows(house: House) -> list[Any]:
    return list(await house.database.read(lambda tx: tx.all(sa.text("SELECT kind FROM mails"))))


async def test_one_failure_long_ago_is_no_failing_for_days(
    house: House, receiver: Receiver, outgoing: Outgoing
) -> None:
    webhook_id = await subscribe(house, receiver.url)
    sends = leaving_of(house, outgoing=outgoing)
    for _ in range(2):
        receiver.says = [500]
        await write_event(house, webhook_id)
        await sends.send_once()
        await house.database.write(lambda tx: tx.run(sa.update(webhook_events).values(due_at=None)))
        house.clock.forward(10 * 24 * 3600)
    assert (await webhook(house, webhook_id)).disabled_at is None


@pytest.mark.parametrize(
    ("asked", "wait"), [("7200", 7200), ("date", 3600), ("nonsense", 5), ("99999999", 86400), ("0", 5)]
)
async def test_a_receiver_may_ask_to_be_left_alone(
    house: House, receiver: Receiver, outgoing: Outgoing, asked: str, wait: float
) -> None:
    await write_event(house, await subscribe(house, receiver.url))
    receiver.says = [503]
    at = datetime.now(UTC) + timedelta(hours=1)
    receiver.answering = {"Retry-After": format_datetime(at, usegmt=True) if asked == "date" else asked}
    await leaving_of(house, outgoing=outgoing).send_once()
    waits = ((await one_event(house)).due_at - house.clock.now).total_seconds()
    assert wait - 30 <= waits <= wait * 1.1


async def test_redirects_are_not_followed(house: House, receiver: Receiver, outgoing: Outgoing) -> None:
    async with Peer() as inside:
        await write_event(house, await subscribe(house, receiver.url))
        receiver.says = [307]
        receiver.answering = {"Location": f"{inside.url}/latest/meta-data"}
        await leaving_of(house, outgoing=outgoing).send_once()
        assert inside.connections == 0
    row = await one_event(house)
    assert (row.http_status, row.delivered_at) == (307, None)
    assert row.error == "It answered 307: redirects are not followed. Give the webhook its new address."


async def test_private_addresses_are_not_called_whoever_else_is_trusted(house: House) -> None:
    """Neither by number nor by name, and not even where a platform or this house itself is set to be there."""
    async with Peer() as inside:
        trusting = Outgoing(identity="Hayon/test", trusted_origins=[inside.url], own_origins=[inside.url])
        for url in (inside.url, inside.url.replace("127.0.0.1", "localhost")):
            await write_event(house, await subscribe(house, url))
        await leaving_of(house, outgoing=trusting).send_once()
        await trusting.aclose()
        assert inside.connections == 0
    for row in await events_of(house):
        assert "private or reserved address" in row.error
        assert row.due_at is not None


async def endless(_peer: Peer, _arrived: Arrived, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def endless_head(_peer: Peer, _arrived: Arrived, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def test_an_answer_without_end_is_not_read(house: House, outgoing: Outgoing) -> None:
    async with Peer(endless) as peer:
        await write_event(house, await subscribe(house, peer.url))
        async with asyncio.timeout(15):
            await leaving_of(house, outgoing=outgoing).send_once()
    assert (await one_event(house)).http_status == 200, "its first line says all"


@pytest.mark.parametrize("behave", [endless_head, answer_with(b"nonsense\r\n\r\n"), answer_with(b"")])
async def test_what_is_no_answer_is_a_failure(
    house: House, outgoing: Outgoing, behave: Callable[..., Awaitable[None]]
) -> None:
    async with Peer(behave) as peer:
        await write_event(house, await subscribe(house, peer.url))
        async with asyncio.timeout(15):
            await leaving_of(house, outgoing=outgoing).send_once()
    row = await one_event(house)
    assert (row.http_status, row.delivered_at) == (None, None)
    assert row.error
    assert row.due_at is not None


async def test_a_receiver_that_keeps_silent_holds_up_nobody(
    house: House, receiver: Receiver, outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has many more events than there is room for in all; those of others go out meanwhile."""
    monkeypatch.setattr(wire, "ANSWER_SECONDS", 2.0)
    async with Peer(never) as silent:
        slow = await subscribe(house, silent.url)
        for _ in range(40):
            await write_event(house, slow)
        house.clock.forward(1)
        well = await subscribe(house, receiver.url)
        for _ in range(10):
            await write_event(house, well)
        duty = asyncio.create_task(leaving_of(house, outgoing=outgoing).run())

        async def all_taken() -> bool:
            return len(receiver.ids) == 10

        async def given_up() -> bool:
            return bool((await webhook(house, slow)).message)

        await until(all_taken)
        assert silent.connections <= leaving.AT_ONCE
        await until(given_up)
        duty.cancel()
        await asyncio.wait({duty})
    assert (await webhook(house, slow)).message == "127.0.0.1 did not answer within 2 s."


async def test_a_failing_receiver_is_asked_one_at_a_time(house: House) -> None:
    webhook_id = await subscribe(house, "https://receiver.test")
    for _ in range(20):
        await write_event(house, webhook_id)
    lease = timedelta(seconds=30)
    first = await house.database.write(leaving.claim_events, 16, lease)
    assert len(first) == leaving.AT_ONCE
    assert await house.database.write(leaving.claim_events, 16, lease) == [], "those on their way count"
    for event in first:
        await house.database.write(webhooks.settle_event, event, error="It answered 500.", http_status=500)
    house.clock.forward(1)
    assert len(await house.database.write(leaving.claim_events, 16, lease)) == 1
    assert await house.database.write(leaving.claim_events, 16, lease) == []


async def test_killed_before_it_was_written_down_it_is_sent_again_under_one_id(
    house: House, receiver: Receiver, outgoing: Outgoing
) -> None:
    event_id = await write_event(house, await subscribe(house, receiver.url))
    (dying,) = await house.database.write(leaving.claim_events, 16, timedelta(seconds=90))
    assert not (await wire.send(dying, [SECRET], outgoing, datetime.now(UTC))).error
    sends = leaving_of(house, outgoing=outgoing)
    assert await sends.send_once() == 0, "somebody has its lease"
    house.clock.forward(90)
    assert await sends.send_once() == 1
    assert receiver.ids == [str(event_id)] * 2
    late = await house.database.write(webhooks.settle_event, dying, error="Too late to say.")
    assert not late.settled
    assert (await one_event(house)).error == ""


async def test_many_processes_send_each_event_once(house: House, receiver: Receiver, outgoing: Outgoing) -> None:
    webhook_ids = [await subscribe(house, f"{receiver.url}/{number}") for number in range(10)]
    ids = [str(await write_event(house, webhook_id)) for webhook_id in webhook_ids * 8]
    many = [leaving_of(house, outgoing=outgoing) for _ in range(6)]
    while any(await asyncio.gather(*(one.send_once() for one in many))):
        pass
    assert sorted(receiver.ids) == sorted(ids)


async def test_at_the_same_moment_nobody_gets_more_than_twenty_or_two_for_one_key(house: House) -> None:
    def make(number: int, replay: tuple[str, str] | None = None) -> Awaitable[UUID]:
        url = f"https://receiver.test/{number}"
        return house.database.write(webhooks.insert_webhook, house.user_id, url, (), lambda _: b"sealed", replay)

    same = await asyncio.gather(*(make(0, ("order-1", "the same")) for _ in range(5)))
    assert len(set(same)) == 1
    made = await asyncio.gather(*(make(number) for number in range(25)), return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in made) == 25 - 19
    assert len(await house.database.read(webhooks.list_webhooks, house.user_id)) == webhooks.MOST


async def test_while_a_secret_is_renewed_both_sign_for_a_day(house: House) -> None:
    context = "the webhook's id"
    now = datetime.now(UTC)
    sealed = renew(house.vault, OTHER, context, seal_secret(house.vault, SECRET, context), now)
    assert wire.secrets_at(house.vault, sealed, context, now + timedelta(hours=23)) == [OTHER, SECRET]
    assert wire.secrets_at(house.vault, sealed, context, now + timedelta(hours=24)) == [OTHER]
    again = renew(house.vault, new_secret(), context, sealed, now)
    assert SECRET not in wire.secrets_at(house.vault, again, context, now)


async def test_a_receiver_with_either_secret_verifies_after_the_renewal(
    house: House, receiver: Receiver, outgoing: Outgoing
) -> None:
    webhook_id = await subscribe(house, receiver.url)
    now = datetime.now(UTC)
    await house.database.write(
        webhooks.replace_secret, house.user_id, webhook_id,
        lambda context, sealed: renew(house.vault, OTHER, context, sealed, now),
    )  # fmt: skip
    await write_event(house, webhook_id)
    await leaving_of(house, outgoing=outgoing).send_once()
    assert receiver.verify(0, SECRET) == receiver.verify(0, OTHER) == BODY
    assert SECRET.encode() not in (await webhook(house, webhook_id)).sealed


async def test_a_test_is_tried_once_and_says_nothing_of_the_webhook(
    house: House, receiver: Receiver, outgoing: Outgoing
) -> None:
    webhook_id = await subscribe(house, receiver.url, "post.failed")
    sends = leaving_of(house, outgoing=outgoing)
    assert (await sends.test_webhook(house.user_id, webhook_id)).http_status == 204
    assert receiver.verify(0, SECRET)["type"] == "webhook.test"
    receiver.says = [410]
    verdict = await sends.test_webhook(house.user_id, webhook_id)
    assert (verdict.http_status, verdict.error) == (410, "It answered 410: it wants nothing more.")
    row = await webhook(house, webhook_id)
    assert (row.failing_since, row.disabled_at) == (None, None)
    assert [(row.kind, row.due_at, row.tries) for row in await events_of(house)] == [("webhook.test", None, 1)] * 2
    with pytest.raises(NotFound):
        await sends.test_webhook(new_id(house.clock.now), webhook_id)


async def test_what_is_on_its_way_is_not_replayed_and_what_is_deleted_is_not_sent(
    house: House, receiver: Receiver, outgoing: Outgoing
) -> None:
    webhook_id = await subscribe(house, receiver.url)
    event_id = await write_event(house, webhook_id)
    (under_way,) = await house.database.write(leaving.claim_events, 16, timedelta(seconds=90))
    with pytest.raises(Conflict, match="just now"):
        await house.database.write(webhooks.replay_event, house.user_id, webhook_id, event_id)
    await house.database.write(webhooks.delete_webhook, house.user_id, webhook_id)
    assert not (await house.database.write(webhooks.settle_event, under_way)).settled
    house.clock.forward(100)
    assert await leaving_of(house, outgoing=outgoing).send_once() == 0
    assert await events_of(house) == []


async def test_old_events_and_mails_are_forgotten_and_what_waits_is_not(house: House) -> None:
    webhook_id = await subscribe(house, "https://receiver.test")
    await write_event(house, webhook_id)
    await house.database.write(lambda tx: tx.run(sa.update(webhook_events).values(due_at=None)))
    waiting = await write_event(house, webhook_id)
    await house.database.write(leaving.insert_mail, house.user_id, "mail.test")
    house.clock.forward(30 * 24 * 3600 - 1)
    await house.database.write(leaving.give_up_stale)
    assert await house.database.write(leaving.forget_old) == 0
    house.clock.forward(2)
    assert await house.database.write(leaving.forget_old) == 2
    assert (await one_event(house)).id == waiting


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.test/", "https://127.0.0.1/", "https://10.0.0.1:8443/", "https://[::1]/", "https://169.254.169.254/latest",
        "https://2130706433/", "https://0x7f.1/", "https://user:pw@receiver.test/", "https://receiver.test:25/", "ftp://receiver.test/",
        "https://", "receiver.test", "https://[::ffff:10.0.0.1]/",
    ],
)  # fmt: skip
def test_addresses_that_are_refused_at_once(url: str) -> None:
    with pytest.raises(Invalid) as error:
        check_address(url, private=False)
    assert [problem.field for problem in error.value.problems] == ["url"]


def test_addresses_that_are_taken() -> None:
    for url in ("https://receiver.test/hook?a=1", "https://receiver.test:8443/", "https://1.1.1.1/"):
        check_address(url, private=False)
    for url in ("http://127.0.0.1:8080/", "http://receiver.test/"):
        check_address(url, private=True)
    with pytest.raises(Invalid):
        check_address("http://127.0.0.1:25/", private=True)
