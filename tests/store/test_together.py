"""What many ask for at once is done in one transaction; each gets the answer that it would have got alone."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from hayon.domain.allowance import Told
from hayon.domain.lifecycle import Ended, Outcome, Settlement
from hayon.domain.model import Receipt
from hayon.errors import DatabaseUnreachable, LeaseLost
from hayon.store import allowances, gathering, intending, settling
from hayon.store.database import Tx
from hayon.store.receipts import keep_receipt
from hayon.store.schema import attempts, notices, posts, receipts, targets, users
from hayon.store.together import ALONE, Asked, together
from tests.delivery.conftest import *  # noqa: F403 - the heart on each database
from tests.delivery.scripted import START, House, open_house


class Seen:
    """A work for many that tells what it was asked for, and one that refuses some."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.alone: list[int] = []
        self.left_out: set[int] = set()
        self.breaks: set[int] = set()
        self.away = False

        def many(tx: Tx, asked: Sequence[Asked]) -> list[Any]:
            numbers = [one.args[0] for one in asked]
            self.batches.append(numbers)
            if self.away:
                raise DatabaseUnreachable("Away.")
            if self.breaks & set(numbers):
                raise ValueError("one of these")
            tx.value(sa.text("SELECT 1"))
            return [ALONE if one in self.left_out else LeaseLost(str(one)) if one < 0 else one * 10 for one in numbers]

        @together(many)
        def one(tx: Tx, number: int) -> int:
            self.alone.append(number)
            if number in self.breaks:
                raise ValueError("this one")
            return tx.value(sa.select(sa.literal(number * 10)))

        self.work = one


async def ask(house: House, seen: Seen, *numbers: int) -> list[Any]:
    return await asyncio.gather(*(house.database.write(seen.work, one) for one in numbers), return_exceptions=True)


async def test_who_asks_at_once_is_answered_by_one_transaction_each_with_its_own(house: House) -> None:
    seen = Seen()
    assert await ask(house, seen, *range(30)) == [number * 10 for number in range(30)]
    assert (seen.batches, seen.alone) == ([list(range(30))], [])


async def test_who_asks_meanwhile_goes_with_the_next(house: House) -> None:
    seen = Seen()
    first = asyncio.create_task(ask(house, seen, 1))
    while not house.database._company._queues:  # noqa: ASYNC110 - until the first is under way
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = await ask(house, seen, 2, 3, 4)
    assert (await first, rest) == ([10], [20, 30, 40])
    assert seen.batches == [[1], [2, 3, 4]]


async def test_who_is_left_out_is_done_alone_and_an_answer_may_be_an_error(house: House) -> None:
    seen = Seen()
    seen.left_out = {2, 4}
    answers = await ask(house, seen, 1, 2, -3, 4)
    assert [answer if isinstance(answer, int) else type(answer) for answer in answers] == [10, 20, LeaseLost, 40]
    assert (seen.batches, sorted(seen.alone)) == ([[1, 2, -3, 4]], [2, 4])


async def test_an_error_of_one_is_no_error_of_the_others(house: House) -> None:
    seen = Seen()
    seen.breaks = {3}
    answers = await ask(house, seen, 1, 2, 3)
    assert answers[:2] == [10, 20]
    assert str(answers[2]) == "this one"
    assert sorted(seen.alone) == [1, 2, 3]


async def test_a_database_that_was_away_for_a_moment_is_asked_again_by_each(house: House) -> None:
    """Whether it was written is not known: each finds that out for itself, and none loses its lease for the others."""
    seen = Seen()
    seen.away = True
    assert await ask(house, seen, 1, 2) == [10, 20]
    assert sorted(seen.alone) == [1, 2]


async def test_nobody_waits_for_ever_where_the_answers_do_not_fit(house: House) -> None:
    def many(tx: Tx, asked: Sequence[Asked]) -> list[Any]:
        return [1]

    @together(many)
    def one(tx: Tx, number: int) -> int:
        return number

    asking = [asyncio.create_task(house.database.write(one, number)) for number in (1, 2)]
    done, waiting = await asyncio.wait(asking, timeout=10)
    assert (len(done), len(waiting)) == (2, 0)
    assert house.database._company._queues == {}


async def test_two_answers_for_one_target_at_once_are_both_kept(house: House) -> None:
    """The first call's came late: by then it was taken for lost, looked for, and made again."""
    (first,) = await ready_for(house, 1)
    old = await intend(house, first)
    house.clock.forward(100)
    await house.sweep()
    again = [await house.database.write(intending.record_absence, claim, house.times.lease) and claim
             for claim in await house.claim(alone=True)]  # fmt: skip
    assert len(again) == 1
    new = await intend(house, again[0])
    assert isinstance(new, UUID)
    await asyncio.gather(receive(house, again[0], new, "r2"), receive(house, first, old, "r1"))
    kept = await house.rows("SELECT remote_id FROM receipts ORDER BY remote_id")
    assert [row.remote_id for row in kept] == ["r1", "r2"]
    told = await house.rows("SELECT kind FROM notices WHERE kind = 'target.published_twice'")
    assert len(told) == 1


