"""The small door to metrics and health of processes without pages: what it answers, and what it does not fall over."""

import asyncio
import json
import math
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hayon import telemetry, vitals
from hayon.brokers.embedded import EmbeddedBroker
from hayon.errors import BrokerUnreachable, DatabaseUnreachable, Misconfigured
from hayon.store import figures
from hayon.vitals import Vitals
from tests.brokers.bells import kept, make_rabbitmq, until
from tests.delivery.scripted import House, open_house
from tests.servers.proxy import running_proxy
from tests.servers.rabbitmq import RabbitAddress


@pytest.fixture
async def ready(house: House) -> House:
    await house.connect("ann")
    return house


def made(house: House, broker: Any = None) -> Vitals:
    return Vitals(house.database, broker or EmbeddedBroker(), ["scripted"])


@asynccontextmanager
async def served(signs: Vitals) -> AsyncIterator[int]:
    """The port at which they are shown."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(signs.serve("127.0.0.1", 0, address.set_result))
    try:
        yield int((await address).rpartition(":")[2])
    finally:
        task.cancel()
        await asyncio.wait({task})


async def ask(port: int, sent: bytes) -> bytes:
    """Everything that is answered to these bytes, until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    """Status and body."""
    answer = await ask(port, f"{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


def number(name: str, **labels: str) -> float | None:
    return telemetry.REGISTRY.get_sample_value(name, labels)


async def test_metrics_hold_what_the_database_says_now(ready: House) -> None:
    await ready.submit("Due")
    ready.clock.forward(7)
    async with served(made(ready)) as port:
        status, text = await get(port, "/metrics?name[]=anything")
    assert status == 200
    assert 'hayon_targets{platform="scripted",status="pending"} 1.0' in text
    assert 'hayon_oldest_due_seconds{platform="scripted"} 7.0' in text
    assert "hayon_unaccounted_posts 0.0" in text
    assert "hayon_bells_waiting 0.0" in text


async def test_no_number_is_labelled_by_account_post_or_person(ready: House) -> None:
    post_id = await ready.submit("Words that nobody shall read in a metric")
    await ready.deliver_due()
    text = (await made(ready).show()).decode()
    target = await ready.target(post_id)
    for secret in (post_id, target.id, target.account_id, ready.user_id, target.remote_id, "Words", "ann"):
        assert f'"{secret}"' not in text
    names = {name for family in telemetry.REGISTRY.collect() for sample in family.samples for name in sample.labels}
    assert names <= {"event", "platform", "outcome", "status", "result", "le"}


async def test_many_who_ask_make_one_reading_every_ten_seconds(ready: House, monkeypatch: pytest.MonkeyPatch) -> None:
    readings, read_figures = [], figures.read_figures

    def counted(tx: Any, platforms: Any) -> Any:
        readings.append(platforms)
        return read_figures(tx, platforms)

    monkeypatch.setattr(vitals.figures, "read_figures", counted)
    signs = made(ready)
    await asyncio.gather(*(signs.show() for _ in range(20)))
    await signs.show()
    assert len(readings) == 1
    monkeypatch.setattr(vitals, "FRESH_SECONDS", 0.0)
    await signs.show()
    assert len(readings) == 2


async def test_what_cannot_be_read_is_no_number_and_never_an_old_one(
    ready: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready.submit("Due")
    monkeypatch.setattr(vitals, "FRESH_SECONDS", 0.0)
    signs = made(ready)
    await signs.show()
    assert number("hayon_targets", status="pending", platform="scripted") == 1

    async def away(*_: object) -> object:
        raise DatabaseUnreachable("The database did not answer: OSError.")

    monkeypatch.setattr(ready.database, "read", away)
    assert b"hayon_lateness_seconds" in await signs.show()
    assert number("hayon_targets", status="pending", platform="scripted") is None
    assert number("hayon_oldest_due_seconds", platform="scripted") is None
    assert math.isnan(number("hayon_unaccounted_posts") or 0.0)


async def test_a_database_that_hangs_holds_metrics_up_for_a_moment_only(
    ready: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vitals, "BOUND_SECONDS", 0.05)
    monkeypatch.setattr(vitals, "FRESH_SECONDS", 0.0)
    release, readings = asyncio.Event(), []

    async def hang(*_: object) -> object:
        readings.append(1)
        await release.wait()
        raise DatabaseUnreachable("The database did not answer: TimeoutError.")

    monkeypatch.setattr(ready.database, "read", hang)
    signs = made(ready)
    async with asyncio.timeout(5):
        for _ in range(3):
            assert b"hayon_events" in await signs.show()
        assert "did not answer within" in await signs.find_hindrance()
    assert len(readings) == 2  # one reading for all three, and the question whether it is ready
    release.set()
    await signs.show()


async def test_alive_and_ready(ready: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(made(ready)) as port:
        status, body = await get(port, "/healthz")
        assert (status, json.loads(body)["status"]) == (200, "alive")
        status, body = await get(port, "/readyz")
        assert (status, json.loads(body)["status"]) == (200, "ready")

        async def away(*_: object) -> object:
            raise DatabaseUnreachable("The database did not answer: OSError.")

        monkeypatch.setattr(ready.database, "read", away)
        status, body = await get(port, "/readyz")
        assert (status, json.loads(body)["status"]) == (503, "waiting")
        assert json.loads(body)["reason"] == "The database did not answer: OSError."
        assert (await get(port, "/healthz"))[0] == 200


async def test_with_rabbitmq_ready_means_that_the_link_stands(
    migrated: Path, tmp_path: Path, rabbitmq: RabbitAddress, rabbitmq_url: str
) -> None:
    url = f"sqlite:///{shutil.copy(migrated, tmp_path / 'hayon.db')}"
    with running_proxy(rabbitmq.port) as proxy:
        broker = make_rabbitmq(rabbitmq_url.replace(f":{rabbitmq.port}/", f":{proxy.port}/"))
        async with open_house(url) as house, kept(broker):
            signs = made(house, broker)
            assert await signs.find_hindrance() == ""
            proxy.refuse()
            reason = await until(signs.find_hindrance, bool)
            assert "broker" in reason.lower()
            await signs.show()
            assert math.isnan(number("hayon_bells_waiting") or 0.0)
            proxy.restore()
            assert await until(signs.find_hindrance, lambda found: not found) == ""


async def test_bells_that_wait_are_counted(ready: House) -> None:
    class Away(EmbeddedBroker):
        async def count_waiting(self) -> int:
            raise BrokerUnreachable("The broker did not answer.")

    await made(ready, Away()).show()
    assert math.isnan(number("hayon_bells_waiting") or 0.0)
    await made(ready).show()
    assert number("hayon_bells_waiting") == 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"DELETE /readyz HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1 x\r\n\r\n", 400),
        (b"\xff\xfe /healthz HTTP/1.1\r\n\r\n", 405),
    ],
)
async def test_questions_of_every_kind(ready: House, sent: bytes, status: int) -> None:
    async with served(made(ready)) as port:
        assert (await ask(port, sent)).startswith(f"HTTP/1.1 {status} ".encode())


async def test_a_head_has_no_body(ready: House) -> None:
    async with served(made(ready)) as port:
        answer = await ask(port, b"HEAD /healthz HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 0" not in answer


async def test_who_says_too_much_or_nothing_is_left(ready: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "ASKING_SECONDS", 0.2)
    async with served(made(ready)) as port:
        assert await ask(port, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000) == b""
        assert await ask(port, b"GET /healthz HTT") == b""
        assert (await get(port, "/healthz"))[0] == 200


async def test_an_address_that_is_taken_is_told(ready: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Misconfigured, match="HAYON_METRICS_PORT"):
        await made(ready).serve("127.0.0.1", taken.getsockname()[1])
