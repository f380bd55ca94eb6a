"""An address that the publishing call did not name is asked for later, a few times, and never changes what is true."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from hayon.delivery.locating import Locating
from hayon.domain.model import Account, Receipt
from hayon.errors import Unavailable
from hayon.store import accounts
from hayon.store.database import Tx
from tests.delivery.scripted import Copy, House, open_house


@pytest.fixture
async def silent(database_url: str) -> AsyncIterator[House]:
    """A platform whose receipts name no address."""
    async with open_house(database_url) as house:
        await house.connect("ann")

        def receipt(copy: Copy, account: Account) -> Receipt:
            return Receipt(copy.remote_id, None, copy.at)

        house.platform._receipt = receipt
        yield house


def locating(house: House) -> Locating:
    platforms = {"scripted": house.platform}
    return Locating(house.database, house.accounts, platforms, house.outgoing, poll=timedelta(seconds=1))


async def published(house: House) -> Any:
    post_id = await house.submit()
    await house.deliver_due()
    target = await house.target(post_id)
    assert (target.status, target.url) == ("completed", None)
    return post_id


async def test_an_address_that_is_told_later_is_kept_with_target_and_receipt(silent: House) -> None:
    post_id = await published(silent)
    silent.platform.addresses["r1"] = "https://scripted.test/r1"
    assert await locating(silent).locate_once() == 1
    assert (await silent.target(post_id)).url == "https://scripted.test/r1"
    assert [row.url for row in await silent.rows("SELECT url FROM receipts")] == ["https://scripted.test/r1"]
    assert await locating(silent).locate_once() == 0


async def test_it_asks_a_few_times_ever_less_often_and_then_no_more(silent: House) -> None:
    await published(silent)
    asked = 0

    async def locate(*_: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise Unavailable("busy")
        if asked == 3:
            raise KeyError("what nobody foresaw")

    silent.platform.locate = locate
    duty, seen = locating(silent), []
    for seconds in (0, 1, 5, 30, 120, 600, 600, 600):
        silent.clock.forward(seconds)
        await duty.locate_once()
        seen.append(asked)
    assert seen == [1, 1, 2, 3, 4, 5, 5, 5]


async def test_what_is_no_longer_new_or_no_longer_ours_is_left_alone(silent: House) -> None:
    await published(silent)
    silent.platform.addresses["r1"] = "https://scripted.test/r1"
    silent.clock.forward(3601)
    assert await locating(silent).locate_once() == 0
    silent.clock.forward(-3601)

    def cut(tx: Tx) -> None:
        (one,) = accounts.list_accounts(tx, silent.user_id)
        accounts.disconnect(tx, silent.user_id, one.id)

    await silent.database.write(cut)
    assert await locating(silent).locate_once() == 0
