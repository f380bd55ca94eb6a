"""What answers tell of how much is left, of an account and of what all accounts of a platform share. It never harms a receipt."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from hayon.domain.allowance import PROBE
from hayon.errors import RateLimited
from hayon.outgoing import Answer, Request
from hayon.platforms.contract import Allowance
from hayon.store import allowances
from tests.delivery.counting import Telling, delivery_to, every, one_by_one
from tests.delivery.scripted import House, open_house

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NAIVE = datetime(2026, 11, 22)  # noqa: DTZ001 - on purpose


@pytest.fixture
async def telling(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A house on each database whose platform tells in each answer what is left."""
    async with open_house(database_url) as made:
        made.platform = Telling(clock=made.clock)
        made.delivery = delivery_to(made)
        made.accounts._platforms = made.submission._platforms = {"scripted": made.platform}

        async def send(request: Request, **_: Any) -> Answer:
            return Answer(200, request.url, {}, b"")

        monkeypatch.setattr(made.outgoing, "send", send)
        yield made


async def told(house: House) -> dict[tuple[str, str], int]:
    rows = await house.rows('SELECT scope, name, "left" AS many FROM allowances')
    return {(row.scope, row.name): row.many for row in rows}


async def test_what_an_answer_tells_is_kept_for_the_next(telling: House) -> None:
    house, platform = telling, telling.platform
    ann = await house.connect("ann")
    resets_at = house.clock.now + 30 * MINUTE
    platform.tells = [
        [Allowance("posts", 1, 300, 10_800, resets_at), Allowance("media", 7, 30)], [Allowance("posts", 0, 300, 10_800, resets_at)],
    ]  # fmt: skip
    for number in range(4):
        await house.submit(f"post {number}", str(ann.id))
    await one_by_one(house)
    assert len(platform.ledger) == 2
    assert await told(house) == {(str(ann.id), "posts"): 0, (str(ann.id), "media"): 7}
    waiting = [row for row in await every(house) if row.status == "pending"]
    assert [row.due_at - resets_at < timedelta(seconds=1) for row in waiting] == [True, True]
    assert (await house.rows("SELECT blocked_until FROM accounts"))[0].blocked_until is None
    house.clock.forward(1801)
    await one_by_one(house)
    assert len(platform.ledger) == 4


@pytest.mark.parametrize("tells", [[Allowance("posts", "many", 5)], [Allowance("posts", 1, 5, None, NAIVE)]])
async def test_words_that_cannot_be_kept_do_not_harm_the_receipt(telling: House, tells: Any) -> None:
    telling.platform.tells = [tells]
    await telling.connect("ann")
    post_id = await telling.submit()
    async with asyncio.timeout(20):
        await one_by_one(telling)
    assert (await telling.target(post_id)).status == "completed"
    assert await told(telling) == {}


async def test_an_adapter_that_stumbles_over_an_answer_does_not_harm_the_receipt(telling: House) -> None:
    telling.platform.fails = True
    await telling.connect("ann")
    post_id = await telling.submit()
    await one_by_one(telling)
    assert telling.platform.heard == 1
    assert (await telling.target(post_id)).status == "completed"


