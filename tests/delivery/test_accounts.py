"""Credentials: sealed to their account, refreshed by one at a time, and the same profile keeps its identity."""

import asyncio
from typing import Any

import pytest

from hayon.accounts import Sealed
from hayon.errors import Disconnected, NotYet
from hayon.store import accounts as rows
from tests.delivery.scripted import House


async def sealed(house: House, account_id: Any, *, wanted: bool = True) -> Sealed:
    row, now = await house.database.read(lambda tx: (rows.get_row(tx, account_id), tx.now()))
    return Sealed(rows.as_account(row), row.credential, row.credential_version, wanted, now)


async def test_one_refreshes_and_the_others_wait(house: House) -> None:
    account = await house.connect("ann")
    asked, go = 0, asyncio.Event()

    async def refresh(_: Any, credential: Any, __: Any) -> Any:
        nonlocal asked
        asked += 1
        await go.wait()
        return {**credential, "fresh": asked}

    house.platform.refresh = refresh
    one = await sealed(house, account.id)
    tries = [asyncio.create_task(house.accounts.unlock(one)) for _ in range(5)]
    await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
    go.set()
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, NotYet) for answer in answers) == 4
    assert asked == 1
    later = await house.accounts.unlock(await sealed(house, account.id, wanted=False))
    assert later["fresh"] == 1


async def test_a_refresher_that_died_is_followed_by_another(house: House) -> None:
    account = await house.connect("ann")
    one = await sealed(house, account.id)
    taken = await house.database.write(rows.take_refresh, account.id, one.credential_version, house.times.lease)
    assert taken
    with pytest.raises(NotYet):
        await house.accounts.unlock(one)
    house.clock.forward(91)
    assert (await house.accounts.unlock(await sealed(house, account.id)))["stale"] is False


async def test_a_refused_refresh_asks_the_owner(house: House) -> None:
    account = await house.connect("ann")

    async def refuse(*_: Any) -> Any:
        raise Disconnected("The session has ended.", health="expired")

    house.platform.refresh = refuse
    with pytest.raises(Disconnected):
        await house.accounts.unlock(await sealed(house, account.id))
    [after] = await house.database.read(rows.list_accounts, house.user_id)
    assert (after.health, after.needs_reconnection) == ("expired", True)


async def test_connected_again_a_profile_keeps_its_identity_and_its_posts(house: House) -> None:
    account = await house.connect("ann")
    post_id = await house.submit("before")
    again = await house.connect("ann")
    assert again.id == account.id
    await house.deliver_due()
    assert (await house.target(post_id)).status == "completed"
    assert len(await house.rows("SELECT id FROM accounts")) == 1


async def test_no_secret_stands_in_the_database(house: House) -> None:
    await house.connect("a-very-secret-word")
    [row] = await house.rows("SELECT credential FROM accounts")
    assert b"a-very-secret-word" not in bytes(row.credential)
