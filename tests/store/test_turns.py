"""Whose turn it is: in rounds over authors, one for each account that is free, however long anybody's row is."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon.store import announcing, outbox, turns
from hayon.store.database import Tx, new_id
from hayon.store.schema import accounts, posts, targets, users
from tests.delivery.conftest import *  # noqa: F403 - the heart on each database
from tests.delivery.scripted import START, House

MINUTE = timedelta(minutes=1)
LEASE = timedelta(seconds=90)


def add_author(tx: Tx, count: int) -> list[UUID]:
    """A person with so many accounts: their ids."""
    now = tx.now()
    user_id = new_id(now)
    tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=now))
    made = [new_id(now) for _ in range(count)]
    tx.run(sa.insert(accounts), [
        {"id": one, "user_id": user_id, "platform": "scripted", "host": "https://scripted.test", "remote_id": str(one),
         "credential": b"", "connected_at": now} for one in made
    ])  # fmt: skip
    return made


def add_due(tx: Tx, account_id: UUID, count: int, *, since: timedelta = MINUTE) -> list[UUID]:
    """Posts of this account that are due, the first `since` ago: their targets, the longest waiting first."""
    now = tx.now()
    user_id = tx.value(sa.select(accounts.c.user_id).where(accounts.c.id == account_id))
    made = [(new_id(now), new_id(now)) for _ in range(count)]
    tx.run(sa.insert(posts), [
        {"id": post_id, "user_id": user_id, "status": "PENDING", "content": {"text": "x", "media": []}, "overrides": {},
         "selected": {}, "version": 1, "created_at": now, "updated_at": now} for post_id, _ in made
    ])  # fmt: skip
    tx.run(sa.insert(targets), [
        {"id": target_id, "post_id": post_id, "user_id": user_id, "account_id": account_id, "platform": "scripted",
         "status": "pending", "version": 1, "idempotency_key": str(target_id), "created_at": now, "updated_at": now,
         "due_at": now - since + number * timedelta(milliseconds=1)}
        for number, (post_id, target_id) in enumerate(made)
    ])  # fmt: skip
    return [target_id for _, target_id in made]


async def claim(house: House, places: int, walks: turns.Turns | None = None) -> list[Any]:
    return await house.database.write(
        outbox.claim_due, room={"scripted": places}, claim_id=uuid4(), lease=LEASE, places=places, turns=walks
    )


async def end(house: House, claims: list[Any]) -> None:
    ids = [claim.target_id for claim in claims]
    ended = {"status": "cancelled", "lease_until": None, "due_at": None}
    await house.database.write(lambda tx: tx.run(sa.update(targets).where(targets.c.id.in_(ids)).values(ended)))


async def test_an_account_has_one_in_flight_and_goes_on_in_order(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    waiting = await house.database.write(add_due, ann, 3)
    for expected in waiting:
        claims = await claim(house, 10)
        assert [one.target_id for one in claims] == [expected]
        assert await claim(house, 10) == []  # until this one has ended
        await end(house, claims)


async def test_authors_take_turns(house: House) -> None:
    many, few = await house.database.write(add_author, 5), await house.database.write(add_author, 2)
    for account_id in many:
        await house.database.write(add_due, account_id, 1, since=2 * MINUTE)
    for account_id in few:
        await house.database.write(add_due, account_id, 1)
    claims = await claim(house, 4)
    assert sorted(claim.account_id in few for claim in claims) == [False, False, True, True]


@pytest.fixture
def short_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so small that a handful of rows is more than one look, or one walk, takes in."""
    monkeypatch.setattr(turns, "LOOK", 6)
    monkeypatch.setattr(turns, "STEPS", 4)


@pytest.mark.usefixtures("short_walks")
async def test_a_long_row_hides_nobody(house: House) -> None:
    accounts_of_many = await house.database.write(add_author, 3)
    for account_id in accounts_of_many:
        await house.database.write(add_due, account_id, 8, since=3 * MINUTE)
    strangers = [(await house.database.write(add_author, 1))[0] for _ in range(6)]
    for account_id in strangers:
        await house.database.write(add_due, account_id, 1)
    walks = turns.Turns()
    seen: list[UUID] = []
    for _ in range(9):
        claims = await claim(house, 2, walks)
        seen.extend(claim.account_id for claim in claims)
        await end(house, claims)
    assert set(strangers) <= set(seen)


