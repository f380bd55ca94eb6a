"""Exchanges, queues and bindings are the seeds'; every way to wire them wrongly is found at start-up, and told with its remedy."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.brokers.contract import Through
from hayon.brokers.rabbitmq import RabbitMQ, Topology, lay_out, setup, verify
from hayon.brokers.rabbitmq.topology import Binding, Queue, name_of
from hayon.errors import Misconfigured
from tests.brokers.bells import RETRY_STEPS, WAITING_STEPS, hear, hears_nothing, kept, make_bell, make_rabbitmq, until
from tests.brokers.wires import plain_channel, send, take_all
from tests.servers.rabbitmq import RabbitAddress

TOPOLOGY = lay_out(RETRY_STEPS, WAITING_STEPS, "ttl", 10_000)
STEP, ROOM = "hayon_retry_queue.300ms", "hayon_waiting_room.300ms"


async def test_the_names_are_the_seeds(rabbitmq: RabbitAddress, rabbitmq_vhost: str) -> None:
    steps = [timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(hours=1)]
    async with kept(RabbitMQ(rabbitmq.url(rabbitmq_vhost), retry_steps=steps, schedule_via="ttl")):

        async def ask(what: str) -> list[dict[str, Any]]:
            return await asyncio.to_thread(rabbitmq.manage, "GET", f"{what}/{rabbitmq_vhost}")

        exchanges = {
            one["name"]: (one["type"], one["durable"])
            for one in await ask("exchanges")
            if not one["name"].startswith("amq.")
        }
        exchanges.pop("", None)
        assert exchanges == {"post_exchange": ("topic", True), "dlx_exchange": ("direct", True)}
        queues = {one["name"]: one for one in await ask("queues")}
        assert sorted(queues) == sorted([
            "hayon_social_posts", "hayon_parking_lot", "hayon_dead_letters",
            *(f"hayon_retry_queue.{step}" for step in ("5s", "30s", "2m", "1h")),
            *(f"hayon_waiting_room.{step}" for step in ("1s", "5s", "30s", "2m", "10m", "1h", "6h", "24h")),
        ])  # fmt: skip
        assert {one["arguments"]["x-queue-type"] for one in queues.values()} == {"quorum"}
        assert queues["hayon_social_posts"]["arguments"]["x-delivery-limit"] == 20
        assert queues["hayon_retry_queue.2m"]["arguments"]["x-message-ttl"] == 120_000
        bound = {
            (one["source"], one["routing_key"], one["destination"]) for one in await ask("bindings") if one["source"]
        }
        assert {
            ("post_exchange", "post.create.*", "hayon_social_posts"), ("dlx_exchange", "dead", "hayon_dead_letters"),
            ("dlx_exchange", "parking", "hayon_parking_lot"), ("dlx_exchange", "retry.5s", "hayon_retry_queue.5s"),
        } <= bound  # fmt: skip


def test_steps_have_short_exact_names() -> None:
    named = {
        "5s": {"seconds": 5},
        "90s": {"seconds": 90},
        "2m": {"minutes": 2},
        "24h": {"days": 1},
        "1500ms": {"seconds": 1.5},
    }
    assert {name: name_of(timedelta(**length)) for name, length in named.items()} == {name: name for name in named}


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="database, ttl or plugin"):
        lay_out(RETRY_STEPS, WAITING_STEPS, "crontab", 10)
    with pytest.raises(ValueError, match="millisecond"):
        lay_out([timedelta(0)], WAITING_STEPS, "ttl", 10)


def test_without_ttl_there_is_no_waiting_room() -> None:
    assert lay_out(RETRY_STEPS, WAITING_STEPS, "database", 10).waiting == ()


def other_arguments(queue: str, **changed: Any) -> Callable[[Topology], Topology]:
    """A topology in which one queue has other arguments; None takes one away."""

    def change(topology: Topology) -> Topology:
        named = {name.replace("_", "-"): said for name, said in changed.items()}

        def changed_queue(one: Queue) -> Queue:
            arguments = {name: said for name, said in (one.arguments | named).items() if said is not None}
            return replace(one, arguments=arguments) if one.name == queue else one

        return replace(topology, queues=tuple(changed_queue(one) for one in topology.queues))

    return change


def other_binding(queue: str, key: str) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        return replace(
            topology,
            bindings=tuple(replace(one, key=key) if one.queue == queue else one for one in topology.bindings),
        )

    return change


def without_binding(queue: str) -> Callable[[Topology], Topology]:
    return lambda topology: replace(topology, bindings=tuple(one for one in topology.bindings if one.queue != queue))


TRAPS = {
    # The seeds' own drawing: the message comes back under the key `retry`, which nothing binds, and vanishes.
    "retry without a key": (other_arguments(STEP, x_dead_letter_routing_key=None, x_dead_letter_strategy=None, x_overflow=None), STEP),
    "retry without a key, kept": (other_arguments(STEP, x_dead_letter_routing_key=None), STEP),
    "retry under a key of two words": (other_arguments(STEP, x_dead_letter_routing_key="post.create.retry.again"), STEP),
    "retry into another exchange": (other_arguments(STEP, x_dead_letter_exchange="dlx_exchange"), STEP),
    "retry that never ends": (other_arguments(STEP, x_dead_letter_exchange=None, x_dead_letter_routing_key=None), STEP),
    "waiting room without a key": (other_arguments(ROOM, x_dead_letter_routing_key=None), ROOM),
    # `dead.#` on a direct exchange is a word like any other, and matches nothing.
    "dead letters by a pattern": (other_binding("hayon_dead_letters", "dead.#"), "hayon_dead_letters"),
    "dead letters unbound": (without_binding("hayon_dead_letters"), "hayon_dead_letters"),
    "parking lot unbound": (without_binding("hayon_parking_lot"), "hayon_parking_lot"),
    "retry unbound": (without_binding(STEP), STEP),
    "waiting room unbound": (without_binding(ROOM), ROOM),
    "bells unbound": (without_binding("hayon_social_posts"), "hayon_social_posts"),
    "bells of one platform only": (other_binding("hayon_social_posts", "post.create.bluesky"), "hayon_social_posts"),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
async def test_the_probe_finds_what_is_built_wrongly(
    rabbitmq_url: str, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hayon.brokers.rabbitmq.probe._COMES_BACK_WITHIN_SECONDS", 1.5)
    build, named = TRAPS[trap]
    broker = make_rabbitmq(rabbitmq_url)
    broker._topology = build(TOPOLOGY)
    with pytest.raises(Misconfigured) as found:
        await broker.open()
    assert named in str(found.value)
    assert "hayon broker" in str(found.value)


SHAPES = {
    "bells in a classic queue": ("hayon_social_posts", {"x-queue-type": "classic"}),
    "bells without a limit": ("hayon_social_posts", {"x-delivery-limit": None}),
    "bells that die nowhere": (
        "hayon_social_posts",
        {"x-dead-letter-exchange": None, "x-dead-letter-routing-key": None},
    ),
    "bells that die under another key": ("hayon_social_posts", {"x-dead-letter-routing-key": "dead.social"}),
    "bells dead-lettered at most once": ("hayon_social_posts", {"x-dead-letter-strategy": "at-most-once"}),
    "a retry of another length": (STEP, {"x-message-ttl": 7000}),
    "a retry that drops when full": (STEP, {"x-overflow": "drop-head"}),
    "a waiting room with one platform's key": (ROOM, {"x-dead-letter-routing-key": "post.create.bluesky"}),
    "a parking lot of another size": ("hayon_parking_lot", {"x-max-length": 5}),
    "dead letters that looks throw away": ("hayon_dead_letters", {"x-delivery-limit": 3}),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_what_is_there_in_another_shape_is_refused(rabbitmq_url: str, shape: str) -> None:
    """Also where it holds messages, and no probe may go through."""
    name, changed = SHAPES[shape]
    await declare_other(rabbitmq_url, name, changed)
    await send(rabbitmq_url, "", name, b"in the way")
    with pytest.raises(Misconfigured) as found:
        await make_rabbitmq(rabbitmq_url).open()
    assert f"queue {name} is there already" in str(found.value)
    assert next(iter(changed)) in str(found.value)
    assert "hayon broker migrate" in str(found.value)


@pytest.mark.parametrize(("name", "kind"), [("post_exchange", "direct"), ("dlx_exchange", "topic")])
async def test_an_exchange_of_another_kind_is_refused(rabbitmq_url: str, name: str, kind: str) -> None:
    async with plain_channel(rabbitmq_url) as channel:
        await channel.declare_exchange(name, kind, durable=True)
    with pytest.raises(Misconfigured, match=f"exchange {name} is there already, but wired in another way: .*type"):
        await make_rabbitmq(rabbitmq_url).open()


async def test_a_step_that_holds_a_bell_is_passed_by(rabbitmq_url: str) -> None:
    """The first in a queue holds up all behind it, the probe too."""
    long = (timedelta(milliseconds=300), timedelta(hours=1))
    async with kept(make_rabbitmq(rabbitmq_url, retry_steps=long)) as broker:
        await broker.ring_later(make_bell(), timedelta(hours=1), Through.RETRY)
    started = time.monotonic()
    async with kept(make_rabbitmq(rabbitmq_url, retry_steps=long)):
        assert time.monotonic() - started < 5
    assert [message.type for message in await take_all(rabbitmq_url, "hayon_retry_queue.1h")] == ["hayon.bell"]


async def test_listeners_drop_probes_and_looks_do_not_show_them(rabbitmq_url: str) -> None:
    async with kept(make_rabbitmq(rabbitmq_url)) as broker, kept(make_rabbitmq(rabbitmq_url)):
        assert await until(broker.count_waiting, lambda waiting: waiting >= 10) >= 10  # two probings, nobody listens
        await broker.start_listening(1)
        assert await hears_nothing(broker)
        assert await until(broker.count_waiting, lambda waiting: waiting == 0) == 0
        assert (await broker.list_dead_letters(), await broker.count_parked()) == ([], 0)


async def test_a_probe_of_an_hour_takes_no_hour(rabbitmq_url: str) -> None:
    steps = [timedelta(hours=1), timedelta(hours=24)]
    started = time.monotonic()
    async with kept(make_rabbitmq(rabbitmq_url, retry_steps=steps)):
        assert time.monotonic() - started < 5


async def test_verify_tells_and_changes_nothing(
    rabbitmq: RabbitAddress, rabbitmq_vhost: str, rabbitmq_url: str
) -> None:
    def names() -> set[str]:
        return {one["name"] for one in rabbitmq.manage("GET", f"queues/{rabbitmq_vhost}")}

    missing = await verify(rabbitmq_url, TOPOLOGY)
    assert len(missing) == len(TOPOLOGY.queues) + len(TOPOLOGY.exchanges)
    assert "The queue hayon_social_posts is missing: run `hayon broker setup`." in missing
    assert await asyncio.to_thread(names) == set()
    await setup(rabbitmq_url, TOPOLOGY)
    assert await verify(rabbitmq_url, TOPOLOGY) == []
    async with plain_channel(rabbitmq_url) as channel:
        await (await channel.get_queue("hayon_parking_lot")).unbind("dlx_exchange", "parking")
        await (await channel.get_queue(STEP)).unbind("dlx_exchange", "retry.300ms")
    wrong = await verify(rabbitmq_url, TOPOLOGY)
    assert [name for told in wrong for name in ("hayon_parking_lot", STEP) if name in told] == [
        "hayon_parking_lot",
        STEP,
    ]
    await setup(rabbitmq_url, TOPOLOGY)
    assert await verify(rabbitmq_url, TOPOLOGY) == []


async def test_verify_compares_arguments(rabbitmq_url: str) -> None:
    await setup(rabbitmq_url, TOPOLOGY)
    (wrong,) = await verify(rabbitmq_url, lay_out([RETRY_STEPS[0], RETRY_STEPS[1]], WAITING_STEPS, "ttl", 99))
    assert "hayon_parking_lot" in wrong
    assert "x-max-length" in wrong


async def test_a_user_without_rights_is_told_so(rabbitmq: RabbitAddress, rabbitmq_vhost: str) -> None:
    def make_user() -> None:
        rabbitmq.manage("PUT", f"users/{rabbitmq_vhost}", {"password": "reader", "tags": ""})
        rabbitmq.manage(
            "PUT", f"permissions/{rabbitmq_vhost}/{rabbitmq_vhost}", {"configure": "", "write": "", "read": ".*"}
        )

    await asyncio.to_thread(make_user)
    url = rabbitmq.url(rabbitmq_vhost).replace("guest:guest", f"{rabbitmq_vhost}:reader")
    try:
        with pytest.raises(Misconfigured, match="rabbitmqctl set_permissions"):
            await make_rabbitmq(url).open()
    finally:
        await asyncio.to_thread(rabbitmq.manage, "DELETE", f"users/{rabbitmq_vhost}")


async def test_the_plugin_is_refused_where_the_broker_has_none(rabbitmq_url: str) -> None:
    with pytest.raises(
        Misconfigured,
        match="HAYON_SCHEDULE_VIA=plugin needs the delayed message exchange plugin, which this broker does not have",
    ):
        await make_rabbitmq(rabbitmq_url, schedule_via="plugin").open()
    async with kept(make_rabbitmq(rabbitmq_url)) as broker:  # and nothing is left that would stand in the way
        await broker.start_listening(1)
        await broker.ring([make_bell()])
        assert len(await hear(broker, 1)) == 1


async def test_what_is_given_to_the_plugin_is_never_mandatory(rabbitmq_url: str) -> None:
    """That exchange reports all it takes as unroutable. Here a plain topic exchange bound to nothing stands for it: it reports
    the same, and a mandatory bell would be taken for lost and its link given up."""
    plugin = lay_out(RETRY_STEPS, WAITING_STEPS, "plugin", 10_000)
    stand_in = tuple(
        replace(one, kind="topic", arguments={}) if one.name == "post_delayed_exchange" else one
        for one in plugin.exchanges
    )
    broker = make_rabbitmq(rabbitmq_url, schedule_via="plugin")
    broker._topology = replace(plugin, exchanges=stand_in)
    async with kept(broker):
        links = broker.links
        async with plain_channel(rabbitmq_url) as channel:
            queue = await channel.get_queue("hayon_social_posts")
            await queue.unbind("post_delayed_exchange", "post.create.*")
        assert await broker.ring_later(make_bell(), timedelta(minutes=1), Through.PLUGIN) is True
        await queue_bound(rabbitmq_url)
        assert await broker.ring_later(bell := make_bell(), timedelta(hours=24), Through.PLUGIN) is True
        (message,) = [one for one in await take_all(rabbitmq_url, "hayon_social_posts") if one.type == "hayon.bell"]
        assert (message.headers["x-delay"], message.routing_key) == (86_400_000, f"post.create.{bell.platform}")
        with pytest.raises(ValueError, match="longer than a day"):
            await broker.ring_later(make_bell(), timedelta(hours=24, seconds=1), Through.PLUGIN)
        assert broker.links == links


async def queue_bound(url: str) -> None:
    async with plain_channel(url) as channel:
        await (await channel.get_queue("hayon_social_posts")).bind("post_delayed_exchange", "post.create.*")


def test_every_place_is_bound_once() -> None:
    assert len({(one.exchange, one.key) for one in TOPOLOGY.bindings}) == len(TOPOLOGY.bindings) == len(TOPOLOGY.queues)
    assert Binding("post_exchange", "post.create.*", "hayon_social_posts") in TOPOLOGY.bindings


async def declare_other(url: str, name: str, changed: dict[str, Any]) -> None:
    """This queue, with some arguments changed or, where they are None, left out."""
    queue = next(one for one in TOPOLOGY.queues if one.name == name)
    arguments = {key: said for key, said in (queue.arguments | changed).items() if said is not None}
    if arguments["x-queue-type"] == "classic":
        arguments = {
            key: said for key, said in arguments.items() if key not in {"x-delivery-limit", "x-dead-letter-strategy"}
        }
    async with plain_channel(url) as channel:
        await channel.declare_queue(name, durable=True, arguments=arguments)
