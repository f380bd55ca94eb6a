"""What only the bell over RabbitMQ has: messages as the seeds have them, words of the broker that count, strangers' messages."""

import asyncio
import json
from datetime import timedelta

import aio_pika
import pytest

from hayon.brokers.contract import Through
from hayon.brokers.rabbitmq import RabbitMQ
from hayon.errors import BrokerUnreachable, Misconfigured
from hayon.telemetry import EVENTS
from tests.brokers.bells import hear, hears_nothing, kept, make_bell, make_parked, make_rabbitmq, until
from tests.brokers.wires import plain_channel, send, take_all
from tests.servers.ports import free_port
from tests.servers.rabbitmq import RabbitAddress


async def empty(url: str, queue: str = "hayon_social_posts") -> None:
    """What the start-up probe left where nobody listens."""
    await take_all(url, queue)


async def test_a_bell_on_the_wire(rabbit: RabbitMQ, rabbitmq_url: str) -> None:
    """The seeds' message, and no content that could go stale."""
    await empty(rabbitmq_url)
    bell = make_bell("bluesky")
    await rabbit.ring([bell])
    (message,) = await take_all(rabbitmq_url, "hayon_social_posts")
    assert (message.exchange, message.routing_key) == ("post_exchange", "post.create.bluesky")
    assert json.loads(message.body) == {
        "postId": str(bell.post_id), "userId": str(bell.user_id), "platform": "bluesky", "targetId": str(bell.target_id),
        "timestamp": "2026-05-04T03:02:01.123456+00:00", "correlationId": "the-request", "version": 3, "ring": 7,
    }  # fmt: skip
    assert message.message_id == f"{bell.target_id}.3.7"
    assert (message.delivery_mode, message.correlation_id) == (2, "the-request")
    assert message.headers["traceparent"] == bell.traceparent


async def test_a_mirror_on_the_wire(rabbit: RabbitMQ, rabbitmq_url: str) -> None:
    parked = make_parked(why="w" * 5000)
    await rabbit.park([parked])
    (message,) = await take_all(rabbitmq_url, "hayon_parking_lot")
    assert {name: said for name, said in message.headers.items() if name != "x-delivery-count"} == {
        "x-retry-count": 4, "x-original-routing-key": "post.create.tumblr",
        "x-last-error": "w" * 1000, "x-parked-at": "2026-05-04T03:02:01+00:00",
    }  # fmt: skip
    assert json.loads(message.body)["targetId"] == str(parked.target_id)


async def test_what_reaches_no_queue_was_not_rung(rabbit: RabbitMQ, rabbitmq_url: str) -> None:
    links = rabbit.links
    async with plain_channel(rabbitmq_url) as channel:
        queue = await channel.get_queue("hayon_social_posts")
        await queue.unbind("post_exchange", "post.create.*")
    assert await rabbit.ring([make_bell()]) == []
    # And it is set up again by itself, which the number of links tells.
    bell = make_bell()
    assert await until(lambda: rabbit.ring([bell]), bool) == [bell]
    assert rabbit.links > links


async def test_what_the_broker_refuses_was_not_rung(rabbit: RabbitMQ, rabbitmq_url: str) -> None:
    async with plain_channel(rabbitmq_url) as channel:
        full = await channel.declare_queue(
            "full",
            durable=True,
            arguments={"x-max-length": 1, "x-overflow": "reject-publish", "x-queue-type": "classic"},
        )
        await full.bind("post_exchange", "post.create.full")
        await channel.default_exchange.publish(aio_pika.Message(b"first"), "full")
    bells = [make_bell("full"), make_bell("bluesky")]
    assert await rabbit.ring(bells) == bells[1:]


async def test_steps_are_chosen_by_their_meaning(rabbit: RabbitMQ, rabbitmq_url: str) -> None:
    """A retry waits at least so long, a scheduled bell at most; nothing is rung where no step fits."""
    bell = make_bell()
    assert await rabbit.ring_later(bell, timedelta(seconds=1.1), Through.RETRY) is False
    assert await rabbit.ring_later(bell, timedelta(seconds=0.2), Through.WAITING_ROOM) is False
    assert await rabbit.ring_later(bell, timedelta(seconds=1), Through.PLUGIN) is False
    await rabbit.start_listening(10)
    assert await hears_nothing(rabbit, 1.5)