@pytest.mark.usefixtures("short_walks")
async def test_a_busy_account_with_a_long_row_holds_up_nobody(house: House) -> None:
    (busy,), (free,) = await house.database.write(add_author, 1), await house.database.write(add_author, 1)
    await house.database.write(add_due, busy, 20, since=3 * MINUTE)
    first = await claim(house, 5)
    assert [one.account_id for one in first] == [busy]
    await house.database.write(add_due, free, 1)
    walks = turns.Turns()
    taken = [*await claim(house, 5, walks), *await claim(house, 5, walks)]
    assert [one.account_id for one in taken] == [free]


async def test_of_ten_thousand_due_posts_of_one_author_the_200th_comes_after_the_single_one_of_another(
    house: House,
) -> None:
    mine = await house.database.write(add_author, 40)
    for account_id in mine:
        await house.database.write(add_due, account_id, 250, since=10 * MINUTE)
    (other,) = await house.database.write(add_author, 1)
    await house.database.write(add_due, other, 1)
    walks = turns.Turns()
    before = 0
    for _ in range(200):
        claims = await claim(house, 16, walks)
        if other in {one.account_id for one in claims}:
            break
        before += len(claims)
        await end(house, claims)
    assert before < 200


@pytest.mark.usefixtures("short_walks")
async def test_slots_that_get_free_one_by_one_go_from_author_to_author(house: House) -> None:
    """By age alone the one with the many old ones would always be the next."""
    for account_id in await house.database.write(add_author, 3):
        await house.database.write(add_due, account_id, 9, since=9 * MINUTE)
    others = [(await house.database.write(add_author, 1))[0] for _ in range(3)]
    for account_id in others:
        await house.database.write(add_due, account_id, 3)
    walks = turns.Turns()
    served: list[bool] = []
    for _ in range(8):
        claims = await claim(house, 1, walks)
        served.extend(one.account_id in others for one in claims)
        await end(house, claims)
        house.clock.forward(turns.KEPT.total_seconds() + 0.01)
    assert served.count(True) == 6


async def test_a_choice_holds_for_a_tenth_of_a_second_and_takes_nothing_twice(house: House) -> None:
    """Choosing looks at hundreds of rows; who claims again at once takes what is left of the choice before."""
    for account_id in await house.database.write(add_author, 6):
        await house.database.write(add_due, account_id, 2)
    walks = turns.Turns()
    first = await claim(house, 2, walks)
    (newcomer,) = await house.database.write(add_author, 1)
    await house.database.write(add_due, newcomer, 1, since=2 * MINUTE)
    second = await claim(house, 2, walks)
    house.clock.forward(turns.KEPT.total_seconds() + 0.01)
    third = await claim(house, 2, walks)
    taken = [one.account_id for one in (*first, *second, *third)]
    assert len(set(taken)) == len(taken) == 6
    assert [newcomer in {one.account_id for one in claims} for claims in (first, second, third)] == [False, False, True]


