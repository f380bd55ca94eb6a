"""Allowances: what is left is reserved and never overdrawn; what waits takes its turn, and holds up nobody."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.delivery.submit import Handed
from hayon.domain.allowance import ASK_AGAIN, FRESH
from hayon.domain.model import Content
from hayon.errors import NotYet, RateLimited, Rejected, Unavailable, Unconfirmed
from hayon.store import allowances
from hayon.store.schema import accounts
from tests.delivery.counting import Counting, come_to_rest, delivery_to, every, one_by_one, working
from tests.delivery.scripted import START, House, open_house

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def counting(database_url: str) -> Any:
    """A house on each database whose platform counts."""
    async with open_house(database_url, platform=None) as made:
        made.platform = Counting(clock=made.clock)
        made.delivery = delivery_to(made)
        made.accounts._platforms = made.submission._platforms = {"scripted": made.platform}
        yield made


@pytest.mark.parametrize("more_days", [1, pytest.param(6, marks=pytest.mark.long)])
async def test_of_two_hundred_due_with_thirty_left_thirty_go_out_and_the_rest_wait(
    counting: House, more_days: int
) -> None:
    house, platform = counting, counting.platform
    ann, ben = await house.connect("ann"), await house.connect("ben")
    for number in range(200):
        await house.submit(f"post {number}", str(ann.id))
    await house.submit("from ben", str(ben.id))
    async with working(house, workers=2):
        rows = await come_to_rest(house)
        assert Counter(copy.account_id for copy in platform.ledger) == {ann.id: 30, ben.id: 1}
        place = [copy.account_id for copy in platform.ledger].index(ben.id)
        assert place < 30  # called before the 31st, which is not called at all today
        waiting = [row for row in rows if row.status == "pending"]
        assert Counter(row.status for row in rows) == {"completed": 31, "pending": 170}
        assert {(row.tries, row.slot_at, row.code) for row in waiting} == {(0, None, "allowance")}
        assert {row.waits_for for row in waiting} == {"allowance"}
        assert all(row.due_at >= house.clock.now + DAY - MINUTE for row in waiting)
        # each has a turn of its own: thirty a day, and nobody was claimed to find that out but one, at the most
        days = Counter((row.due_at - house.clock.now + MINUTE) // DAY for row in waiting)
        assert days == {1: 30, 2: 30, 3: 30, 4: 30, 5: 30, 6: 20}
        assert sum(row.claims for row in rows) <= 32
        for _ in range(more_days):
            house.clock.forward(86_400 + 60)
            await come_to_rest(house)
    out = min(200, 30 + 30 * more_days)
    assert Counter(copy.account_id for copy in platform.ledger) == {ann.id: out, ben.id: 1}
    order = [int(copy.text.split()[1]) for copy in platform.ledger if copy.account_id == ann.id]
    assert order == sorted(order)
    rows = await every(house)
    assert Counter(row.status for row in rows) == Counter(completed=out + 1, pending=200 - out)
    assert sum(row.claims for row in rows) <= out + 2 + more_days
    assert (platform.refused, {row.tries for row in rows}) == (0, {0})
    assert await house.rows("SELECT 1 FROM attempts WHERE ended NOT IN ('published', 'rate_limited')") == []


async def test_where_others_fill_the_window_one_comes_back_to_ask_and_all_go_out_as_it_empties(counting: House) -> None:
    house, platform = counting, counting.platform
    platform.limit, platform.elsewhere = 5, [house.clock.now - DAY + number * 40 * MINUTE for number in range(1, 6)]
    ann = await house.connect("ann")
    for number in range(4):
        await house.submit(f"post {number}", str(ann.id))
    assert await one_by_one(house) <= 4
    rows = await every(house)
    assert rows[0].due_at <= house.clock.now + ASK_AGAIN
    assert "used up" in rows[0].message
    assert platform.asked == [ann.id]
    for _ in range(20):
        house.clock.forward(ASK_AGAIN.total_seconds())
        await one_by_one(house)
    assert [copy.text for copy in platform.ledger] == [f"post {number}" for number in range(4)]
    # within a quarter of an hour of the moment at which somebody else's post made room
    for number, copy in enumerate(platform.ledger):
        assert platform.elsewhere[number] + DAY <= copy.at <= platform.elsewhere[number] + DAY + 2 * ASK_AGAIN
    assert platform.refused == 0
    assert len(platform.asked) <= 21


async def test_more_became_free_than_was_known_and_all_that_wait_are_called(counting: House) -> None:
    house, platform = counting, counting.platform
    platform.limit, platform.elsewhere = 5, [house.clock.now - MINUTE] * 5
    ann = await house.connect("ann")
    for number in range(4):
        await house.submit(f"post {number}", str(ann.id))
    await one_by_one(house)
    platform.elsewhere.clear()  # their owner deleted them
    house.clock.forward(ASK_AGAIN.total_seconds())
    await one_by_one(house)
    assert [copy.text for copy in platform.ledger] == [f"post {number}" for number in range(4)]


@pytest.mark.parametrize("counts_first", [False, True])
async def test_many_at_the_same_instant_never_take_more_than_there_is_and_one_asks(
    counting: House, counts_first: bool
) -> None:
    """All are claimed before any is delivered, as by as many workers. While one asks, others take all that there is: the
    answer has counted these, or it was counted before them."""

    async def until_all_is_taken() -> None:
        house.clock.forward(0.001)
        async with asyncio.timeout(30):
            while True:
                if [row.status for row in await every(house)].count("completed") == 3:
                    return
                await asyncio.sleep(0.01)

    house, platform = counting, counting.platform
    platform.limit, platform.counts_first = 3, counts_first
    platform.while_asked = until_all_is_taken
    ann = await house.connect("ann")
    await house.database.write(lambda tx: allowances.keep_told(tx, {
        str(ann.id): [allowances.Told("posts", 3, house.clock.now, 3, 86_400)]}, house.clock.now - FRESH))  # fmt: skip
    for number in range(12):
        await house.submit(f"post {number}", str(ann.id))
    claims = await house.claim()
    assert len(claims) == 12
    house.clock.forward(1)
    await asyncio.gather(*(house.delivery.deliver(claim) for claim in claims))
    rows = await every(house)
    assert Counter(row.status for row in rows) == {"completed": 3, "pending": 9}
    assert (len(platform.ledger), platform.refused) == (3, 0)
    assert platform.asked == [ann.id]


async def test_an_unanswered_question_stops_nothing_and_is_not_asked_each_time(counting: House) -> None:
    async def fail() -> None:
        raise Unavailable("No answer.")

    counting.platform.while_asked = fail
    ann = await counting.connect("ann")
    for number in range(5):
        await counting.submit(f"post {number}", str(ann.id))
    await one_by_one(counting)
    assert len(counting.platform.ledger) == 5
    assert len(counting.platform.asked) == 1
    counting.clock.forward(FRESH.total_seconds())
    await counting.submit("later", str(ann.id))
    await one_by_one(counting)
    assert len(counting.platform.asked) == 2


# ---- slots


async def slot_of(house: House, post_id: UUID) -> Any:
    return (await house.target(post_id)).slot_at


async def test_a_slot_is_found_again_by_the_next_claim_of_its_target(counting: House) -> None:
    counting.platform.limit = 1
    ann = await counting.connect("ann")
    first = await counting.submit("first", str(ann.id))
    counting.platform.preparing = [NotYet("At work.", wait_seconds=30)]
    await one_by_one(counting)
    reserved = await slot_of(counting, first)
    assert reserved is not None
    counting.clock.forward(1)
    second = await counting.submit("second", str(ann.id))
    await one_by_one(counting)  # the one slot there is belongs to the first, which is at work
    assert (await counting.target(second)).code == "allowance"
    seen = []

    async def look(_: Any) -> None:
        seen.append(await slot_of(counting, first))

    counting.platform.while_publishing = look
    counting.clock.forward(30)
    await one_by_one(counting)
    assert [copy.text for copy in counting.platform.ledger] == ["first"]
    assert seen == [None]  # from its intent on the call itself is counted


LEAVING: dict[str, Any] = {
    "rejected": Rejected("Never."),
    "unavailable": Unavailable("Down."),
    "limited": RateLimited("Slow down."),
}


@pytest.mark.parametrize("way", [*LEAVING, "cancel", "edit", "rescue", "interrupt and cancel", "retry", "left out"])
async def test_every_way_without_a_call_gives_the_slot_back(counting: House, way: str) -> None:
    house, platform = counting, counting.platform
    platform.limit = 1
    ann, ben = await house.connect("ann"), await house.connect("ben")
    first = await house.submit("first", str(ann.id))
    if way in LEAVING:
        platform.preparing = [LEAVING[way]]
        await one_by_one(house)
    elif way == "rescue":
        (claim,) = await house.claim()
        await house.database.write(allowances.reserve, claim, told_now(ann.id), house.clock.now)
        assert await slot_of(house, first) is not None
        house.clock.forward(91)
        await house.sweep()
    else:
        platform.preparing = [NotYet("At work.", wait_seconds=30)]
        await one_by_one(house)
        assert await slot_of(house, first) is not None
        if way == "edit":
            handed = replace(_handed(str(ann.id)), scheduled_at=(house.clock.now + 2 * DAY).isoformat())
            await house.submission.edit(house.user_id, first, handed)
        elif way == "left out":
            await house.submission.edit(house.user_id, first, _handed(str(ben.id)))
        elif way == "retry":
            house.clock.forward(31)
            platform.preparing = [Rejected("Never.")]
            await one_by_one(house)
            platform.preparing = [Unavailable("Down.")]
            await house.submission.retry(house.user_id, first)
            await one_by_one(house)
        else:
            await house.submission.cancel(house.user_id, first)
    assert [row.slot_at for row in await every(house)] == [None]
    await house.submission.cancel(house.user_id, first)
    platform.preparing = []
    await house.submit("second", str(ann.id))
    await _unblock(house)
    await one_by_one(house)
    assert "second" in {copy.text for copy in platform.ledger}


def told_now(account_id: UUID, left: int = 1) -> allowances.Scoped:
    return {str(account_id): [allowances.Told("posts", left, START, left, 86_400)]}


def _handed(*names: str) -> Handed:
    return Handed(Content("edited"), account_ids=names)


async def _unblock(house: House) -> None:
    await house.database.write(lambda tx: tx.run(sa.update(accounts).values(blocked_until=None)))


async def test_a_call_of_which_nobody_knows_counts_and_one_that_never_went_out_does_not(counting: House) -> None:
    house, platform = counting, counting.platform
    platform.limit = 2
    ann = await house.connect("ann")
    platform.before = [Rejected("Never like this.", proves_absence=True), Unconfirmed("No answer.")]
    for number in range(4):
        await house.submit(f"post {number}", str(ann.id))
    await one_by_one(house)
    statuses = Counter(row.status for row in await every(house))
    assert statuses == {"failed": 1, "unconfirmed": 1, "completed": 1, "pending": 1}
    assert [copy.text for copy in platform.ledger] == ["post 2"]  # it had the slot that the first gave back


async def test_waiting_for_its_turn_never_ends_in_a_failure_after_a_day(counting: House) -> None:
    house, platform = counting, counting.platform
    platform.limit = 1
    ann = await house.connect("ann")
    ids = [await house.submit(f"post {number}", str(ann.id)) for number in range(4)]
    await one_by_one(house)
    for _ in range(3):
        # somebody else is always a moment faster
        house.clock.forward(86_400 - 60)
        platform.elsewhere.append(house.clock.now + 61 * MINUTE / 60)
        house.clock.forward(120)
        await one_by_one(house)
    assert {row.status for row in await every(house)} == {"completed", "pending"}
    told = await house.submission.retry(house.user_id, ids[-1])
    assert [one.answer for one in told] == ["sooner"]
