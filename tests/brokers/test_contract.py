"""What every broker promises, asked of each of them."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from hayon.brokers.contract import Bell, Broker, Through
from tests.brokers.bells import hear, hears_nothing, make_bell, make_parked, until

DELIVERY_LIMIT = 20


async def test_a_bell_arrives_as_it_was_rung(broker: Broker) -> None:
    bells = [make_bell(platform) for platform in ("bluesky", "mastodon", "tumblr")]
    bells.append(make_bell(traceparent="", correlation_id="äöü ☕"))
    assert await broker.ring(bells) == bells
    await broker.start_listening(10)
    heard = await hear(broker, 4)
    assert [one.bell for one in heard] == bells
    assert not any(one.redelivered for one in heard)


async def test_hundreds_are_rung_together(broker: Broker) -> None:
    bells = [make_bell(ring=ring) for ring in range(1200)]
    assert await broker.ring(bells) == bells
    assert await until(broker.count_waiting, lambda waiting: waiting >= 1200) >= 1200  # probes may lie there too
    await broker.start_listening(100)
    heard: list[Bell] = []
    while len(heard) < 1200 and (arrived := await hear(broker, 1)):
        for one in arrived:
            heard.append(one.bell)
            await one.done()
    assert heard == bells
    assert await until(broker.count_waiting, lambda waiting: waiting == 0) == 0


async def test_nothing_rung_is_nothing_heard(broker: Broker) -> None:
    await broker.start_listening(1)
    assert await broker.ring([]) == []
    broker.wake()
    await broker.hear(0)
    started = time.monotonic()
    assert await broker.hear(0.3) == []
    assert time.monotonic() - started >= 0.29


async def test_no_more_are_held_than_was_asked_for(broker: Broker) -> None:
    bells = [make_bell(ring=ring) for ring in range(5)]
    await broker.ring(bells)
    await broker.start_listening(2)
    first = await hear(broker, 2)
    assert [one.bell.ring for one in first] == [0, 1]
    assert await hears_nothing(broker)
    await first[0].done()
    (third,) = await hear(broker, 1)
    assert third.bell.ring == 2
    assert await hears_nothing(broker)
    assert await until(broker.count_waiting, lambda waiting: waiting == 2) == 2


async def test_what_was_done_does_not_come_again(broker: Broker) -> None:
    await broker.ring([make_bell(ring=1), make_bell(ring=2)])
    await broker.start_listening(10)
    for one in await hear(broker, 2):
        await asyncio.gather(one.done(), one.done())  # the second is harmless
        await one.done()
    links = broker.links
    assert await broker.ring([]) == []
    assert broker.links == links
    await broker.aclose()
    await broker.open()
    await broker.start_listening(10)
    assert await hears_nothing(broker)


async def test_what_was_not_done_comes_again(broker: Broker) -> None:
    await broker.ring([make_bell(ring=ring) for ring in range(3)])
    await broker.start_listening(10)
    heard = await hear(broker, 3)
    await heard[1].done()
    await broker.aclose()
    await heard[0].done()  # too late: harmless, and of no use
    await broker.open()
    await broker.start_listening(10)
    again = await hear(broker, 2)
    assert [(one.bell.ring, one.redelivered) for one in again] == [(0, True), (2, True)]
    assert await hears_nothing(broker)


async def test_who_stops_listening_hears_no_more_but_may_finish(broker: Broker) -> None:
    await broker.start_listening(2)
    await broker.ring([make_bell(ring=0)])
    (held,) = await hear(broker, 1)
    await broker.stop_listening()
    await broker.ring([make_bell(ring=1)])
    assert await hears_nothing(broker)
    await held.done()
    assert await until(broker.count_waiting, lambda waiting: waiting == 1) == 1
    await broker.start_listening(2)
    (other,) = await hear(broker, 1)
    assert other.bell.ring == 1


async def test_what_nobody_heard_goes_back_when_listening_stops(broker: Broker) -> None:
    await broker.start_listening(10)
    await broker.ring([make_bell(ring=ring) for ring in range(3)])
    await asyncio.sleep(0.5)
    await broker.stop_listening()
    assert await until(broker.count_waiting, lambda waiting: waiting == 3) == 3
    await broker.start_listening(10)
    assert [one.bell.ring for one in await hear(broker, 3)] == [0, 1, 2]


async def test_a_wake_up_ends_the_waiting(broker: Broker) -> None:
    await broker.start_listening(1)
    waiting = asyncio.create_task(broker.hear(30))
    await asyncio.sleep(0.1)
    broker.wake()
    assert await asyncio.wait_for(waiting, 5) == []


async def test_a_wake_up_before_the_waiting_is_not_lost(broker: Broker) -> None:
    await broker.start_listening(1)
    broker.wake()
    assert await asyncio.wait_for(broker.hear(30), 5) == []


async def test_a_bell_ends_the_waiting(broker: Broker) -> None:
    await broker.start_listening(1)
    waiting = asyncio.create_task(broker.hear(30))
    await asyncio.sleep(0.1)
    await broker.ring([bell := make_bell()])
    assert [one.bell for one in await asyncio.wait_for(waiting, 10)] == [bell]


@pytest.mark.parametrize(("asked", "at_least"), [(0.2, 0.2), (0.3, 0.3), (0.4, 0.4)])
async def test_a_retry_is_never_early(broker: Broker, asked: float, at_least: float) -> None:
    await broker.start_listening(1)
    started = time.monotonic()
    assert await broker.ring_later(bell := make_bell(), timedelta(seconds=asked), Through.RETRY) is True
    (heard,) = await hear(broker, 1)
    assert time.monotonic() - started >= at_least
    assert heard.bell == bell  # its platform too, though it came back under another key


async def test_a_scheduled_bell_comes_within_its_time_or_earlier(broker: Broker) -> None:
    await broker.start_listening(1)
    started = time.monotonic()
    assert await broker.ring_later(bell := make_bell(), timedelta(seconds=0.9), Through.WAITING_ROOM) is True
    (heard,) = await hear(broker, 1)
    assert time.monotonic() - started >= 0.25
    assert heard.bell == bell


async def test_a_short_wait_does_not_stand_behind_a_long_one(broker: Broker) -> None:
    """Mixed times in one queue block at its head."""
    await broker.start_listening(10)
    slow, quick = make_bell(ring=1), make_bell(ring=2)
    await broker.ring_later(slow, timedelta(seconds=1), Through.RETRY)
    await broker.ring_later(quick, timedelta(seconds=0.3), Through.RETRY)
    assert [one.bell.ring for one in await hear(broker, 2)] == [2, 1]
    slow, quick = make_bell(ring=3), make_bell(ring=4)
    await broker.ring_later(slow, timedelta(seconds=1), Through.WAITING_ROOM)
    await broker.ring_later(quick, timedelta(seconds=0.3), Through.WAITING_ROOM)
    assert [one.bell.ring for one in await hear(broker, 2)] == [4, 3]


async def test_a_bell_that_comes_back_too_often_is_a_dead_letter(broker: Broker) -> None:
    bell = make_bell()
    await broker.ring([bell])
    for _ in range(DELIVERY_LIMIT + 1):
        await broker.start_listening(1)
        assert len(await hear(broker, 1)) == 1
        await broker.aclose()
    await broker.open()
    (letter,) = await until(broker.list_dead_letters, lambda letters: len(letters) == 1)
    assert letter.bell == bell
    assert "came back too often" in letter.reason
    assert letter.died_at is not None
    await broker.start_listening(1)
    assert await hears_nothing(broker)

    assert await broker.replay_dead_letters([letter.letter_id, "another"]) == [letter.letter_id]
    assert [one.bell for one in await hear(broker, 1)] == [bell]
    assert await broker.list_dead_letters() == []
    assert await broker.replay_dead_letters([letter.letter_id]) == []


async def test_dead_letters_stay_until_they_are_discarded(broker: Broker) -> None:
    bells = [make_bell(ring=ring) for ring in range(3)]
    await broker.ring(bells)
    for _ in range(DELIVERY_LIMIT + 1):
        await broker.start_listening(3)
        assert len(await hear(broker, 3)) == 3
        await broker.aclose()
    await broker.open()
    letters = await until(broker.list_dead_letters, lambda letters: len(letters) == 3)
    assert {letter.bell.ring for letter in letters if letter.bell} == {0, 1, 2}
    assert await broker.list_dead_letters() == letters  # in the same order, with the same names
    assert await broker.list_dead_letters(most=2) == letters[:2]
    middle = letters[1].letter_id
    assert await broker.discard_dead_letters([middle, "another"]) == [middle]
    assert await broker.list_dead_letters() == [letters[0], letters[2]]
    assert await broker.discard_dead_letters([middle]) == []


async def test_the_parking_lot_shows_what_failed_until_it_is_unparked(broker: Broker) -> None:
    parked = [make_parked() for _ in range(5)]
    assert await broker.count_parked() == 0
    await broker.park(parked)
    assert await until(broker.count_parked, lambda count: count == 5) == 5
    assert await broker.unpark([]) == 0
    assert await broker.unpark([parked[1].target_id, parked[3].target_id, make_bell().target_id]) == 2
    assert await until(broker.count_parked, lambda count: count == 3) == 3
    assert await broker.unpark([one.target_id for one in parked]) == 3
    assert await until(broker.count_parked, lambda count: count == 0) == 0


async def test_two_rings_of_one_target_are_two_bells(broker: Broker) -> None:
    bell = make_bell(ring=1)
    again = replace(bell, ring=2)
    assert await broker.ring([bell, again]) == [bell, again]
    await broker.start_listening(5)
    assert [one.bell for one in await hear(broker, 2)] == [bell, again]