@pytest.mark.parametrize("through", [Through.RETRY, Through.WAITING_ROOM])
async def test_a_waiting_place_serves_every_platform(rabbit: RabbitMQ, through: Through) -> None:
    """The seeds declare it with one platform's key, and fail on the second."""
    await rabbit.start_listening(10)
    for platform in ("bluesky", "facebook", "tumblr"):
        assert await rabbit.ring_later(make_bell(platform), timedelta(seconds=0.3), through)
    assert {one.bell.platform for one in await hear(rabbit, 3)} == {"bluesky", "facebook", "tumblr"}


async def test_a_worker_holds_as_many_as_it_has_slots(rabbit: RabbitMQ) -> None:
    """A prefetch of one would cap it at one post for each answer of a platform."""
    await rabbit.ring([make_bell(ring=ring) for ring in range(60)])
    await rabbit.start_listening(50)
    assert len(await hear(rabbit, 50)) == 50
    assert await hears_nothing(rabbit)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xff\x00", "it is no bell"),
        (b'{"userId": "1"}', "'postId' is missing"),
        (b"[1, 2]", "it is no bell"),
        (b"[" * 100_000, "it is no bell"),
        (b"", "it is no bell"),
    ],
    ids=["bytes", "half", "list", "deep", "empty"],
)
async def test_what_cannot_be_read_becomes_a_dead_letter(
    rabbit: RabbitMQ, rabbitmq_url: str, body: bytes, says: str
) -> None:
    await rabbit.start_listening(1)
    await send(rabbitmq_url, "post_exchange", "post.create.bluesky", body)
    await rabbit.ring([bell := make_bell()])
    assert [one.bell for one in await hear(rabbit, 1)] == [bell]  # it held nothing up
    (letter,) = await until(rabbit.list_dead_letters, lambda letters: len(letters) == 1)
    assert says in letter.reason
    assert (letter.body, letter.bell) == (body[:4096], None)
    assert letter.died_at is not None
    assert await rabbit.replay_dead_letters([letter.letter_id]) == []
    assert await rabbit.discard_dead_letters([letter.letter_id]) == [letter.letter_id]
    assert await rabbit.list_dead_letters() == []


async def test_a_strangers_dead_letter_is_shown_too(rabbit: RabbitMQ, rabbitmq_url: str) -> None:
    await send(rabbitmq_url, "dlx_exchange", "dead", b"hello")
    (letter,) = await until(rabbit.list_dead_letters, lambda letters: len(letters) == 1)
    assert (letter.body, letter.reason) == (b"hello", "unknown: somebody put it here")
    assert await rabbit.list_dead_letters() == [letter]
    assert await rabbit.discard_dead_letters([letter.letter_id]) == [letter.letter_id]


async def test_a_look_at_letters_costs_them_nothing(rabbit: RabbitMQ) -> None:
    """Each look counts as a delivery; a limit, such as newer brokers have by themselves, would throw them away."""
    parked = make_parked()
    await rabbit.park([parked])
    for _ in range(25):
        assert await rabbit.unpark([make_bell().target_id]) == 0
    assert await rabbit.unpark([parked.target_id]) == 1


async def test_two_look_at_the_parking_lot_at_once(rabbit: RabbitMQ, rabbitmq_url: str) -> None:
    """While one has the letters in its hands the other would see none: it waits."""
    parked = [make_parked() for _ in range(40)]
    await rabbit.park(parked)
    await until(rabbit.count_parked, lambda count: count == 40)
    async with kept(make_rabbitmq(rabbitmq_url)) as other:
        unparked = await asyncio.gather(
            *(
                by.unpark([one.target_id for one in parked[10 * n : 10 * n + 10]])
                for n, by in enumerate([rabbit, other, rabbit, other])
            )
        )
        assert unparked == [10, 10, 10, 10]
        assert await until(other.count_parked, lambda count: count == 0) == 0


async def test_the_parking_lot_is_bounded(rabbitmq_url: str) -> None:
    async with kept(make_rabbitmq(rabbitmq_url, parking_limit=3)) as broker:
        parked = [make_parked() for _ in range(5)]
        for one in parked:
            await broker.park([one])
        assert await until(broker.count_parked, lambda count: count == 3) == 3
        assert await broker.unpark([parked[0].target_id, parked[1].target_id]) == 0  # the oldest went


