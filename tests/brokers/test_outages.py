"""The bell through outages: a killed, wiped or full broker, and links that are cut or swallow everything."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hayon.brokers.contract import Bell
from hayon.brokers.rabbitmq import RabbitMQ, connection
from hayon.errors import BrokerUnreachable, Misconfigured
from tests.brokers.bells import hear, kept, make_bell, make_parked, make_rabbitmq, until
from tests.brokers.wires import plain_channel
from tests.servers.proxy import Proxy, running_proxy
from tests.servers.rabbitmq import RabbitAddress, RabbitNode

# A quorum queue that was declared within the last second may not outlive a kill: not what these tests ask.
SETTLED_SECONDS = 1.5


@pytest.fixture
def proxy(rabbitmq: RabbitAddress) -> Iterator[Proxy]:
    with running_proxy(rabbitmq.port) as running:
        yield running


@pytest.fixture
def proxied_url(proxy: Proxy, rabbitmq: RabbitAddress, rabbitmq_vhost: str) -> str:
    return rabbitmq.url(rabbitmq_vhost).replace(f":{rabbitmq.port}/", f":{proxy.port}/")


async def test_what_was_rung_outlives_a_killed_broker(own_rabbitmq: RabbitNode) -> None:
    """Rings on while the broker dies: each bell in ring()'s answers is heard, however it went."""
    async with kept(make_rabbitmq(own_rabbitmq.url)) as broker:
        await asyncio.sleep(SETTLED_SECONDS)
        confirmed: set[int] = set()
        links = broker.links

        async def ring_on() -> None:
            for start in range(0, 100_000, 50):
                bells = [make_bell(ring=ring) for ring in range(start, start + 50)]
                confirmed.update(bell.ring for bell in await broker.ring(bells))

        ringing = asyncio.create_task(ring_on())
        await until(lambda: asyncio.sleep(0, len(confirmed)), lambda count: count >= 200)
        await asyncio.to_thread(own_rabbitmq.kill9)
        with pytest.raises(BrokerUnreachable):
            await ringing
        with pytest.raises(BrokerUnreachable):
            await broker.ring([make_bell()])
        await broker.start_listening(1000)  # raises nothing; it listens as soon as it can
        await asyncio.to_thread(own_rabbitmq.start)

        heard: set[int] = set()
        deadline = time.monotonic() + 40
        while not confirmed <= heard and time.monotonic() < deadline:
            for one in await hear(broker, 1):
                heard.add(one.bell.ring)
                await one.done()
        assert confirmed - heard == set()
        assert broker.links == links + 1
        bell = make_bell()
        assert await until(lambda: broker.ring([bell]), bool) == [bell]


async def test_a_wiped_broker_is_set_up_again(own_rabbitmq: RabbitNode) -> None:
    async with kept(make_rabbitmq(own_rabbitmq.url)) as broker:
        await broker.start_listening(10)
        await broker.park([make_parked()])
        links = broker.links
        await asyncio.to_thread(own_rabbitmq.wipe)
        await asyncio.to_thread(own_rabbitmq.start)
        bell = make_bell()
        assert await until(lambda: broker.ring([bell]), bool, within=40) == [bell]
        assert [one.bell for one in await hear(broker, 1)] == [bell]
        assert broker.links > links
        assert await broker.count_parked() == 0  # whoever owns the truth writes the mirrors again


async def test_a_full_broker_takes_nothing_and_later_again(own_rabbitmq: RabbitNode) -> None:
    """Out of memory it stops reading from who sends; we say so at once, and hearing goes on."""
    async with kept(make_rabbitmq(own_rabbitmq.url)) as broker:
        await broker.start_listening(10)
        await broker.ring([first := make_bell()])
        assert [one.bell for one in await hear(broker, 1)] == [first]
        links = broker.links
        await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0.000001")
        assert "memory" in await until(lambda: trouble_of(broker), bool)  # the alarm takes a moment to be raised
        for call in (lambda: broker.ring([make_bell()]), broker.count_waiting, lambda: broker.park([make_parked()])):
            started = time.monotonic()
            with pytest.raises(BrokerUnreachable, match="memory"):
                await call()
            assert time.monotonic() - started < 1
        await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0.4")
        bell = make_bell()
        assert await until(lambda: broker.ring([bell]), bool) == [bell]
        assert broker.links == links  # the link stood all the time
        assert bell in [one.bell for one in await hear(broker, 2)]


