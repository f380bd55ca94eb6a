"""What was told is kept as it was told last; slots are never given out twice; whoever waits is given a turn, once."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon.domain.allowance import FRESH, PROBE, Told
from hayon.domain.lifecycle import Ended, Outcome, WaitsFor
from hayon.errors import LeaseLost
from hayon.store import allowances, outbox, settling
from hayon.store.allowances import app_scope
from hayon.store.database import Tx
from hayon.store.schema import attempts, targets
from tests.delivery.conftest import *  # noqa: F403 - the heart on each database
from tests.delivery.scripted import START, House
from tests.store.test_turns import LEASE, add_author, add_due, claim

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def posts(left: int, limit: int | None = 10) -> Told:
    return Told("posts", left, START, limit, 86_400)


async def keep(house: House, told: Any) -> None:
    await house.database.write(allowances.keep_told, told, house.clock.now)


async def kept(house: House, scope: str) -> list[Told]:
    return await house.database.read(allowances.list_told, scope)


async def test_what_is_told_later_takes_the_place_of_what_was_told_before(house: House) -> None:
    await keep(house, {"a": [posts(5), Told("media", 3, START)], "b": [posts(1)]})
    house.clock.forward(60)
    await keep(house, {"a": [Told("posts", 4, START, None, None, START + MINUTE)]})
    now = house.clock.now
    assert await kept(house, "a") == [Told("media", 3, START), Told("posts", 4, now, None, None, START + MINUTE)]
    assert await kept(house, "b") == [posts(1)]
    await keep(house, {"a": []})
    assert await kept(house, "a") == []


async def test_what_is_told_is_kept_within_bounds(house: House) -> None:
    await keep(
        house, {"a": [Told("x", -5, START, 2**40, -1, START + 1000 * DAY), Told("x", -6, START, 2**40, -1, START)]}
    )
    assert await kept(house, "a") == [Told("x", 0, START, 2**31 - 1, 0, START)]
    await keep(house, {"a": [Told("x", 2**40, START, None, None, START + 1000 * DAY)]})
    assert await kept(house, "a") == [Told("x", 2**31 - 1, START, None, None, START + DAY)]


async def test_one_of_many_asks(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    for _ in range(3):
        asking = await asyncio.gather(*(house.database.write(allowances.take_question, ann) for _ in range(6)))
        assert [one for one in asking if one is not None] == [house.clock.now]
        house.clock.forward(FRESH.total_seconds())


async def claimed(house: House, account_id: UUID, count: int) -> list[Any]:
    """So many targets of one account in hand at once, as nobody would ever claim them in turn."""
    ids = await house.database.write(add_due, account_id, count)

    def take(tx: Tx) -> list[Any]:
        rows = tx.all(sa.select(targets.c.post_id).where(targets.c.id.in_(ids)))
        return outbox._lease(tx, ids, {row.post_id for row in rows}, uuid4(), LEASE, tx.now())

    return await house.database.write(take)


async def test_many_workers_at_one_instant_reserve_what_there_is_and_no_more(house: House) -> None:
    """On PostgreSQL these are as many connections at work side by side."""
    for _ in range(5):
        (ann,) = await house.database.write(add_author, 1)
        claims = await claimed(house, ann, 12)
        await keep(house, {str(ann): [posts(3)]})
        turns = await asyncio.gather(*(house.database.write(allowances.reserve, one) for one in claims))
        assert sum(1 for turn in turns if turn.until is None) == 3
        held = await house.rows(f"SELECT count(*) AS many FROM targets WHERE slot_at IS NOT NULL AND account_id IN "
                                f"('{ann}', '{ann.hex}')")  # fmt: skip
        assert held[0].many == 3


async def test_a_slot_stays_the_targets_own_and_is_no_other_workers(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    first, second = await claimed(house, ann, 2)
    await keep(house, {str(ann): [posts(1, 1)]})
    for _ in range(3):
        assert (await house.database.write(allowances.reserve, first)).until is None
    turn = await house.database.write(allowances.reserve, second)
    assert (turn.until, turn.limit, turn.seconds) == (START + DAY, 1, 86_400)
    house.clock.forward(91)
    await house.sweep()
    with pytest.raises(LeaseLost):
        await house.database.write(allowances.reserve, first)
    assert await house.rows("SELECT 1 FROM targets WHERE slot_at IS NOT NULL") == []


def add_call(tx: Tx, one: Any, at: Any, answered_by: str | None) -> None:
    answered_at = None if answered_by is None else at
    tx.run(sa.insert(attempts).values(
        id=uuid4(), target_id=one.target_id, post_id=one.post_id, account_id=one.account_id, number=1, version=1, fence=1,
        started_at=at, intent_at=at, answered_at=answered_at, answered_by=answered_by))  # fmt: skip


@pytest.mark.parametrize(
    ("answered_by", "ago", "counts"),
    [("receipt", MINUTE, True), (None, MINUTE, True), ("person", MINUTE, True), ("refusal", MINUTE, False),
     ("absence", MINUTE, False), ("receipt", DAY, False)],
)  # fmt: skip
async def test_calls_of_ours_count_unless_they_proved_to_have_had_no_effect(
    house: House, answered_by: str | None, ago: timedelta, counts: bool
) -> None:
    (ann,) = await house.database.write(add_author, 1)
    first, second = await claimed(house, ann, 2)
    await keep(house, {str(ann): [posts(1, 1)]})
    house.clock.now = START + 10 * MINUTE
    await house.database.write(add_call, first, house.clock.now - ago, answered_by)
    turn = await house.database.write(allowances.reserve, second)
    assert (turn.until is not None) is counts


async def test_the_calls_and_slots_of_other_accounts_do_not_count(house: House) -> None:
    (ann,), (ben,) = await house.database.write(add_author, 1), await house.database.write(add_author, 1)
    (hers,), (his, other) = await claimed(house, ann, 1), await claimed(house, ben, 2)
    await keep(house, {str(ann): [posts(1)], str(ben): [posts(2)]})
    await house.database.write(add_call, his, START, None)
    assert (await house.database.write(allowances.reserve, other)).until is None
    assert (await house.database.write(allowances.reserve, hers)).until is None


async def test_those_that_wait_are_lined_up_once_and_newcomers_go_behind(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    waiting = await house.database.write(add_due, ann, 6)
    await keep(house, {str(ann): [posts(0, 2)]})

    async def lines() -> dict[UUID, Any]:
        rows = await house.database.read(lambda tx: tx.all(sa.select(targets).where(targets.c.id.in_(waiting))))
        return {row.id: row for row in rows}

    (first,) = await claim(house, 1)
    turn = await house.database.write(allowances.reserve, first)
    assert turn.until is not None
    lined = await lines()
    places = [(lined[one].due_at - START) // MINUTE for one in waiting[1:]]
    assert places == [1440, 2880, 2880, 4320, 4320]  # two a day; the first is who found it out and is told for itself
    assert {lined[one].code for one in waiting[1:]} == {"allowance"}
    waits = Outcome(Ended.RATE_LIMITED, "Used up.", "allowance", until=turn.until, planned=True)
    await house.database.write(settling.settle_try, first, waits, attempt_id=None, patience=house.patience)
    assert await claim(house, 10) == []
    lined = await lines()
    (newcomer,) = await house.database.write(add_due, ann, 1)
    house.clock.forward(60)
    (late,) = await claim(house, 1)
    assert late.target_id == newcomer
    behind = await house.database.write(allowances.reserve, late)
    assert behind.until is not None
    assert behind.until >= max(lined[one].due_at for one in waiting) - MINUTE
    assert {one: row.due_at for one, row in (await lines()).items()} == {one: row.due_at for one, row in lined.items()}


async def test_whoever_is_in_another_hand_is_passed_by(house: House) -> None:
    """A newer turn is never written over what a person decides at the same moment."""
    (ann,) = await house.database.write(add_author, 1)
    waiting = await house.database.write(add_due, ann, 3)
    await keep(house, {str(ann): [posts(0, 1)]})
    (first,) = await claim(house, 1)
    if not house.database.single_process:
        import asyncpg

        connection = await asyncpg.connect(
            house.database.url.render_as_string(hide_password=False).replace("+asyncpg", "")
        )
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM targets WHERE id = $1 FOR UPDATE", waiting[1])
            async with asyncio.timeout(5):
                await house.database.write(allowances.reserve, first)
        await connection.close()
        rows = await house.rows("SELECT code FROM targets WHERE status = 'pending'")
        assert Counter(row.code for row in rows) == {"": 1, "allowance": 1}


async def test_what_is_due_is_postponed_in_its_order(house: House) -> None:
    (ann,), (ben,) = await house.database.write(add_author, 1), await house.database.write(add_author, 1)
    waiting = await house.database.write(add_due, ann, 4)
    (other,) = await house.database.write(add_due, ben, 1)
    until = START + 20 * MINUTE
    of_ann = targets.c.account_id == ann
    moved = await house.database.write(allowances.postpone, of_ann, until, "Wait.", START, WaitsFor.PLATFORM)
    assert moved == 4
    assert [one.target_id for one in await claim(house, 5)] == [other]
    house.clock.now = until + MINUTE
    rows = await house.rows("SELECT id, waits_for FROM targets WHERE message = 'Wait.' ORDER BY due_at")
    assert [UUID(str(row.id)) for row in rows] == waiting
    assert {row.waits_for for row in rows} == {"platform"}


async def test_one_of_many_tries_whether_the_app_may_call_again(house: House) -> None:
    await keep(house, {app_scope("scripted"): [Told("calls", 3, START, 100, 3600)]})

    async def all_ask() -> list[Any]:
        return await asyncio.gather(
            *(house.database.write(allowances.wait_for_app, "scripted", LEASE) for _ in range(6))
        )

    assert set(await all_ask()) == {START + PROBE}
    house.clock.forward(PROBE.total_seconds())
    answers = await all_ask()
    assert answers.count(None) == 1
    assert set(answers) == {None, house.clock.now + LEASE}
    house.clock.forward(LEASE.total_seconds())  # it never came back
    assert (await all_ask()).count(None) == 1
    house.clock.now = START + timedelta(hours=1)
    assert set(await all_ask()) == {None}
