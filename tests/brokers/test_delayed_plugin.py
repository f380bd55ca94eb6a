"""The delayed message exchange as it is. Collected where HAYON_TEST_DELAYED_PLUGIN is the address of a broker that has the plugin."""

import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import aio_pika
import pytest

from hayon.brokers.contract import Through
from hayon.brokers.rabbitmq import RabbitMQ, lay_out, setup, verify
from tests.brokers.bells import RETRY_STEPS, WAITING_STEPS, hear, hears_nothing, kept, make_bell, make_rabbitmq
from tests.brokers.wires import plain_channel, take_all

URL = os.environ["HAYON_TEST_DELAYED_PLUGIN"]


@pytest.fixture
async def delaying() -> AsyncIterator[RabbitMQ]:
    await setup(URL, lay_out(RETRY_STEPS, WAITING_STEPS, "plugin", 10_000))
    await take_all(URL, "hayon_social_posts")
    async with kept(make_rabbitmq(URL, schedule_via="plugin")) as broker:
        yield broker


async def test_it_is_set_up_and_tried_out(delaying: RabbitMQ) -> None:
    assert await verify(URL, lay_out(RETRY_STEPS, WAITING_STEPS, "plugin", 10_000)) == []


async def test_a_bell_comes_at_its_time_and_is_no_lost_one(delaying: RabbitMQ) -> None:
    await delaying.start_listening(5)
    links = delaying.links
    late, soon = make_bell("tumblr", ring=1), make_bell("bluesky", ring=2)
    started = time.monotonic()
    assert await delaying.ring_later(late, timedelta(seconds=2), Through.PLUGIN) is True
    assert await delaying.ring_later(soon, timedelta(seconds=0.5), Through.PLUGIN) is True
    (first,) = await hear(delaying, 1)
    assert (first.bell, time.monotonic() - started >= 0.5) == (soon, True)
    (second,) = await hear(delaying, 1)
    assert (second.bell, time.monotonic() - started >= 2) == (late, True)
    assert delaying.links == links  # what the exchange reports as unroutable was not taken for lost


async def test_the_trap_a_mandatory_message_is_reported_as_unroutable(delaying: RabbitMQ) -> None:
    """Why ours are not: it is delivered all the same, later."""
    async with plain_channel(URL) as channel:
        exchange = await channel.get_exchange("post_delayed_exchange", ensure=False)
        with pytest.raises(aio_pika.exceptions.PublishError):
            await exchange.publish(
                aio_pika.Message(b"", headers={"x-delay": 100}), "post.create.bluesky", mandatory=True
            )


async def test_the_trap_a_delay_of_fifty_days_fires_at_once(delaying: RabbitMQ) -> None:
    """Why no longer delay than a day is given to it."""
    with pytest.raises(ValueError, match="a day"):
        await delaying.ring_later(make_bell(), timedelta(days=50), Through.PLUGIN)
    async with plain_channel(URL) as channel:
        exchange = await channel.get_exchange("post_delayed_exchange", ensure=False)
        message = aio_pika.Message(b"now", headers={"x-delay": 2**32 + 1000})
        await exchange.publish(message, "post.create.bluesky", mandatory=False)
    assert b"now" in [message.body for message in await take_all(URL, "hayon_social_posts")]


async def test_the_row_decides_a_delayed_bell_cannot_be_called_back(delaying: RabbitMQ) -> None:
    await delaying.start_listening(5)
    bell = make_bell()
    await delaying.ring_later(bell, timedelta(seconds=0.5), Through.PLUGIN)
    await delaying.ring_later(bell, timedelta(seconds=0.7), Through.PLUGIN)
    assert [one.bell for one in await hear(delaying, 2)] == [bell, bell]  # whoever hears it asks the row
    assert await hears_nothing(delaying)