async def test_where_nothing_was_told_nothing_more_is_asked_or_written(
    telling: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("this costs")

    for name in ("reserve", "take_question", "wait_for_app"):
        monkeypatch.setattr(allowances, name, refuse)
    await telling.connect("ann")
    post_id = await telling.submit()
    await one_by_one(telling)
    assert (await telling.target(post_id)).status == "completed"


# ---- what all accounts of a platform share


async def test_when_the_budget_of_the_app_is_nearly_used_up_all_wait_and_one_tries(telling: House) -> None:
    house, platform = telling, telling.platform
    names = [str((await house.connect(name)).id) for name in ("ann", "ben", "cid")]
    spent, plenty = Allowance("calls", 4, 100, 3600, of_app=True), Allowance("calls", 60, 100, 3600, of_app=True)
    platform.tells = [[spent], [spent], [plenty]]
    await house.submit("first", names[0])
    await one_by_one(house)
    for name in names:
        await house.submit("then", name)
    await one_by_one(house)
    assert len(platform.ledger) == 1
    waiting = [row for row in await every(house) if row.status == "pending"]
    assert {row.claims for row in waiting} <= {0, 1}
    assert sum(row.claims for row in waiting) == 1  # one found it out for all
    assert await house.rows("SELECT 1 FROM accounts WHERE blocked_until IS NOT NULL") == []
    house.clock.forward(PROBE.total_seconds())
    claims = await house.claim()
    assert len(claims) == 3
    await asyncio.gather(*(house.delivery.deliver(claim) for claim in claims))
    assert len(platform.ledger) == 2  # one tried, and it is not better
    house.clock.forward(PROBE.total_seconds() + 91)
    await one_by_one(house)
    assert len(platform.ledger) == 4  # the next was told that there is plenty, and the last could go on
    assert {row.tries for row in await every(house)} == {0}


async def test_a_budget_with_a_time_of_its_own_is_left_alone_until_then(telling: House) -> None:
    house, platform = telling, telling.platform
    ann = await house.connect("ann")
    until = house.clock.now + 40 * MINUTE
    platform.tells = [[Allowance("calls", 10, 1000, 3600, until, of_app=True)]]
    await house.submit("first", str(ann.id))
    await house.submit("second", str(ann.id))
    await one_by_one(house)
    assert len(platform.ledger) == 1
    house.clock.now = until - timedelta(seconds=1)
    assert await one_by_one(house) == 0
    house.clock.now = until + timedelta(seconds=1)
    await one_by_one(house)
    assert len(platform.ledger) == 2


async def test_one_that_is_answered_without_a_word_of_it_frees_all(telling: House) -> None:
    house, platform = telling, telling.platform
    ann = await house.connect("ann")
    platform.tells = [[Allowance("calls", 0, 100, 86_400, of_app=True)]]
    for number in range(4):
        await house.submit(f"post {number}", str(ann.id))
    await one_by_one(house)
    assert len(platform.ledger) == 1
    house.clock.forward(PROBE.total_seconds() + 1)
    await one_by_one(house)
    assert len(platform.ledger) == 4
    assert await told(house) == {}


async def test_plenty_of_the_apps_budget_is_not_written_by_every_account(telling: House) -> None:
    telling.platform.tells = [[Allowance("calls", 60, 100, 3600, of_app=True)]]
    await telling.connect("ann")
    await telling.submit()
    await one_by_one(telling)
    assert telling.platform.heard == 1
    assert await told(telling) == {}


async def test_a_limit_of_the_app_stops_all_and_one_of_an_account_only_that(house: House) -> None:
    ann, ben = await house.connect("ann"), await house.connect("ben")
    until = house.clock.now + 20 * MINUTE
    house.platform.preparing = [RateLimited("You, slowly.", until=until)]
    await house.submit("ann 1", str(ann.id))
    for name in ("ann 2", "ann 3"):
        await house.submit(name, str(ann.id))
    assert await one_by_one(house) == 1  # the others wait as long, and nobody claims them to find that out
    assert {row.waits_for for row in await every(house)} == {"platform"}
    await house.submit("ben 1", str(ben.id))
    await one_by_one(house)
    assert [copy.text for copy in house.platform.ledger] == ["ben 1"]
    house.clock.now = until + MINUTE
    house.platform.preparing = [RateLimited("All of you, slowly.", until=until + 20 * MINUTE, of_app=True)]
    await house.submit("ben 2", str(ben.id))
    await one_by_one(house)
    assert [copy.text for copy in house.platform.ledger] == ["ben 1"]
    assert (
        await house.rows(f"SELECT 1 FROM accounts WHERE blocked_until > '{until + MINUTE:%Y-%m-%d %H:%M:%S}'")
    ) == []
    assert {row.waits_for for row in await every(house) if row.status == "pending"} == {"app"}
    house.clock.now = until + 22 * MINUTE
    await one_by_one(house)
    order = [copy.text for copy in house.platform.ledger]
    assert sorted(order) == ["ann 1", "ann 2", "ann 3", "ben 1", "ben 2"]
    assert [one for one in order if one.startswith("ann")] == ["ann 1", "ann 2", "ann 3"]
    assert {row.tries for row in await every(house)} == {0}
