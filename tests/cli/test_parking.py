"""`hayon parking` and `hayon dead-letters` against a running Hayon with a RabbitMQ: what they show, what they ask, how they end."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from hayon.brokers.rabbitmq.wire import write_bell
from tests.brokers.bells import make_bell
from tests.brokers.wires import send
from tests.cli.conftest import COMMAND, Run, Said
from tests.cli.test_posts import Served
from tests.servers.ports import free_port
from tests.servers.processes import start
from tests.servers.rabbitmq import RabbitAddress


@dataclass(frozen=True)
class Desk:
    """A running Hayon and the address of its broker."""

    served: Served
    broker_url: str


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitAddress) -> Iterator[Desk]:
    folder, vhost = tmp_path_factory.mktemp("served"), rabbitmq.new_vhost()
    settings = {"HAYON_DATA_DIR": str(folder / "data"), "HAYON_PORT": str(free_port()), "HAYON_LOG": "json",
                "HAYON_BROKER_URL": rabbitmq.url(vhost)}  # fmt: skip
    process = start([*COMMAND, "demo"], log=folder / "demo", env=settings)
    try:
        told = process.ready
        yield Desk(Served(told["url"], told["apiKey"], told["timeline"]), rabbitmq.url(vhost))
    finally:
        process.kill9()
        rabbitmq.drop_vhost(vhost)


@pytest.fixture
def ask(hayon: Run, desk: Desk) -> Callable[..., Said]:
    """Runs `hayon …` against it."""

    def run(*arguments: object, **more: Any) -> Said:
        return hayon(*arguments, **{"API_URL": desk.served.url, "API_KEY": desk.served.key} | more)

    return run


@pytest.fixture
def park(ask: Callable[..., Said], desk: Desk) -> Callable[[str], str]:
    """Makes a post that is refused; the id of its target."""

    def make(text: str) -> str:
        desk.served.plan("mastodon", "refuse", "createStatus", status=422, body={"error": "Not like this"})
        said = ask("posts", "create", text, "--platform", "mastodon", "--wait", "--json")
        assert said.code == 4, said
        return str(json.loads(said.out)["platformStatuses"][0]["targetId"])

    return make


def parked(ask: Callable[..., Said]) -> list[str]:
    return [one["targetId"] for one in json.loads(ask("parking", "list", "--json").out)["targets"]]


def test_what_failed_is_listed_replayed_and_discarded(
    ask: Callable[..., Said], park: Callable[[str], str], desk: Desk
) -> None:
    replayed, discarded = park("Replayed"), park("Discarded")
    said = ask("parking", "list")
    assert said.code == 0
    line = next(line for line in said.out.splitlines() if replayed in line)
    assert "mastodon" in line
    assert "Not like this" in said.out
    assert parked(ask) == [discarded, replayed]
    assert "--limit shows more" in ask("parking", "list", "--limit", 1).out

    said = ask("parking", "replay", replayed)
    assert (said.code, "retrying" in said.out, "It is tried again now." in said.out) == (0, True, True)
    said = ask("parking", "discard", discarded)
    assert (said.code, "discarded" in said.out) == (0, True)
    assert parked(ask) == []
    assert ask("parking", "list").out == "Nothing is parked.\n"
    said = ask("parking", "replay", discarded, "--json")
    assert said.code == 1
    assert [one["answer"] for one in json.loads(said.out)["targets"]] == ["not_parked"]
    deadline = time.monotonic() + 20
    while not desk.served.landed("Replayed"):  # else it would meet the next test's mishap
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert desk.served.landed("Discarded") == []


def test_all_are_taken_after_asking(ask: Callable[..., Said], park: Callable[[str], str]) -> None:
    made = {park("One of all"), park("Another of all")}
    said = ask("parking", "discard", "--all", stdin="n\n")
    assert said.code == 1
    assert "Discard 2 failed targets?" in said.err
    assert set(parked(ask)) == made
    assert ask("parking", "discard", "--all", stdin="y\n").code == 0
    assert parked(ask) == []
    said = ask("parking", "replay", "--all", "--everybody", "--yes", "--json")
    assert (said.code, json.loads(said.out)) == (0, {"targets": []})


@pytest.mark.parametrize("command", [["parking", "replay"], ["parking", "discard"], ["dead-letters", "discard"]])
def test_either_ids_or_all(ask: Callable[..., Said], command: list[str]) -> None:
    assert ask(*command).code == 2
    assert ask(*command, uuid4(), "--all").code == 2


def test_what_is_no_id_is_a_sentence(ask: Callable[..., Said]) -> None:
    said = ask("parking", "replay", "nonsense")
    assert said.code == 1
    assert "'targetIds[0]' must be an id" in said.err


def test_dead_letters_are_listed_replayed_and_discarded(ask: Callable[..., Said], desk: Desk) -> None:
    assert ask("dead-letters", "list").out == "There are none.\n"
    bell = make_bell()
    for body in (b"no \x1b[2J[bold]bell", write_bell(bell).body):
        asyncio.run(send(desk.broker_url, "dlx_exchange", "dead", body))
    broken, readable = json.loads(ask("dead-letters", "list", "--json").out)["letters"]
    said = ask("dead-letters", "list")
    assert "no �[2J[bold]bell" in said.out
    assert "\x1b[2J" not in said.out
    assert f"bluesky: target {bell.target_id}" in said.out
    assert "--limit shows more" in ask("dead-letters", "list", "--limit", 1).out

    said = ask("dead-letters", "replay", "--all", stdin="y\n")
    assert (said.code, "Replay 1 readable dead letter?" in said.err) == (0, True)
    assert readable["letterId"] in said.out
    said = ask("dead-letters", "replay", broken["letterId"])
    assert (said.code, "not_rung" in said.out) == (1, True)
    assert ask("dead-letters", "discard", broken["letterId"]).code == 0
    assert ask("dead-letters", "discard", "--all", "--yes").out == "There is nothing to do.\n"


def test_nobody_there(ask: Callable[..., Said]) -> None:
    for command in (["parking", "list"], ["dead-letters", "list"]):
        said = ask(*command, API_URL=f"http://127.0.0.1:{free_port()}")
        assert said.code == 1
        assert "No Hayon answers" in said.err


def test_more_than_the_api_takes_at_once(ask: Callable[..., Said]) -> None:
    said = ask("parking", "discard", *(uuid4() for _ in range(401)), "--json")
    assert said.code == 1
    assert [one["answer"] for one in json.loads(said.out)["targets"]] == ["not_parked"] * 401