async def test_only_platforms_with_something_due_are_chosen_from(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at each idle platform was a third of a claim."""
    (account_id,) = await house.database.write(add_author, 1)
    await house.database.write(add_due, account_id, 1)
    choose, looked = turns._choose, []

    def count(tx: Tx, platform: str, *more: Any) -> Any:
        looked.append(platform)
        return choose(tx, platform, *more)

    monkeypatch.setattr(turns, "_choose", count)
    room = dict.fromkeys(("first", "second", "scripted", "third"), 4)
    claims = await house.database.write(outbox.claim_due, room=room, places=4, claim_id=uuid4(), lease=LEASE)
    assert ([one.platform for one in claims], looked) == (["scripted"], ["scripted"])


async def test_what_was_stopped_since_it_was_chosen_is_passed_by(house: House) -> None:
    made = [
        (await house.database.write(add_due, account_id, 1))[0]
        for account_id in await house.database.write(add_author, 5)
    ]
    walks = turns.Turns()
    (first,) = await claim(house, 1, walks)
    stopped = next(one for one in made if one != first.target_id)
    cancelled = sa.update(targets).where(targets.c.id == stopped).values(status="cancelled", due_at=None)
    await house.database.write(lambda tx: tx.run(cancelled))
    taken = [one.target_id for _ in range(5) for one in await claim(house, 1, walks)]
    assert sorted([first.target_id, *taken]) == sorted(one for one in made if one != stopped)


async def test_two_workers_at_the_same_instant_take_different_targets(house: House) -> None:
    for _ in range(6):
        (account_id,) = await house.database.write(add_author, 1)
        await house.database.write(add_due, account_id, 2)
    both = await asyncio.gather(claim(house, 3), claim(house, 3))
    taken = [one for claims in both for one in claims]
    assert len({one.target_id for one in taken}) == len({one.account_id for one in taken}) == len(taken)
    assert len(taken) >= 3


# ---- the same turns, announced


async def announce(house: House, window: int, **more: Any) -> list[announcing.Announced]:
    given = {
        "window": window,
        "ahead": timedelta(seconds=2),
        "wait": timedelta(seconds=5),
        "turns": turns.Turns(),
    } | more
    _, announced = await house.database.write(announcing.announce_due, ["scripted"], **given)
    return announced


async def test_a_window_of_bells_is_under_way_and_no_more(house: House) -> None:
    for _ in range(5):
        (account_id,) = await house.database.write(add_author, 1)
        await house.database.write(add_due, account_id, 3)
    first = await announce(house, 3)
    assert len(first) == 3
    assert await announce(house, 3) == []
    named = {first[0].target_id: first[0].version}
    taken = await house.database.write(outbox.claim_named, named=named, claim_id=uuid4(), lease=LEASE)
    assert [one.target_id for one in taken.claims] == [first[0].target_id]
    second = await announce(house, 3)
    assert len(second) == 1
    # its account is busy, and those of the others have bells under way
    assert second[0].user_id not in {one.user_id for one in first}


async def test_a_bell_nobody_hears_is_rung_again_ever_later(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    await house.database.write(add_due, ann, 1)
    waits, rings = [], []
    for _ in range(9):
        started = house.clock.now
        (one,) = await announce(house, 5)
        rings.append(one.ring)
        while not await peek(house):
            house.clock.forward(5)
        waits.append((house.clock.now - started).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert rings == list(range(1, 10))


async def peek(house: House) -> bool:
    """Whether the one row there is could be announced."""
    now = house.clock.now
    return bool(
        await house.database.read(lambda tx: turns.choose(tx, "scripted", 1, now, turns.Turns(), unannounced=now))
    )


async def test_an_edit_voids_the_bell_and_the_new_version_is_rung_at_once(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    (target_id,) = await house.database.write(add_due, ann, 1)
    (old,) = await announce(house, 5)
    raised = sa.update(targets).values(version=2)
    await house.database.write(lambda tx: tx.run(raised))
    (new,) = await announce(house, 5)
    assert (new.version, new.ring) == (2, old.ring + 1)
    stale = await house.database.write(outbox.claim_named, named={target_id: 1}, claim_id=uuid4(), lease=LEASE)
    assert (stale.claims, stale.early) == ([], [])


async def test_a_bell_that_comes_early_is_told_and_takes_nothing(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    (target_id,) = await house.database.write(add_due, ann, 1, since=-MINUTE)
    taken = await house.database.write(outbox.claim_named, named={target_id: 1}, claim_id=uuid4(), lease=LEASE)
    assert taken.claims == []
    assert [(one.target_id, one.due_at) for one in taken.early] == [(target_id, START + MINUTE)]


async def test_a_bell_for_a_busy_account_is_taken_back_and_rung_in_its_turn(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    first, second = await house.database.write(add_due, ann, 2)
    claims = await claim(house, 1)
    assert [one.target_id for one in claims] == [first]
    taken = await house.database.write(outbox.claim_named, named={second: 1}, claim_id=uuid4(), lease=LEASE)
    assert taken.claims == []
    assert await announce(house, 5) == []
    await end(house, claims)
    assert [one.target_id for one in await announce(house, 5)] == [second]


async def test_what_waits_for_its_time_is_handed_over_within_reach_and_counted(house: House) -> None:
    (ann,) = await house.database.write(add_author, 1)
    near = await house.database.write(add_due, ann, 3, since=-10 * MINUTE)
    await house.database.write(add_due, ann, 1, since=-100 * MINUTE)
    given = {"after": timedelta(seconds=2), "reach": 60 * MINUTE, "wait": timedelta(seconds=5)}
    _, told = await house.database.write(announcing.announce_ahead, ["scripted"], window=2, **given)
    assert [one.target_id for one in told] == near[:2]
    assert (await house.database.write(announcing.announce_ahead, ["scripted"], window=2, **given))[1] == []
    _, told = await house.database.write(announcing.announce_ahead, ["scripted"], window=9, **given)
    assert [one.target_id for one in told] == near[2:]