async def test_a_cut_link_is_mended(proxy: Proxy, proxied_url: str) -> None:
    async with kept(make_rabbitmq(proxied_url)) as broker:
        await broker.start_listening(10)
        for round_ in range(3):
            links = broker.links
            proxy.cut()
            bell = make_bell(ring=round_)
            assert await until(lambda bell=bell: broker.ring([bell]), bool) == [bell]
            heard: set[Bell] = set()  # those before it may double where an answer was cut off; none may vanish
            while bell not in heard and (some := await hear(broker, 1)):
                heard |= {one.bell for one in some}
                for one in some:
                    await one.done()
            assert bell in heard
            assert broker.links == links + 1


async def test_what_was_held_when_the_link_was_cut_goes_to_another(
    proxy: Proxy, proxied_url: str, rabbitmq_url: str
) -> None:
    async with kept(make_rabbitmq(proxied_url)) as broker, kept(make_rabbitmq(rabbitmq_url)) as other:
        await broker.start_listening(10)
        await other.ring([bell := make_bell()])
        (mine,) = await hear(broker, 1)
        proxy.refuse()
        await other.start_listening(10)
        (again,) = await hear(other, 1)
        assert (again.bell, again.redelivered) == (bell, True)
        await mine.done()  # too late, and harmless
        with pytest.raises(BrokerUnreachable):
            await broker.hear(0.2)
        proxy.restore()
        await other.stop_listening()
        await other.ring([bell])
        assert [one.bell for one in await hear(broker, 1)] == [bell]


