"""Credentials that nobody uses: refreshed when their time comes, by one, patiently; and never again once they were refused."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hayon.accounts import LEAST_BETWEEN, Sealed
from hayon.delivery.renewing import AT_ONCE, BATCH, SPREAD, WAITS, Renewing
from hayon.errors import DatabaseUnreachable, Disconnected, NotYet, RateLimited, Unavailable
from hayon.store import accounts as rows
from hayon.store import renewals
from hayon.store.schema import accounts
from tests.delivery.scripted import START, House, open_house

IN_A_WEEK = START + timedelta(days=7)


class Asked:
    """What stands in the place of the platform's refresh: how often it was asked, and what it answers."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.count = 0
        self.errors: list[Exception] = []
        house.platform.refresh = self

    async def __call__(self, account: Any, credential: Any, outgoing: Any) -> Any:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return {**credential, "refreshed": self.count}


@pytest.fixture
async def asked(house: House) -> Asked:
    """One account whose credential is to be refreshed in a week."""
    house.platform.renewing = IN_A_WEEK
    await house.connect("ann")
    return Asked(house)


@pytest.fixture
def renewing(house: House) -> Renewing:
    return Renewing(house.database, house.accounts, every=timedelta(seconds=5), chance=lambda: 0.5)


@pytest.fixture
async def other_house(house: House, database_url: str) -> AsyncIterator[House]:
    """Another process on the same database, with the same clock and platform."""
    if database_url.startswith("sqlite"):
        yield house
        return
    async with open_house(database_url, clock=house.clock, platform=house.platform) as opened:
        yield opened


async def row_of(house: House, name: str = "ann") -> Any:
    return await house.database.read(lambda tx: tx.first(sa.select(accounts).where(accounts.c.handle == name)))


async def set_row(house: House, **values: Any) -> None:
    await house.database.write(lambda tx: tx.run(sa.update(accounts).values(**values)))


async def test_nobody_is_asked_before_the_time_comes_and_once_when_it_has(
    house: House, asked: Asked, renewing: Renewing
) -> None:
    house.clock.forward(7 * 86_400 - 1)
    assert (await renewing.renew_once(), asked.count) == (0, 0)
    house.clock.forward(1)
    house.platform.renewing = IN_A_WEEK + timedelta(days=7)
    assert (await renewing.renew_once(), asked.count) == (1, 1)
    row = await row_of(house)
    assert (row.renew_at, row.renew_failures, row.credential_version) == (IN_A_WEEK + timedelta(days=7), 0, 2)
    assert house.vault.open(row.credential, str(row.id))["refreshed"] == 1
    assert (await renewing.renew_once(), asked.count) == (0, 1)


async def test_what_asks_to_be_refreshed_at_once_again_waits_all_the_same(
    house: House, asked: Asked, renewing: Renewing
) -> None:
    now = house.clock.forward(7 * 86_400)
    await renewing.renew_once()  # the platform says the same time as before, which has passed
    assert (await row_of(house)).renew_at == now + LEAST_BETWEEN
    assert (await renewing.renew_once(), asked.count) == (0, 1)


async def test_failures_wait_longer_each_time_and_are_forgotten_once_it_works(
    house: House, asked: Asked, renewing: Renewing
) -> None:
    house.clock.forward(7 * 86_400)
    for number, wait in enumerate([*WAITS, WAITS[-1]], 1):
        asked.errors = [Unavailable("Down.")]
        assert (await renewing.renew_once(), asked.count) == (1, number)
        row = await row_of(house)
        assert (row.renew_at, row.renew_failures) == (house.clock.now + wait, number)
        assert (row.health, row.needs_reconnection) == ("active", False)
        house.clock.forward(wait.total_seconds() - 1)
        assert await renewing.renew_once() == 0
        house.clock.forward(1)
    assert await renewing.renew_once() == 1
    assert (await row_of(house)).renew_failures == 0


async def test_a_failure_nobody_foresaw_waits_like_any_other(house: House, asked: Asked, renewing: Renewing) -> None:
    house.clock.forward(7 * 86_400)
    asked.errors = [ValueError("a bug")]
    await renewing.renew_once()
    assert (await row_of(house)).renew_at == house.clock.now + WAITS[0]


async def test_a_platform_that_asks_to_wait_is_asked_no_sooner(house: House, asked: Asked, renewing: Renewing) -> None:
    house.clock.forward(7 * 86_400)
    until = house.clock.now + timedelta(hours=3)
    asked.errors = [RateLimited("Slow down.", until=until)]
    await renewing.renew_once()
    assert (await row_of(house)).renew_at == until


