"""The RabbitMQ node that tests use keeps what it confirmed, is alone in its corner, and leaves nothing behind."""

import asyncio
from pathlib import Path

import aio_pika
import psutil
import pytest

from tests.servers.rabbitmq import RabbitAddress, RabbitNode, running_rabbitmq
from tests.servers.test_processes import gone

QUORUM = {"x-queue-type": "quorum"}


async def test_a_vhost_is_empty_and_can_be_watched(rabbitmq: RabbitAddress, rabbitmq_vhost: str) -> None:
    assert rabbitmq.manage("GET", f"queues/{rabbitmq_vhost}") == []
    connection = await aio_pika.connect(rabbitmq.url(rabbitmq_vhost))
    channel = await connection.channel()
    await channel.declare_queue("one", durable=True, arguments=QUORUM)
    assert [queue["name"] for queue in rabbitmq.manage("GET", f"queues/{rabbitmq_vhost}")] == ["one"]
    await connection.close()


async def test_a_dropped_vhost_is_gone(rabbitmq: RabbitAddress) -> None:
    vhost = rabbitmq.new_vhost()
    rabbitmq.drop_vhost(vhost)
    with pytest.raises(aio_pika.exceptions.InvalidFrameError):
        await aio_pika.connect(rabbitmq.url(vhost))


@pytest.mark.long
async def test_what_was_confirmed_outlives_kill9_and_not_a_wipe(own_rabbitmq: RabbitNode) -> None:
    connection = await aio_pika.connect(own_rabbitmq.url)
    channel = await connection.channel()
    await channel.declare_queue("kept", durable=True, arguments=QUORUM)
    await channel.default_exchange.publish(aio_pika.Message(b"one", delivery_mode=2), "kept")
    await asyncio.sleep(
        1.5
    )  # a kill within the first second may cost a quorum queue its memory: that is not the question here
    own_rabbitmq.kill9()
    with pytest.raises(ConnectionError):
        await aio_pika.connect(own_rabbitmq.url)

    own_rabbitmq.start()
    connection = await aio_pika.connect(own_rabbitmq.url)
    channel = await connection.channel()
    queue = await channel.declare_queue("kept", passive=True)
    message = await queue.get(timeout=20)
    assert message.body == b"one"
    await connection.close()

    own_rabbitmq.wipe()
    own_rabbitmq.start()
    connection = await aio_pika.connect(own_rabbitmq.url)
    channel = await connection.channel()
    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
        await channel.declare_queue("kept", passive=True)
    await connection.close()


def test_nothing_is_left_of_a_node() -> None:
    with running_rabbitmq() as node:
        folder = node.folder
        mine = [one for one in psutil.Process().children(recursive=True) if _environment(one).get("HOME") == f"{folder}/home"
                or str(node._epmd_port) in one.cmdline()]  # fmt: skip
        assert {"beam.smp", "epmd"} <= {Path(one.name()).name for one in mine}
        listening = {at.laddr.ip for one in mine for at in one.net_connections() if at.status == psutil.CONN_LISTEN}
        assert listening <= {"127.0.0.1", "::1"}
        assert "127.0.0.1" in listening
    assert all(gone(one.pid) for one in mine)
    assert not folder.exists()


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}