async def test_a_black_hole_is_noticed(proxy: Proxy, proxied_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes back, not even a goodbye: every call has an end all the same, and the link is made anew afterwards."""
    async with kept(make_rabbitmq(proxied_url)) as broker:
        await broker.start_listening(100)
        links = broker.links
        for call in (
            lambda: broker.ring([make_bell()]), broker.count_waiting, broker.list_dead_letters, lambda: broker.park([make_parked()]),
            lambda: broker.unpark([make_bell().target_id]), broker.count_parked,
        ):  # fmt: skip
            proxy.black_hole()
            started = time.monotonic()
            with bounded_shortly(monkeypatch), pytest.raises(BrokerUnreachable, match="time"):
                await asyncio.wait_for(call(), 30)
            assert time.monotonic() - started < 8
            proxy.cut()
            proxy.restore()
            bell = make_bell()
            assert await until(lambda bell=bell: broker.ring([bell]), bool) == [bell]
        heard: list[Bell] = []
        while bell not in heard and (some := await hear(broker, 1)):
            heard += [one.bell for one in some]
        assert bell in heard
        assert broker.links > links


async def test_a_listener_in_a_black_hole_finds_out_by_itself(
    proxy: Proxy, proxied_url: str, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks nothing and sends nothing; only the regular look can tell it that nobody is there."""
    look_often(monkeypatch)
    async with kept(make_rabbitmq(proxied_url)) as broker, kept(make_rabbitmq(rabbitmq_url)) as other:
        await broker.start_listening(10)
        proxy.black_hole()
        with bounded_shortly(monkeypatch), pytest.raises(BrokerUnreachable):
            await broker.hear(6)
        proxy.cut()
        proxy.restore()
        await other.ring([bell := make_bell()])
        assert [one.bell for one in await hear(broker, 1)] == [bell]


async def test_a_slow_link_is_no_lost_link(proxy: Proxy, proxied_url: str) -> None:
    async with kept(make_rabbitmq(proxied_url)) as broker:
        await broker.start_listening(10)
        links = broker.links
        proxy.delay(0.2)
        bells = [make_bell(ring=ring) for ring in range(100)]
        assert await broker.ring(bells) == bells
        assert len(await hear(broker, 10)) == 10
        assert broker.links == links


async def test_a_broker_that_is_away_at_the_start_is_unreachable_and_not_wrong(proxy: Proxy, proxied_url: str) -> None:
    proxy.refuse()
    broker = make_rabbitmq(proxied_url)
    with pytest.raises(BrokerUnreachable):
        await broker.open()
    keeping = asyncio.create_task(broker.keep())
    await asyncio.sleep(0.3)
    proxy.restore()
    bell = make_bell()
    assert await until(lambda: broker.ring([bell]), bool) == [bell]
    assert not keeping.done()
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    await broker.aclose()


async def test_what_was_rewired_meanwhile_ends_the_duty(proxy: Proxy, proxied_url: str, rabbitmq_url: str) -> None:
    """Somebody has to look at it: the process ends with the words that its next start would say."""
    broker = make_rabbitmq(proxied_url)
    await broker.open()
    keeping = asyncio.create_task(broker.keep())
    proxy.refuse()
    async with plain_channel(rabbitmq_url) as channel:
        await (await channel.get_queue("hayon_parking_lot")).delete(if_unused=False, if_empty=False)
        await channel.declare_queue("hayon_parking_lot", durable=True, arguments={"x-queue-type": "classic"})
    proxy.restore()
    with pytest.raises(Misconfigured, match="hayon_parking_lot"):
        await asyncio.wait_for(keeping, 20)
    await broker.aclose()


async def test_a_wiring_mistake_is_found_when_the_broker_comes_at_last(
    proxy: Proxy, proxied_url: str, rabbitmq_url: str
) -> None:
    proxy.refuse()
    broker = make_rabbitmq(proxied_url)
    bindings = tuple(one for one in broker._topology.bindings if one.queue != "hayon_dead_letters")
    broker._topology = replace(broker._topology, bindings=bindings)
    with pytest.raises(BrokerUnreachable):
        await broker.open()
    keeping = asyncio.create_task(broker.keep())
    proxy.restore()
    with pytest.raises(Misconfigured, match="hayon_dead_letters"):
        await asyncio.wait_for(keeping, 20)
    await broker.aclose()


async def test_a_listener_that_the_broker_forgot_listens_again(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The regular look compares what we believe with what the broker believes."""
    look_often(monkeypatch)
    bell = make_bell()
    async with kept(make_rabbitmq(rabbitmq_url)) as broker:
        await broker.start_listening(5)
        await forget_listener(broker)
        forgotten = broker._listener
        assert await until(lambda: asyncio.sleep(0, broker._listener is not forgotten), bool)  # before any bell waits
        await until(lambda: broker.ring([bell]), bool)
        assert [one.bell for one in await hear(broker, 1)] == [bell]


async def test_a_listener_that_is_forgotten_among_others_listens_again(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker counts one listener, which is another's and full: that bells wait and none comes tells it."""
    look_often(monkeypatch)
    async with kept(make_rabbitmq(rabbitmq_url)) as broker, kept(make_rabbitmq(rabbitmq_url)) as other:
        await broker.start_listening(5)
        await forget_listener(broker)
        await other.start_listening(1)
        bells = [make_bell(ring=1), make_bell(ring=2)]
        await other.ring(bells)
        assert [one.bell for one in await hear(other, 1)] == bells[:1]
        assert [one.bell for one in await hear(broker, 1)] == bells[1:]


async def test_a_listener_that_heard_nothing_for_long_begins_anew(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the broker believes that it listens (seen on 3.10 when a queue was deleted and made within milliseconds)."""
    look_often(monkeypatch)
    monkeypatch.setattr("hayon.brokers.rabbitmq.listening._RENEW_AFTER_SECONDS", 0.2)
    async with kept(make_rabbitmq(rabbitmq_url)) as broker:
        await broker.start_listening(5)
        first = broker._listener
        assert await until(lambda: asyncio.sleep(0, broker._listener is not first), bool)
        await broker.ring([bell := make_bell()])
        (one,) = await hear(broker, 1)
        assert one.bell == bell
        holding = broker._listener
        await asyncio.sleep(2)
        assert broker._listener is holding  # a bell in its hands keeps it: to let go would cost the bell a delivery


async def forget_listener(broker: RabbitMQ) -> None:
    """Behind the back of its own code."""
    listener = broker._listener
    assert listener is not None
    queue = await listener._channel.get_queue("hayon_social_posts", ensure=False)
    await queue.cancel(str(listener._tag))


async def trouble_of(broker: RabbitMQ) -> str:
    """What the next ring meets with; nothing where it is well."""
    try:
        await broker.ring([make_bell()])
    except BrokerUnreachable as error:
        return str(error)
    return ""


def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The regular look, more often than every ten seconds."""
    monkeypatch.setattr("hayon.brokers.rabbitmq.broker._LOOK_EVERY_SECONDS", 0.5)


@contextlib.contextmanager
def bounded_shortly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While the broker is known not to answer. To be set up it needs its time, on a busy machine more than this."""
    with monkeypatch.context() as patch:
        patch.setattr(connection, "BOUND_SECONDS", 1.0)
        yield