async def test_a_queue_that_was_deleted_is_made_again_and_listened_to(rabbit: RabbitMQ, rabbitmq_url: str) -> None:
    await rabbit.start_listening(5)
    links = rabbit.links
    async with plain_channel(rabbitmq_url) as channel:
        await asyncio.sleep(0.5)  # seen on 3.10: who has listened for milliseconds only is not told of the end
        await (await channel.get_queue("hayon_social_posts")).delete(if_unused=False, if_empty=False)
    # Bells rung before are gone with the queue, and the number of links is how the relay knows.
    assert await until(lambda: asyncio.sleep(0, rabbit.links), lambda now: now > links) == links + 1
    bell = make_bell()
    assert await until(lambda: rabbit.ring([bell]), bool) == [bell]
    assert (await hear(rabbit, 1))[0].bell == bell
    await asyncio.sleep(1)
    assert rabbit.links == links + 1  # once


async def test_a_closed_connection_is_made_again(
    rabbit: RabbitMQ, rabbitmq: RabbitAddress, rabbitmq_vhost: str
) -> None:
    await rabbit.start_listening(5)
    links = rabbit.links
    for name in await until(lambda: connections(rabbitmq, rabbitmq_vhost), lambda names: len(names) == 2):
        await asyncio.to_thread(rabbitmq.manage, "DELETE", f"connections/{name}")
    bell = make_bell()
    await until(lambda: rabbit.ring([bell]), bool)
    assert (await hear(rabbit, 1))[0].bell == bell
    assert rabbit.links == links + 1


async def test_what_an_operator_may_want_to_know_is_told(rabbitmq_url: str) -> None:
    told: list[str] = []
    async with kept(make_rabbitmq(rabbitmq_url, tell=lambda event, **_: told.append(event))) as broker:
        await broker.start_listening(1)
        await send(rabbitmq_url, "post_exchange", "post.create.bluesky", b"no bell")
        await until(broker.list_dead_letters, bool)
        async with plain_channel(rabbitmq_url) as channel:
            await (await channel.get_queue("hayon_social_posts")).unbind("post_exchange", "post.create.*")
        await broker.ring([make_bell()])
        await until(lambda: broker.ring([make_bell()]), bool)
    assert told == ["broker.connected", "letter.died", "bell.unroutable", "broker.connected"]
    assert set(told) | {"broker.unreachable"} <= set(EVENTS)


async def test_without_a_link_every_call_says_so(rabbitmq_url: str) -> None:
    broker = make_rabbitmq(rabbitmq_url)
    bell = make_bell()
    for call in (
        lambda: broker.ring([bell]), lambda: broker.ring_later(bell, timedelta(seconds=1), Through.RETRY),
        broker.count_waiting, broker.count_parked, lambda: broker.park([make_parked()]),
        lambda: broker.unpark([bell.target_id]), broker.list_dead_letters, lambda: broker.replay_dead_letters(["a"]),
        lambda: broker.discard_dead_letters(["a"]),
    ):  # fmt: skip
        with pytest.raises(BrokerUnreachable):
            await call()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda url: url.replace("guest:guest", "guest:wrong"), "user or password"),
        (lambda url: url.rpartition("/")[0] + "/nowhere", "vhost"),
    ],
    ids=["password", "vhost"],
)
async def test_a_wrong_address_is_told_in_words(rabbitmq_url: str, change: object, says: str) -> None:
    assert callable(change)
    with pytest.raises(Misconfigured, match=says):
        await make_rabbitmq(change(rabbitmq_url)).open()


async def test_nobody_there_is_no_misconfiguration(rabbitmq: RabbitAddress) -> None:
    with pytest.raises(BrokerUnreachable):
        await make_rabbitmq(RabbitAddress(free_port(), 0).url()).open()


async def connections(rabbitmq: RabbitAddress, vhost: str) -> list[str]:
    """As the management page shows them, which takes a few seconds."""
    told = await asyncio.to_thread(rabbitmq.manage, "GET", f"vhosts/{vhost}/connections")
    return [connection["name"].replace(" ", "%20").replace(">", "%3E") for connection in told if connection.get("name")]
