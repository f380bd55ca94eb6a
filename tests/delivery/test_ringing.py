"""How many bells are rung for workers that are behind, and how often the broker is asked for it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from hayon.brokers.contract import Bell
from hayon.brokers.embedded import EmbeddedBroker
from hayon.delivery import ringing as ringing_module
from hayon.delivery.ringing import Ringing
from tests.delivery.scripted import House

WINDOW = 3


class Counting(EmbeddedBroker):
    """Says how many bells wait, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.asked = 0
        self.rung = 0

    async def count_waiting(self) -> int:
        self.asked += 1
        return self.waiting

    async def ring(self, bells: Sequence[Bell]) -> Sequence[Bell]:
        self.rung += len(bells)
        return bells


async def make(house: House, *, waiting: int = 0) -> tuple[Ringing, Counting]:
    broker = Counting()
    broker.waiting = waiting
    ringing = Ringing(
        house.database, broker, ["scripted"], window=WINDOW, wait=timedelta(seconds=60), look_ahead=timedelta(0),
        poll=timedelta(seconds=1), retry_steps=(),
    )  # fmt: skip
    await ringing.ring_due()  # the link is known from here on
    for name in ("ann", "ben", "cleo", "dan", "eve"):
        account = await house.connect(name)
        await house.submit("Hello", str(account.id))
    broker.asked = 0
    return ringing, broker


async def test_while_workers_are_far_behind_nothing_is_rung_and_the_broker_is_asked_each_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ringing_module, "COUNTED_SECONDS", 3600.0)
    ringing, broker = await make(house, waiting=WINDOW + 1)
    assert [await ringing.ring_due() for _ in range(3)] == [0] * 3
    assert (broker.asked, broker.rung) == (3, 0)
    broker.waiting = WINDOW
    assert (await ringing.ring_due(), broker.asked, broker.rung) == (WINDOW, 4, WINDOW)


async def test_that_they_fell_behind_is_seen_after_the_bells_which_wait_for_no_question(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ringing, broker = await make(house)
    monkeypatch.setattr(ringing_module, "COUNTED_SECONDS", 0.0)
    broker.waiting = WINDOW + 1
    assert (await ringing.ring_due(), broker.rung, broker.asked) == (WINDOW, WINDOW, 1)
    assert (await ringing.ring_due(), broker.rung, broker.asked) == (0, WINDOW, 2)


async def test_while_they_are_not_it_is_asked_once_in_a_while(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ringing_module, "COUNTED_SECONDS", 3600.0)
    ringing, broker = await make(house)
    assert [await ringing.ring_due() for _ in range(3)] == [WINDOW, 0, 0]
    assert (broker.asked, broker.rung) == (0, WINDOW)