async def test_who_goes_away_takes_nobody_along(house: House) -> None:
    seen = Seen()
    leaving = asyncio.create_task(house.database.write(seen.work, 1))
    staying = asyncio.create_task(house.database.write(seen.work, 2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 20
    assert leaving.cancelled()
    assert seen.batches == [[1, 2]]


# ---- the works of a delivery


async def ready_for(house: House, count: int) -> list[Any]:
    """So many claims, each of a post and an account of its own."""
    for number in range(count):
        account = await house.connect(f"account-{number}")
        await house.submit(f"post {number}", str(account.id))
    return await house.claim()


def intend(house: House, claim: Any) -> Any:
    return house.database.write(
        intending.commit_intent, claim, handles={"key": claim.idempotency_key}, fingerprint="f", lease=house.times.lease,
        deadline=house.times.commit_deadline, settles_within=timedelta(0),
    )  # fmt: skip


def receive(house: House, claim: Any, attempt_id: UUID, remote_id: str, **more: Any) -> Any:
    outcome = Outcome(
        Ended.PUBLISHED, "Published.", receipt=Receipt(remote_id, f"https://scripted.test/{remote_id}", START)
    )
    return house.database.write(
        settling.settle_try, claim, outcome, attempt_id=attempt_id, patience=house.patience, **more
    )


async def rows_of(house: House, claims: Sequence[Any]) -> dict[str, list[str]]:
    """Everything that the deliveries of these wrote, but for what is another's by nature: ids, keys, addresses."""
    post_ids = [claim.post_id for claim in claims]
    others = {"idempotency_key", "correlation_id", "selected", "handles", "remote_id", "url", "facts", "fingerprint"}

    def read(tx: Tx) -> dict[str, list[str]]:
        found = {}
        for table in (posts, targets, attempts, receipts, notices):
            if table is receipts:
                mine = receipts.c.target_id.in_([claim.target_id for claim in claims])
            else:
                mine = (posts.c.id if table is posts else table.c.post_id).in_(post_ids)
            told = [
                column.is_(None).label(column.name) if isinstance(column.type, sa.Uuid) or column.name in others else column
                for column in table.c
            ]  # fmt: skip
            found[table.name] = sorted(map(repr, tx.all(sa.select(*told).where(mine))))
        return found

    return await house.database.read(read)


async def test_together_writes_what_one_by_one_would(house: House) -> None:
    """Twelve plain deliveries side by side, and the same twelve one after another, leave the same rows."""
    side_by_side = await ready_for(house, 12)
    await asyncio.gather(*(house.database.read(gathering.gather, claim) for claim in side_by_side))
    ids = await asyncio.gather(*(intend(house, claim) for claim in side_by_side))
    await asyncio.gather(*(
        receive(house, claim, one, f"a{number}") for number, (claim, one) in enumerate(zip(side_by_side, ids, strict=True))
    ))  # fmt: skip
    one_by_one = await ready_for(house, 12)
    undo = without_many()
    try:
        for number, claim in enumerate(one_by_one):
            await receive(house, claim, await intend(house, claim), f"b{number}")
    finally:
        undo()
    assert await rows_of(house, side_by_side) == await rows_of(house, one_by_one)


def without_many() -> Any:
    """Every delivery by itself, as if nobody else asked. What to call in the end."""
    works = [intending.commit_intent, settling.settle_try]
    kept = [vars(work).pop("many") for work in works]

    def undo() -> None:
        for work, many in zip(works, kept, strict=True):
            work.many = many

    return undo


async def test_intents_are_refused_one_by_one_in_one_transaction(house: House) -> None:
    claims = await ready_for(house, 5)
    fine, edited, stopped, cut_off, late = claims
    await house.database.write(lambda tx: tx.run(
        sa.update(targets).where(targets.c.id == edited.target_id).values(version=targets.c.version + 1)))  # fmt: skip
    await house.database.write(lambda tx: tx.run(
        sa.update(targets).where(targets.c.id == stopped.target_id).values(stop_asked=True)))  # fmt: skip
    await house.accounts.disconnect(house.user_id, cut_off.account_id)
    await house.database.write(lambda tx: tx.run(
        sa.update(targets).where(targets.c.id == late.target_id).values(lease_until=START)))  # fmt: skip
    answers = await asyncio.gather(*(intend(house, claim) for claim in claims), return_exceptions=True)
    assert [type(answer) for answer in answers] == [UUID, type(None), type(None), type(None), LeaseLost]
    opened = await house.rows("SELECT target_id FROM attempts WHERE intent_at IS NOT NULL")
    assert len(opened) == 1
    assert (await house.target(fine.post_id)).open_attempt_id == answers[0]


async def test_one_id_for_two_posts_settles_one_of_them(house: House) -> None:
    """The platform gave one id to two posts of an account: the first keeps it, whoever that is."""
    account = str((await house.connect("twice")).id)
    await house.submit("one", account)
    await house.submit("two", account)
    claims = await house.claim()
    ids = await asyncio.gather(*(intend(house, claim) for claim in claims))
    answers = await asyncio.gather(
        *(receive(house, claim, one, "the same") for claim, one in zip(claims, ids, strict=True)),
        return_exceptions=True,
    )
    assert [isinstance(answer, Settlement) for answer in answers].count(True) == 1
    (left,) = [place for place, answer in enumerate(answers) if not isinstance(answer, Settlement)]
    with pytest.raises(LeaseLost):
        await receive(house, claims[left], ids[left], "the same")
    statuses = await house.rows("SELECT status, count(*) AS targets FROM targets GROUP BY status ORDER BY status")
    assert [(row.status, row.targets) for row in statuses] == [("completed", 1), ("processing", 1)]


async def test_a_receipt_that_came_between_two_looks_is_not_taken_for_ones_own(house: House) -> None:
    first, second = await ready_for(house, 2)
    receipt = Receipt("the same", None, START)
    rows = [await house.target(claim.post_id) for claim in (first, second)]

    def keep(tx: Tx, row: Any) -> None:
        of_one_account: Any = SimpleNamespace(id=row.id, account_id=rows[0].account_id)
        keep_receipt(tx, of_one_account, receipt, attempt_id=None, adopted=False, now=START)

    await house.database.write(keep, rows[0])
    await house.database.write(keep, rows[0])
    with pytest.raises(LeaseLost):
        await house.database.write(keep, rows[1])
    assert len(await house.rows("SELECT id FROM receipts")) == 1


async def test_a_post_in_other_hands_holds_up_no_others(migrated_postgres_url: str) -> None:
    """Somebody stands still with one post: the others' intents and receipts are written meanwhile."""
    async with open_house(migrated_postgres_url) as house:
        claims = await ready_for(house, 4)
        held, release = asyncio.Event(), asyncio.Event()
        engine = create_async_engine(migrated_postgres_url)

        async def stand_still() -> None:
            async with engine.begin() as connection:
                await connection.execute(sa.select(posts.c.id).where(posts.c.id == claims[0].post_id).with_for_update())
                held.set()
                await release.wait()

        standing = asyncio.create_task(stand_still())
        await held.wait()
        waiting = asyncio.create_task(intend(house, claims[0]))
        ids = await asyncio.gather(*(intend(house, claim) for claim in claims[1:]))
        settled = [receive(house, claim, one, str(one)) for claim, one in zip(claims[1:], ids, strict=True)]
        assert {str((await one).status) for one in settled} == {"completed"}
        assert not waiting.done()
        release.set()
        await standing
        assert isinstance(await waiting, UUID)
        await engine.dispose()


async def test_another_row_in_other_hands_holds_up_only_those_who_need_it(migrated_postgres_url: str) -> None:
    """What is left of an app is one row for all accounts of a platform; not every answer tells of it."""
    async with open_house(migrated_postgres_url) as house:
        claims = await ready_for(house, 4)
        ids = await asyncio.gather(*(intend(house, claim) for claim in claims))
        told = {"app:scripted": [Told("calls", 1, START)]}
        await house.database.write(allowances.keep_told, told, START)
        held, release = asyncio.Event(), asyncio.Event()
        engine = create_async_engine(migrated_postgres_url)

        async def stand_still() -> None:
            async with engine.begin() as connection:
                await connection.execute(sa.text("SELECT * FROM allowances FOR UPDATE"))
                held.set()
                await release.wait()

        standing = asyncio.create_task(stand_still())
        await held.wait()
        needs = asyncio.create_task(receive(house, claims[0], ids[0], "r0", told=told))
        others = [receive(house, claim, one, str(one)) for claim, one in zip(claims[1:], ids[1:], strict=True)]
        async with asyncio.timeout(5):
            assert {str(one.status) for one in await asyncio.gather(*others)} == {"completed"}
        assert not needs.done()
        release.set()
        await standing
        assert str((await needs).status) == "completed"
        await engine.dispose()


async def test_a_notice_for_each_of_many_posts_that_ended_together(house: House) -> None:
    claims = await ready_for(house, 6)
    ids = await asyncio.gather(*(intend(house, claim) for claim in claims))
    await asyncio.gather(*(
        receive(house, claim, one, str(uuid4())) for claim, one in zip(claims, ids, strict=True)
    ))  # fmt: skip
    told = await house.rows(
        "SELECT kind, count(*) AS notices, count(DISTINCT post_id) AS posts FROM notices GROUP BY kind"
    )
    assert [(row.kind, row.notices, row.posts) for row in told] == [("post.completed", 6, 6)]
    people = await house.database.read(lambda tx: tx.value(sa.select(sa.func.count()).select_from(users)))
    assert people == 1
