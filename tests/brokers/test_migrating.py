"""An older topology becomes the present one, and no message is lost on the way, wherever the move is killed."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hayon.brokers.rabbitmq import lay_out, migrate, setup, verify
from hayon.brokers.rabbitmq.wire import write_bell
from hayon.errors import Misconfigured
from tests.brokers.bells import RETRY_STEPS, WAITING_STEPS, hear, kept, make_bell, make_rabbitmq, until
from tests.brokers.wires import plain_channel, take_all
from tests.servers.processes import Process

TOPOLOGY = lay_out(RETRY_STEPS, WAITING_STEPS, "ttl", 10_000)
CLASSIC = {"x-queue-type": "classic"}
OLDER_QUEUES: dict[str, dict[str, Any]] = {
    # as the seeds declare them
    "hayon_social_posts": {**CLASSIC, "x-dead-letter-exchange": "dlx_exchange"},
    "hayon_retry_queue": {**CLASSIC, "x-dead-letter-exchange": "post_exchange"},
    "hayon_waiting_room": {
        **CLASSIC, "x-dead-letter-exchange": "post_exchange", "x-dead-letter-routing-key": "post.create.bluesky"
    },
    "hayon_parking_lot": CLASSIC,
    # and as an earlier Hayon may have
    "hayon_retry_queue.1s": {
        "x-queue-type": "quorum", "x-message-ttl": 3_600_000,
        "x-dead-letter-exchange": "post_exchange", "x-dead-letter-routing-key": "post.create.retry",
    },
}  # fmt: skip


async def build_older(url: str, how_many: int) -> set[str]:
    """The older topology with bells in every queue. The ids of all messages."""
    ids: set[str] = set()
    async with plain_channel(url) as channel:
        posts = await channel.declare_exchange("post_exchange", "topic", durable=True)
        dead = await channel.declare_exchange("dlx_exchange", "topic", durable=True)  # another kind than today's
        for name, arguments in OLDER_QUEUES.items():
            queue = await channel.declare_queue(name, durable=True, arguments=arguments)
            await queue.bind(posts if name == "hayon_social_posts" else dead, f"{name}.key")
            messages = [write_bell(make_bell(ring=ring)) for ring in range(how_many)]
            if name == "hayon_waiting_room":
                for message in messages:
                    message.expiration = 3600  # the seeds' way of scheduling
            ids |= {str(message.message_id) for message in messages}
            await asyncio.gather(*(channel.default_exchange.publish(message, name) for message in messages))
    return ids


async def test_an_older_topology_moves_with_all_its_messages(rabbitmq_url: str) -> None:
    sent = await build_older(rabbitmq_url, 30)
    with pytest.raises(Misconfigured, match="hayon broker migrate"):
        await make_rabbitmq(rabbitmq_url).open()
    done = await migrate(rabbitmq_url, TOPOLOGY)
    assert any("hayon_social_posts was of another shape; 30 messages" in told for told in done)
    assert any("dlx_exchange was of another kind" in told for told in done)
    assert await verify(rabbitmq_url, TOPOLOGY) == []
    assert await migrate(rabbitmq_url, TOPOLOGY) == []

    async with kept(make_rabbitmq(rabbitmq_url)) as broker:
        assert await until(broker.count_parked, lambda count: count == 30) == 30
        await broker.start_listening(500)
        heard = await hear(broker, 120, within=30)
        # Those of the seeds' retry queue and waiting room came at once: an early bell is rung again by who hears it.
        assert len(heard) == 120
    parked = await take_all(rabbitmq_url, "hayon_parking_lot")
    ids = {f"{one.bell.target_id}.3.{one.bell.ring}" for one in heard} | {str(message.message_id) for message in parked}
    assert ids == sent


async def test_what_is_right_is_left_alone(rabbitmq_url: str) -> None:
    await setup(rabbitmq_url, TOPOLOGY)
    await take_all(rabbitmq_url, "hayon_social_posts")
    async with plain_channel(rabbitmq_url) as channel:
        await channel.default_exchange.publish(write_bell(make_bell()), "hayon_social_posts")
    assert await migrate(rabbitmq_url, TOPOLOGY) == []
    assert len(await take_all(rabbitmq_url, "hayon_social_posts")) == 1


async def test_nothing_is_moved_under_the_ears_of_a_listener(rabbitmq_url: str) -> None:
    async with plain_channel(rabbitmq_url) as channel:
        queue = await channel.declare_queue("hayon_social_posts", durable=True, arguments=CLASSIC)
        async with queue.iterator():
            with pytest.raises(Misconfigured, match="Somebody listens at hayon_social_posts: stop Hayon"):
                await migrate(rabbitmq_url, TOPOLOGY)


async def test_two_do_not_move_at_once(rabbitmq_url: str) -> None:
    async with plain_channel(rabbitmq_url) as channel:
        await channel.declare_queue("hayon_migration", exclusive=True, arguments=CLASSIC)
        with pytest.raises(Misconfigured, match="Another"):
            await migrate(rabbitmq_url, TOPOLOGY)


MOVER = """
import asyncio, json, sys
from datetime import timedelta
from hayon.brokers.rabbitmq import lay_out, migrate
steps = [timedelta(milliseconds=300), timedelta(seconds=1)]
print(json.dumps({"ready": True}), flush=True)
asyncio.run(migrate(sys.argv[1], lay_out(steps, steps, "ttl", 10_000)))
"""


async def test_a_killed_move_is_begun_again_and_loses_nothing(
    rabbitmq_url: str, start_process: Callable[..., Process]
) -> None:
    sent = await build_older(rabbitmq_url, 100)
    killed = 0
    for _ in range(100):
        mover = await asyncio.to_thread(start_process, sys.executable, "-c", MOVER, rabbitmq_url)
        await asyncio.sleep(0.1 + 0.15 * killed)  # each a little farther
        if not mover.running:
            assert await asyncio.to_thread(mover.wait) == 0, mover.output()
            break
        await asyncio.to_thread(mover.kill9)
        killed += 1
    assert killed >= 3
    assert await verify(rabbitmq_url, TOPOLOGY) == []
    found: set[str] = set()

    async def look() -> bool:
        for queue in ("hayon_social_posts", "hayon_parking_lot"):
            for message in await take_all(rabbitmq_url, queue):
                if message.type == "hayon.probe":
                    continue
                found.add(str(message.message_id))
                # The seeds' time to live was meant for their waiting room; anywhere else it would end the bell.
                assert (message.expiration, message.delivery_mode) == (None, 2)
        return sent <= found

    assert await until(look, bool)