async def test_a_refused_refresh_asks_the_owner_once_and_the_platform_never_again(
    house: House, asked: Asked, renewing: Renewing
) -> None:
    asked.errors = [Disconnected("The session has ended. Connect it again.", health="expired")]
    house.clock.forward(7 * 86_400)
    await renewing.renew_once()
    row = await row_of(house)
    assert (row.health, row.needs_reconnection, row.refreshing_until) == ("expired", True, None)
    for _ in range(3):
        house.clock.forward(86_400)
        assert await renewing.renew_once() == 0
    # what is due then fails with the same sentence, and the platform is not asked for each of them
    await set_row(house, refresh_wanted=True)
    posts = [await house.submit(f"post {number}") for number in range(3)]
    await house.deliver_due()
    for post_id in posts:
        target = await house.target(post_id)
        assert (target.status, target.message) == ("failed", "The session has ended. Connect it again.")
    assert asked.count == 1
    kinds = [one.kind for one in await house.rows("SELECT kind FROM notices")]
    assert kinds.count("account.needs_reconnection") == 1


async def test_a_person_who_asks_has_it_tried_once_more(house: House, asked: Asked, renewing: Renewing) -> None:
    asked.errors = [Disconnected("The session has ended.", health="expired")]
    house.clock.forward(7 * 86_400)
    await renewing.renew_once()
    await set_row(house, refresh_wanted=True)
    account = await house.accounts.check(house.user_id, (await row_of(house)).id)
    assert (account.health, account.needs_reconnection, asked.count) == ("active", False, 2)


async def test_connected_again_it_is_refreshed_again(house: House, asked: Asked, renewing: Renewing) -> None:
    asked.errors = [Disconnected("The session has ended.", health="expired")]
    house.clock.forward(7 * 86_400)
    await renewing.renew_once()
    await house.connect("ann")
    assert (await renewing.renew_once(), asked.count) == (1, 2)


async def test_a_disconnected_account_is_left_alone(house: House, asked: Asked, renewing: Renewing) -> None:
    await house.accounts.disconnect(house.user_id, (await row_of(house)).id)
    house.clock.forward(30 * 86_400)
    assert (await renewing.renew_once(), await renewing.plan_once(), asked.count) == (0, 0, 0)


def hold_back(house: House, asked: Asked) -> tuple[asyncio.Event, asyncio.Event]:
    """The platform answers only when it may: when it was asked, and what lets it answer."""
    begun, go = asyncio.Event(), asyncio.Event()
    answer = asked.__call__

    async def slow(*given: Any) -> Any:
        begun.set()
        await go.wait()
        return await answer(*given)

    house.platform.refresh = slow
    return begun, go


async def test_relays_and_workers_at_once_refresh_once(
    house: House, other_house: House, asked: Asked, renewing: Renewing
) -> None:
    """Two relays, deliveries of two processes and a person who asks, all with the credential they read before."""
    house.clock.forward(7 * 86_400)
    house.platform.renewing = IN_A_WEEK + timedelta(days=30)
    row = await row_of(house)
    begun, go = hold_back(house, asked)
    second = Renewing(other_house.database, other_house.accounts, every=timedelta(seconds=5), chance=lambda: 0.5)
    one = Sealed(rows.as_account(row), row.credential, row.credential_version, True, house.clock.now)
    work = [renewing.renew_once(), second.renew_once(), house.accounts.check(house.user_id, row.id)]
    work += [place.accounts.unlock(one) for place in (house, other_house) for _ in range(5)]
    tasks = [asyncio.create_task(each) for each in work]
    await begun.wait()
    for _ in range(20):
        await asyncio.sleep(0.01)
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(NotYet):  # late, with what it read before: it reads again and finds the fresh one
        await house.accounts.unlock(one)
    after = await row_of(house)
    assert (asked.count, after.credential_version) == (1, row.credential_version + 1)
    assert (after.health, after.health_message, after.renew_failures) == ("active", "", 0)


async def test_an_answer_is_kept_though_nobody_waits_for_it_any_more(house: House, asked: Asked) -> None:
    """A worker that stops in the middle of a refresh: the platform may have taken the old credential back."""
    row = await row_of(house)
    begun, go = hold_back(house, asked)
    one = Sealed(rows.as_account(row), row.credential, row.credential_version, True, house.clock.now)
    task = asyncio.create_task(house.accounts.unlock(one))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert house.vault.open((await row_of(house)).credential, str(row.id))["refreshed"] == 1


