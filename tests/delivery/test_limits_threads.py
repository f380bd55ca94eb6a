"""The same with an adapter of ours and a platform that counts: the simulated Threads, its quota of a day, and a real worker."""

import asyncio
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from hayon.accounts import Accounts
from hayon.delivery.deliver import Delivery
from hayon.delivery.sources import FromIndex
from hayon.delivery.worker import Worker
from hayon.outgoing import Outgoing
from hayon.sandbox.app import running
from hayon.sandbox.meta.threads.wire import threads_of
from hayon.sandbox.sites import SITES
from hayon.sandbox.world import World
from hayon.store.schema import targets
from tests.contracts.stage import adapter_of
from tests.delivery.scripted import House, open_house

DAY = 86_400
USED, DUE, LEFT = 244, 9, 6
"""Of 250: posts of today by another program, those that are due here, and those that may still go out."""


async def come_to_rest(house: House, seconds: int) -> list[Any]:
    """Until nothing is due within so many seconds; a second passes for house and platform whenever nothing is in hand."""
    end = house.clock.now.timestamp() + seconds
    async with asyncio.timeout(120):
        while True:
            rows = await house.database.read(lambda tx: tx.all(sa.select(targets).order_by(targets.c.due_at)))
            busy = [row for row in rows if row.status == "processing"]
            soon = [row for row in rows if row.status == "pending" and row.due_at.timestamp() < end]
            if not busy and not soon:
                return list(rows)
            if not busy and soon[0].due_at > house.clock.now:
                house.clock.forward(1)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_over_the_quota_of_threads_waits_for_the_window(database_url: str) -> None:
    async with open_house(database_url) as house:

        def time() -> float:
            return house.clock.now.timestamp()

        world = World("none", clock=time)
        site = next(one for one in SITES if one.platform == "threads")
        outgoing = Outgoing(identity="Hayon/test", timeout_seconds=20, allow_private_addresses=True)
        async with running(world) as url:
            adapter = adapter_of("threads", url)
            profiles = [world.add_account("threads", name, name.title()) for name in ("alice", "ben")]
            for _ in range(USED):
                threads_of(world).uses.add("post", profiles[0].account_id, time() - DAY / 2)
            platforms = {"threads": adapter}
            house.accounts = Accounts(house.database, house.vault, outgoing, platforms)
            house.submission._platforms = platforms
            alice, ben = [
                await house.accounts.connect(
                    house.user_id, "threads", {"accessToken": site.connection(one, f"{url}/")["accessToken"]}
                )
                for one in profiles
            ]
            delivery = Delivery(
                house.database, house.accounts, platforms, house.delivery._files, outgoing, house.times, house.patience
            )
            for number in range(DUE):
                await house.submit(f"post {number}", str(alice.id))
            await house.submit("from ben", str(ben.id))
            source = FromIndex(house.database, house.broker, house.times.lease)
            worker = Worker(house.database, source, delivery, ["threads"], slots=2)
            worker._poll = 0.02
            task = asyncio.create_task(worker.run())
            try:
                rows = await come_to_rest(house, 600)
                assert world.copies("threads") == {**{f"post {one}": 1 for one in range(LEFT)}, "from ben": 1}
                waiting = [row for row in rows if row.status == "pending"]
                assert [(row.tries, row.code, row.slot_at) for row in waiting] == [(0, "allowance", None)] * (
                    DUE - LEFT
                )
                asked = Counter(line["operation"] for line in world.requests)["threads_publishing_limit"]
                assert asked <= 3
                house.clock.forward(DAY / 2 + 60)  # what the other program did leaves the window
                await come_to_rest(house, 3600)
            finally:
                worker.stop()
                await task
                await outgoing.aclose()
            assert Counter(world.copies("threads").values()) == {1: DUE + 1}
            published = [line for line in world.requests if line["operation"] == "threads_publish"]
            assert {line["status"] for line in published} == {200}
            assert len(published) == DUE + 1
        world.close()
