"""Targets of one post that settle at the same instant: none may overlook the others. And what the database itself refuses."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hayon.domain.lifecycle import Ended, Outcome
from hayon.domain.model import Receipt
from hayon.store import outbox, settling
from hayon.store.database import new_id
from hayon.store.schema import attempts, posts, targets
from tests.delivery.scripted import START, House, open_house

ACCOUNTS = 5


@pytest.fixture
async def on_postgres(migrated_postgres_url: str) -> AsyncIterator[House]:
    async with open_house(migrated_postgres_url) as house:
        yield house


@pytest.mark.parametrize("posts", [100, pytest.param(400, marks=pytest.mark.long)])
async def test_five_targets_settle_at_one_instant_many_times(on_postgres: House, posts: int) -> None:
    house = on_postgres
    names = [str((await house.connect(f"account-{number}")).id) for number in range(ACCOUNTS)]
    for number in range(posts):
        await house.submit(f"post {number}", *names)
    claims: list[Any] = []
    while taken := await house.claim(places=500):
        claims.extend(taken)
    assert len(claims) == posts * ACCOUNTS
    by_post: dict[Any, list[Any]] = {}
    for claim in claims:
        by_post.setdefault(claim.post_id, []).append(claim)

    async def settle(claim: Any) -> None:
        outcome = Outcome(Ended.PUBLISHED, receipt=Receipt(str(claim.target_id), None, START))
        await house.database.write(settling.settle_try, claim, outcome, attempt_id=None, patience=house.patience)

    for together in by_post.values():
        await asyncio.gather(*(settle(claim) for claim in together))
    statuses = await house.rows("SELECT status, count(*) AS posts FROM posts GROUP BY status")
    assert [(row.status, row.posts) for row in statuses] == [("COMPLETED", posts)]
    kinds = await house.rows("SELECT kind, count(*) AS notices FROM notices GROUP BY kind")
    assert [(row.kind, row.notices) for row in kinds] == [("post.completed", posts)]
    assert (await house.database.write(outbox.repair_summaries)).posts == 0


async def test_two_workers_never_claim_the_same_target(on_postgres: House) -> None:
    house = on_postgres
    names = [str((await house.connect(f"account-{number}")).id) for number in range(2)]
    for number in range(60):
        await house.submit(f"post {number}", *names)

    async def work() -> list[Any]:
        mine: list[Any] = []
        for _ in range(100):
            mine.extend(await house.claim(places=7))
            if len(mine) == 120:
                break
        return mine

    taken = [claim.target_id for mine in await asyncio.gather(*(work() for _ in range(4))) for claim in mine]
    assert len(taken) == len(set(taken)) == 120


async def test_a_stored_status_that_differs_is_repaired_and_counted(house: House) -> None:
    await house.connect("ann")
    post_id = await house.submit()
    await house.deliver_due()
    await house.database.write(lambda tx: tx.run(sa.text("UPDATE posts SET status = 'PROCESSING'")))
    assert (await house.database.write(outbox.repair_summaries)).posts == 1
    assert (await house.post(post_id)).status == "COMPLETED"
    assert (await house.database.write(outbox.repair_summaries)).posts == 0


async def test_what_waits_is_looked_over_part_by_part_and_from_the_beginning_again(house: House) -> None:
    await house.connect("ann")
    for number in range(7):
        await house.submit(f"post {number}")
    await house.database.write(lambda tx: tx.run(sa.text("UPDATE posts SET updated_at = created_at")))
    ids = [
        row.id
        for row in await house.database.read(
            lambda tx: tx.all(sa.select(posts.c.id).order_by(posts.c.updated_at, posts.c.id))
        )
    ]
    repair = partial(house.database.write, outbox.repair_summaries, look=3)
    found, onward = [], None
    for _ in range(6):
        repaired, onward = await repair(onward)
        found.append((repaired, onward and onward[1]))
    part = [(0, ids[2]), (0, ids[5]), (0, None)]
    assert found == part * 2
    await house.database.write(lambda tx: tx.run(sa.update(targets).values(status="failed", due_at=None)))
    assert [(await repair(None)).posts for _ in range(4)] == [3, 3, 1, 0]


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "pending", "open_attempt_id": uuid4()},
        {"status": "failed", "open_attempt_id": uuid4()},
        {"status": "unconfirmed"},
        {"status": "processing", "lease_until": None},
        {"status": "pending", "due_at": None},
        {"status": "completed"},
    ],
)
async def test_the_database_itself_refuses_what_must_not_be(house: House, broken: dict[str, Any]) -> None:
    await house.connect("ann")
    await house.submit()
    with pytest.raises(IntegrityError):
        await house.database.write(lambda tx: tx.run(sa.update(targets).values(**broken)))


async def test_a_claim_whose_answer_was_lost_is_found_again(house: House) -> None:
    await house.connect("ann")
    await house.submit()
    claim_id = uuid4()
    taken = await house.database.write(
        outbox.claim_due, room={"scripted": 5}, claim_id=claim_id, lease=timedelta(seconds=90)
    )
    found = await house.database.read(outbox.find_claims, claim_id)
    assert found == taken
    assert await house.database.read(outbox.find_claims, uuid4()) == []


async def test_old_posts_do_not_make_claims_slower_to_find(house: House) -> None:
    """The due index holds only what can be taken: what has ended is in no index the claim reads."""
    await house.connect("ann")
    for number in range(3):
        await house.submit(f"post {number}")
    await house.deliver_due()
    index = next(one for one in targets.indexes if one.name == "ix_targets_due")
    where = index.dialect_options["postgresql"]["where"]
    assert str(where) == "status IN ('pending', 'unconfirmed') AND held_at IS NULL"
    statement = sa.select(sa.func.count()).select_from(targets).where(where)
    assert await house.database.read(lambda tx: tx.value(statement)) == 0


def test_ids_sort_by_time() -> None:
    ids = [new_id(START + timedelta(milliseconds=number)) for number in range(50)]
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}


def test_an_attempt_is_found_by_its_open_fingerprint() -> None:
    index = next(one for one in attempts.indexes if one.name == "ix_attempts_open")
    assert "answered_at IS NULL" in str(index.dialect_options["postgresql"]["where"])
