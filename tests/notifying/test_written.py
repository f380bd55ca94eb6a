"""Notices and their ways out stand in the transaction of what they tell: none is lost, none is invented."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.util import await_only

from hayon.domain.lifecycle import Ended, Outcome
from hayon.errors import Disconnected, Rejected
from hayon.store import notices, settling, webhooks
from hayon.store.database import Tx, new_id
from hayon.store.notices import Late
from hayon.store.schema import users as people
from tests.delivery.scripted import LOST, House, open_house
from tests.notifying.office import events_of, mails_of, notices_of, subscribe, until

URL = "https://receiver.test/hook"
NO = Rejected("The words are not allowed.", code="words", proves_absence=True)


def kinds(rows: list[Any]) -> list[str]:
    """What is written within one millisecond has no order."""
    return sorted(row.kind for row in rows)


async def test_a_published_post_tells_programs_where_it_is(house: House) -> None:
    webhook_id = await subscribe(house, URL)
    post_id = await house.submit()
    await house.deliver_due()
    (notice,) = await notices_of(house)
    target = await house.target(post_id)
    assert (notice.kind, notice.post_id) == ("post.completed", post_id)
    assert notice.facts == {
        "status": "COMPLETED",
        "targets": [
            {
                "targetId": str(target.id), "platform": "scripted", "accountId": str(target.account_id), "handle": "ann",
                "status": "completed", "url": "https://scripted.test/r1", "error": None, "code": None,
            }
        ],
    }  # fmt: skip
    (event,) = await events_of(house)
    assert (event.webhook_id, event.notice_id, event.kind) == (webhook_id, notice.id, "post.completed")
    assert event.body["type"] == "post.completed"
    about = {"noticeId": str(notice.id), "message": notice.message, "postId": str(post_id)}
    assert event.body["data"] == about | notice.facts
    assert await mails_of(house) == []  # it asks for nothing


async def test_a_failed_post_is_told_at_its_end_and_each_part_as_it_is_parked(house: House) -> None:
    await subscribe(house, URL, "target.parked", "post.partial_success")
    ben, cat = await house.connect("ben"), await house.connect("cat")
    post_id = await house.submit("Hello", str(ben.id), str(cat.id))
    first, second = await house.claim()
    house.platform.before = [NO]
    await house.delivery.deliver(first)
    (parked,) = await notices_of(house)
    assert (parked.kind, parked.target_id, parked.read_at) == ("target.parked", first.target_id, None)
    assert (parked.facts["error"], parked.facts["code"]) == ("The words are not allowed.", "words")
    house.clock.forward(1)
    await house.delivery.deliver(second)
    parked, ended = await notices_of(house)
    assert (ended.kind, ended.post_id, ended.read_at) == ("post.partial_success", post_id, None)
    assert parked.read_at is not None, "the post's own notice tells it all"
    assert {(one["status"], one["error"]) for one in ended.facts["targets"]} == {
        ("failed", "The words are not allowed."), ("completed", None)}  # fmt: skip
    assert [event.kind for event in await events_of(house)] == ["target.parked", "post.partial_success"]
    assert [(mail.kind, mail.notice_id) for mail in await mails_of(house)] == [("post.partial_success", ended.id)]


async def test_a_person_who_is_asked_and_an_account_that_is_cut_off(house: House) -> None:
    house.platform.before = [LOST]
    house.platform.unclear = True
    await house.submit()
    for _ in range(40):
        await house.deliver_due()
        house.clock.forward(3700)
    house.platform.before = [Disconnected("The token was taken back.", proves_absence=True)]
    ben = await house.connect("ben")
    await house.submit("another", str(ben.id))
    await house.deliver_due()
    told = {one.kind: one for one in await notices_of(house)}
    assert set(told) == {"post.needs_attention", "account.needs_reconnection", "target.parked", "post.failed"}
    assert [one["status"] for one in told["post.needs_attention"].facts["targets"]] == ["unconfirmed"]
    cut_off = told["account.needs_reconnection"].facts
    assert cut_off == {
        "accountId": str(ben.id), "platform": "scripted", "handle": "ben", "error": "The token was taken back."}  # fmt: skip
    assert kinds(await mails_of(house)) == [
        "account.needs_reconnection", "post.failed", "post.needs_attention"]  # fmt: skip


async def test_whoever_lost_the_worker_is_told_too(house: House) -> None:
    post_id = await house.submit()
    for _ in range(3):
        assert len(await house.claim()) + len(await house.claim(alone=True)) == 1
        house.clock.forward(91)
        await house.sweep()
    assert (await house.post(post_id)).status == "FAILED"
    assert kinds(await notices_of(house)) == ["post.failed", "target.parked"]


async def test_nothing_is_written_for_mail_where_none_is_sent(house: House) -> None:
    house.database.mailing = False
    house.platform.before = [NO]
    await house.submit()
    await house.deliver_due()
    assert len(await notices_of(house)) == 2
    assert await mails_of(house) == []


async def test_people_choose_what_is_mailed_and_webhooks_what_they_take(house: House) -> None:
    await subscribe(house, f"{URL}/all")
    chosen = await subscribe(house, f"{URL}/failed", "post.failed")
    off = await subscribe(house, f"{URL}/off")
    await house.database.write(
        webhooks.change_webhook, house.user_id, off, url=None, kinds=None, enabled=False
    )  # fmt: skip
    await house.database.write(notices.choose_mail_kinds, house.user_id, ["post.completed"])
    await house.submit()
    await house.deliver_due()
    house.platform.before = [NO]
    await house.submit("another")
    await house.deliver_due()
    assert [mail.kind for mail in await mails_of(house)] == ["post.completed"]
    taken: dict[UUID, list[str]] = {}
    for event in await events_of(house):
        taken.setdefault(event.webhook_id, []).append(event.kind)
    assert taken.pop(chosen) == ["post.failed"]
    assert [sorted(one) for one in taken.values()] == [["post.completed", "post.failed", "target.parked"]]
    assert off not in taken


async def test_nothing_leaves_for_somebody_who_is_shut_out(house: House) -> None:
    await subscribe(house, URL)
    shut_out = sa.update(people).where(people.c.id == house.user_id).values(disabled_at=house.clock.now)
    await house.database.write(lambda tx: tx.run(shut_out))
    house.platform.before = [NO]
    await house.submit()
    await house.deliver_due()
    assert len(await notices_of(house)) == 2
    assert (await mails_of(house), await events_of(house)) == ([], [])


class Undone(Exception):
    """The transaction is rolled back."""


async def test_what_is_rolled_back_told_nobody(house: House) -> None:
    await subscribe(house, URL)
    await house.submit()
    (claim,) = await house.claim()
    outcome = Outcome(Ended.REJECTED, "The words are not allowed.", "words")

    def settle(tx: Tx, *, undone: bool) -> None:
        settling.settle_try(tx, claim, outcome, attempt_id=None, patience=house.patience)
        if undone:
            raise Undone

    with pytest.raises(Undone):
        await house.database.write(settle, undone=True)
    assert (await notices_of(house), await mails_of(house), await events_of(house)) == ([], [], [])
    await house.database.write(settle, undone=False)
    assert kinds(await notices_of(house)) == ["post.failed", "target.parked"]
    assert kinds(await events_of(house)) == ["post.failed", "target.parked"]
    assert kinds(await mails_of(house)) == ["post.failed"]


async def test_a_webhook_that_is_deleted_at_this_moment_does_not_undo_the_settling(migrated_postgres_url: str) -> None:
    """The foreign key of an event would: the end of a try must not fail for it."""
    async with open_house(migrated_postgres_url) as house:
        await house.connect("ann")
        webhook_id = await subscribe(house, URL)
        post_id = await house.submit()
        (claim,) = await house.claim()
        deleted, go_on = asyncio.Event(), asyncio.Event()

        def delete(tx: Tx) -> None:
            webhooks.delete_webhook(tx, house.user_id, webhook_id)
            deleted.set()
            await_only(go_on.wait())

        async def waits_for_it() -> bool:
            waiting = sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(await house.database.read(lambda tx: tx.value(waiting)))

        deleting = asyncio.create_task(house.database.write(delete))
        await deleted.wait()
        outcome = Outcome(Ended.REJECTED, "The words are not allowed.", "words")
        settling_it = house.database.write(
            settling.settle_try, claim, outcome, attempt_id=None, patience=house.patience
        )  # fmt: skip
        settled = asyncio.create_task(settling_it)
        await until(waits_for_it)
        go_on.set()
        await asyncio.gather(deleting, settled)
        assert (await house.post(post_id)).status == "FAILED"
        assert kinds(await notices_of(house)) == ["post.failed", "target.parked"]
        assert await events_of(house) == []


def late(number: int, house: House) -> Late:
    return Late(uuid4(), uuid4(), "scripted", f"ann{number}", house.clock.now - timedelta(hours=number))


async def tell(house: House, *which: int) -> Any:
    found = [late(one, house) for one in which]
    return await house.database.write(lambda tx: notices.too_late(tx, house.user_id, found, tx.now()))


async def test_what_was_too_late_is_one_notice_with_the_list(house: House) -> None:
    await subscribe(house, URL)
    first = await tell(house, 1, 2)
    house.clock.forward(59)
    assert await tell(house, 3) == first
    (notice,) = await notices_of(house)
    assert (notice.kind, notice.facts["count"]) == ("posts.too_late", 3)
    assert [one["handle"] for one in notice.facts["targets"]] == ["ann1", "ann2", "ann3"]
    assert notice.message.startswith("3 posts, counted once for each account, were not sent")
    (event,), (mail,) = await events_of(house), await mails_of(house)
    assert event.body["data"]["count"] == 3
    assert event.body["data"]["message"] == notice.message
    assert mail.due_at == event.due_at == house.clock.now + timedelta(minutes=1), "it waits for what may follow"


@pytest.mark.parametrize("ended", ["read", "mailed", "sent", "old"])
async def test_a_list_that_was_seen_does_not_grow(house: House, ended: str) -> None:
    if ended == "sent":
        await subscribe(house, URL)
    first = await tell(house, 1)
    if ended == "read":
        await house.database.write(notices.mark_read, house.user_id, first)
    elif ended == "old":
        house.clock.forward(15 * 60)
    else:
        table = "mails" if ended == "mailed" else "webhook_events"
        await house.database.write(lambda tx: tx.run(sa.text(f"UPDATE {table} SET tries = 1")))
    assert await tell(house, 2) != first
    assert [one.facts["count"] for one in await notices_of(house)] == [1, 1]


async def test_a_list_that_always_grows_leaves_after_a_quarter_of_an_hour(house: House) -> None:
    first = await tell(house, 1)
    began = house.clock.now
    for number in range(30):
        house.clock.forward(29.9)
        assert await tell(house, number) == first
    (mail,) = await mails_of(house)
    assert mail.due_at == began + timedelta(minutes=15)


async def test_two_who_tell_at_once_make_one_notice(house: House) -> None:
    told = await asyncio.gather(*(tell(house, number) for number in range(1, 9)))
    assert len(set(told)) == 1
    (notice,) = await notices_of(house)
    assert notice.facts["count"] == 8
    assert {one["handle"] for one in notice.facts["targets"]} == {f"ann{number}" for number in range(1, 9)}


async def test_a_long_list_is_cut_and_counted(house: House) -> None:
    await tell(house, *range(1, 251))
    (notice,) = await notices_of(house)
    assert (notice.facts["count"], len(notice.facts["targets"])) == (250, notices.LISTED)
    assert notice.message.endswith("; and 245 more.")


async def test_people_read_one_all_or_what_was_shown(house: House) -> None:
    for _ in range(3):
        house.clock.forward(3600)
        await tell(house, 1)
    stranger = new_id(house.clock.now)
    read, count = notices.mark_all_read, notices.count_unread
    assert await house.database.write(read, stranger) == 0
    rows = await house.database.read(notices.list_notices, house.user_id, unread_only=True, limit=9)
    assert len(rows) == 3
    assert await house.database.write(read, house.user_id, up_to=rows[1].id) == 2
    assert await house.database.read(count, house.user_id) == 1
    assert await house.database.write(notices.mark_read, house.user_id, rows[0].id)
    assert await house.database.read(count, house.user_id) == 0
    assert not await house.database.write(notices.mark_read, stranger, rows[0].id)