async def test_an_answer_is_kept_though_the_database_is_away_at_that_moment(house: House, asked: Asked) -> None:
    row = await row_of(house)
    write, refused = house.database.write, 0

    async def stumbling(work: Any, *given: Any, **named: Any) -> Any:
        nonlocal refused
        if work is rows.keep_credential and refused < 3:
            refused += 1
            raise DatabaseUnreachable("away")
        return await write(work, *given, **named)

    house.database.write = stumbling
    one = Sealed(rows.as_account(row), row.credential, row.credential_version, True, house.clock.now)
    assert (await house.accounts.unlock(one))["refreshed"] == 1
    assert refused == 3
    assert house.vault.open((await row_of(house)).credential, str(row.id))["refreshed"] == 1


async def test_a_refusal_of_an_older_credential_says_nothing_of_a_newer_one(house: House, asked: Asked) -> None:
    row = await row_of(house)

    async def refuse(*_: Any) -> Any:
        await house.connect("ann")  # meanwhile
        raise Disconnected("The session has ended.", health="expired")

    house.platform.refresh = refuse
    one = Sealed(rows.as_account(row), row.credential, row.credential_version, True, house.clock.now)
    with pytest.raises(Disconnected):
        await house.accounts.unlock(one)
    assert (await row_of(house)).health == "active"


async def test_accounts_of_an_older_version_get_a_time_in_steps(house: House, renewing: Renewing) -> None:
    names = [f"n{number}" for number in range(BATCH + 5)]
    for name in names:
        await house.connect(name)
    await set_row(house, renew_at=None)
    assert await renewing.plan_once() == 0  # these never run out
    house.platform.renewing = IN_A_WEEK
    assert await renewing.plan_once() == len(names)
    assert {row.renew_at for row in await _all(house)} == {IN_A_WEEK}
    assert await renewing.plan_once() == 0


async def test_what_is_found_overdue_is_spread(house: House) -> None:
    for number in range(3):
        await house.connect(f"n{number}")
    house.platform.renewing = START - timedelta(days=1)
    chances = iter([0.0, 0.5, 0.9])
    await Renewing(house.database, house.accounts, every=timedelta(seconds=5), chance=lambda: next(chances)).plan_once()
    assert sorted(row.renew_at for row in await _all(house)) == [START + SPREAD * chance for chance in (0.0, 0.5, 0.9)]


async def test_one_that_no_key_opens_keeps_nobody_else_from_getting_a_time(house: House, renewing: Renewing) -> None:
    for name in ("ann", "bob"):
        await house.connect(name)
    house.platform.renewing = IN_A_WEEK
    await house.database.write(
        lambda tx: tx.run(
            sa.update(accounts).where(accounts.c.handle == "ann").values(credential=b"spoilt", renew_at=None)
        )
    )
    assert await renewing.plan_once() == 1
    assert {row.handle: row.renew_at for row in await _all(house)} == {"ann": None, "bob": IN_A_WEEK}


async def test_a_time_is_set_only_for_the_credential_it_was_read_from(house: House) -> None:
    await house.connect("ann")
    row = await row_of(house)
    house.platform.renewing = IN_A_WEEK
    await house.connect("ann")
    late = START + timedelta(days=1)
    assert not await house.database.write(renewals.plan, row.id, row.credential_version, late)
    assert not await house.database.write(renewals.postpone, row.id, row.credential_version, late)
    assert (await row_of(house)).renew_at == IN_A_WEEK


async def test_a_few_at_once_and_no_more(house: House, renewing: Renewing) -> None:
    house.platform.renewing = START
    for number in range(AT_ONCE + 4):
        await house.connect(f"n{number}")
    house.platform.renewing = None
    held, go, few = 0, asyncio.Event(), asyncio.Event()

    async def refresh(account: Any, credential: Any, outgoing: Any) -> Any:
        nonlocal held
        held += 1
        if held == AT_ONCE:
            few.set()
        await go.wait()
        return credential

    house.platform.refresh = refresh
    renewed = asyncio.create_task(renewing.renew_once())
    await few.wait()
    await asyncio.sleep(0.3)  # long enough for those that may not begin yet
    assert held == AT_ONCE
    go.set()
    assert (await renewed, held) == (AT_ONCE + 4, AT_ONCE + 4)


async def test_a_check_during_a_refresh_says_nothing_bad_of_the_account(house: House, asked: Asked) -> None:
    row = await row_of(house)
    assert await house.database.write(rows.take_refresh, row.id, row.credential_version, house.times.lease)
    await set_row(house, refresh_wanted=True)
    account = await house.accounts.check(house.user_id, row.id)
    assert (account.health, account.health_message, asked.count) == ("active", "", 0)


async def _all(house: House) -> list[Any]:
    return list(await house.database.read(lambda tx: tx.all(sa.select(accounts))))
