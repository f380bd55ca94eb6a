"""`hayon broker` sets a RabbitMQ up, finds what is wrong with it and mends it; `hayon doctor` finds the same. Exit codes are told."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hayon.brokers.rabbitmq.wire import write_bell
from tests.brokers.bells import make_bell
from tests.brokers.test_migrating import build_older
from tests.brokers.wires import plain_channel, send, take_all
from tests.cli.conftest import Run
from tests.servers.ports import free_port


@pytest.fixture
def finding(hayon: Run) -> Callable[..., tuple[int, dict[str, str]]]:
    """What the doctor says of the broker, and its exit code."""

    def look(**settings: object) -> tuple[int, dict[str, str]]:
        said = hayon("doctor", "--json", **settings)
        return said.code, {one["check"]: one for one in json.loads(said.out)}["Broker"]

    return look


async def delete(url: str, queue: str) -> None:
    async with plain_channel(url) as channel:
        await channel.queue_delete(queue)


@pytest.mark.parametrize("command", ["setup", "verify", "migrate"])
def test_with_the_embedded_broker_there_is_nothing_to_set_up(hayon: Run, command: str) -> None:
    said = hayon("broker", command)
    assert said.code == 0
    assert said.out.startswith("The broker is embedded: there is nothing to set up.")


async def test_it_is_set_up_and_looked_at(hayon: Run, rabbitmq_url: str) -> None:
    said = hayon("broker", "verify", BROKER_URL=rabbitmq_url)
    assert (said.code, said.out) == (1, "")
    assert "The queue hayon_social_posts is missing: run `hayon broker setup`.\n" in said.err

    said = hayon("broker", "setup", BROKER_URL=rabbitmq_url)
    assert (said.code, said.err) == (0, "")
    assert said.out == "2 exchanges, 6 queues and 6 bindings are there, and what is sent comes where it should.\n"
    said = hayon("broker", "verify", BROKER_URL=rabbitmq_url)
    assert (said.code, said.err) == (0, "")
    assert "0 listeners" in said.out

    assert hayon("broker", "setup", BROKER_URL=rabbitmq_url, SCHEDULE_VIA="ttl").out.startswith(
        "2 exchanges, 14 queues"
    )


async def test_a_missing_binding_is_found_and_made(hayon: Run, rabbitmq_url: str) -> None:
    hayon("broker", "setup", BROKER_URL=rabbitmq_url)
    async with plain_channel(rabbitmq_url) as channel:
        queue = await channel.get_queue("hayon_dead_letters", ensure=False)
        await queue.unbind("dlx_exchange", "dead")
    said = hayon("broker", "verify", BROKER_URL=rabbitmq_url)
    assert said.code == 1
    assert "dlx_exchange hands what has the key dead to no queue; hayon_dead_letters should get it." in said.err
    assert hayon("broker", "setup", BROKER_URL=rabbitmq_url).code == 0
    assert hayon("broker", "verify", BROKER_URL=rabbitmq_url).code == 0


async def test_older_queues_are_brought_to_the_present_shape(
    hayon: Run, rabbitmq_url: str, finding: Callable[..., tuple[int, dict[str, str]]]
) -> None:
    await build_older(rabbitmq_url, 3)
    said = hayon("broker", "setup", BROKER_URL=rabbitmq_url)
    assert (said.code, said.out) == (1, "")
    assert "Stop Hayon and run `hayon broker migrate`" in said.err
    code, found = finding(BROKER_URL=rabbitmq_url)
    assert (code, found["state"]) == (1, "failed")
    assert "hayon broker migrate" in found["found"]

    said = hayon("broker", "migrate", BROKER_URL=rabbitmq_url)
    assert said.code == 0
    assert "hayon_social_posts was of another shape; 3 messages were put aside.\n" in said.out
    assert "3 messages came back to hayon_parking_lot.\n" in said.out
    said = hayon("broker", "migrate", BROKER_URL=rabbitmq_url)
    assert (said.code, said.out) == (
        0, "2 exchanges, 6 queues and 6 bindings have the present shape. Nothing had to change.\n",
    )  # fmt: skip
    assert hayon("broker", "verify", BROKER_URL=rabbitmq_url).code == 0


@pytest.mark.parametrize("command", ["setup", "verify", "migrate"])
def test_a_broker_that_does_not_answer_is_a_sentence(hayon: Run, command: str) -> None:
    said = hayon("broker", command, BROKER_URL=f"amqp://somebody:hidden@127.0.0.1:{free_port()}/")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("The broker cannot be reached")
    assert "hidden" not in said.err


@pytest.mark.parametrize("command", ["setup", "verify", "migrate"])
def test_without_the_plugin_it_says_so(hayon: Run, rabbitmq_url: str, command: str) -> None:
    said = hayon("broker", command, BROKER_URL=rabbitmq_url, SCHEDULE_VIA="plugin")
    assert (said.code, said.out) == (1, "")
    assert "which this broker does not have: choose `database` or `ttl`" in said.err


async def test_the_doctor_on_each_state_of_a_broker(
    hayon: Run, rabbitmq_url: str, finding: Callable[..., tuple[int, dict[str, str]]]
) -> None:
    code, found = finding()
    assert (code, found["state"], found["found"]) == (0, "ok", "embedded: nothing to set up")

    code, found = finding(BROKER_URL=rabbitmq_url)
    assert (code, found["state"]) == (0, "warning")
    assert found["found"].endswith("nothing is set up in it yet")
    async with plain_channel(rabbitmq_url) as channel:  # it has changed nothing
        assert not await _is_there(channel, "hayon_social_posts")

    hayon("broker", "setup", BROKER_URL=rabbitmq_url)
    await take_all(rabbitmq_url, "hayon_social_posts")  # the probe's
    code, found = finding(BROKER_URL=rabbitmq_url)
    assert (code, found["state"]) == (0, "ok")
    assert found["found"].startswith("RabbitMQ 3.")
    assert "0 listeners, 0 bells waiting, 0 parked, 0 dead letters" in found["found"]

    await take_all(rabbitmq_url, "hayon_social_posts")
    await send(rabbitmq_url, "post_exchange", "post.create.bluesky", write_bell(make_bell()).body)
    code, found = finding(BROKER_URL=rabbitmq_url)
    assert (code, found["state"]) == (0, "warning")
    assert "1 bell waiting" in found["found"]
    assert "hayon worker" in found["mend"]

    await take_all(rabbitmq_url, "hayon_social_posts")
    await send(rabbitmq_url, "dlx_exchange", "dead", b"broken")
    async with plain_channel(rabbitmq_url) as channel:
        listening = await channel.get_queue("hayon_social_posts")
        async with listening.iterator(no_ack=True):
            code, found = finding(BROKER_URL=rabbitmq_url)
    assert (code, found["state"]) == (0, "warning")
    assert "1 listener, " in found["found"]
    assert found["found"].endswith("1 dead letter")
    assert "hayon dead-letters list" in found["mend"]

    await delete(rabbitmq_url, "hayon_retry_queue.5s")
    code, found = finding(BROKER_URL=rabbitmq_url)
    assert (code, found["state"]) == (1, "failed")
    assert "The queue hayon_retry_queue.5s is missing" in found["found"]


def test_the_doctor_where_the_broker_is_of_no_use(
    rabbitmq_url: str, finding: Callable[..., tuple[int, dict[str, str]]]
) -> None:
    cases: dict[str, dict[str, Any]] = {
        "cannot be reached": {"BROKER_URL": f"amqp://somebody:hidden@127.0.0.1:{free_port()}/"},
        "refuses the user or password": {"BROKER_URL": rabbitmq_url.replace("guest:guest", "guest:hidden")},
        "without the delayed message exchange plugin": {"BROKER_URL": rabbitmq_url, "SCHEDULE_VIA": "plugin"},
        "takes embedded:// or amqp://": {"BROKER_URL": "redis://127.0.0.1"},
    }
    for words, settings in cases.items():
        code, found = finding(**settings)
        assert (code, found["state"]) == (1, "failed"), words
        assert words in found["found"]
        assert found["mend"]
        assert "hidden" not in str(found)


async def _is_there(channel: Any, queue: str) -> bool:
    try:
        await channel.declare_queue(queue, passive=True)
    except Exception as error:  # noqa: BLE001 - whatever the library calls it
        return "NOT_FOUND" not in str(error)
    return True
