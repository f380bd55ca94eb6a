"""`hayon serve` and `hayon sandbox` as processes: ready, reachable, stopped in good order, and loud when something dies."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import asyncpg
import pytest

from hayon.store.migrate import LOCK_NUMBER
from tests.cli.conftest import COMMAND, Run
from tests.servers.ports import free_port
from tests.servers.processes import Process

Start = Callable[..., Process]

ONE_DUTY_DIES = """
from hayon.cli import main
from hayon.delivery.relay import Relay

async def sweep(self):
    raise RuntimeError("the sweep has died")

Relay.sweep = sweep
main()
"""


def _settings(tmp_path: Path, **more: object) -> dict[str, str]:
    given = {"DATA_DIR": tmp_path / "data", "PORT": 0, "LOG": "json"} | more
    return {f"HAYON_{name}": str(value) for name, value in given.items()}


def _get(url: str) -> Any:
    with urlopen(url) as answer:  # noqa: S310 - our own
        return json.load(answer)


def test_it_needs_nothing_set_and_tells_where_it_is(start_process: Start, tmp_path: Path) -> None:
    port = free_port()
    process = start_process(*COMMAND, "serve", "--port", port, cwd=tmp_path, ready_within_seconds=None)
    process.wait_until(lambda: "Hayon is ready at" in process.output(), "that it is ready")
    assert f"Hayon is ready at http://127.0.0.1:{port}" in process.output()
    assert "The first to register there is its admin." in process.output()
    assert _get(f"http://127.0.0.1:{port}/readyz")["status"] == "ready"
    assert (tmp_path / "data" / "hayon.db").exists()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_good_order(start_process: Start, tmp_path: Path, by: signal.Signals) -> None:
    process = start_process(*COMMAND, "serve", env=_settings(tmp_path))
    assert process.stop(by=by) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(process.ready["url"].rpartition(":")[2]))) != 0
    assert "house.stopped" in process.output()
    assert [json.loads(line)["pid"] for line in (tmp_path / "process-0.out").read_text().splitlines()] == [process.pid]
    assert "Traceback" not in process.output()


async def test_it_can_be_stopped_before_it_is_ready(start_process: Start, tmp_path: Path, postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_NUMBER)
        process = start_process(
            *COMMAND, "serve", env=_settings(tmp_path, DATABASE_URL=postgres_url), ready_within_seconds=None
        )
        while not await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            assert process.running, process.output()
            await asyncio.sleep(0.05)
        assert await asyncio.to_thread(process.stop) == 0
    finally:
        await connection.close()
    assert "Traceback" not in process.output()


def test_a_duty_that_dies_ends_it(start_process: Start, tmp_path: Path) -> None:
    process = start_process(
        sys.executable, "-c", ONE_DUTY_DIES, "serve", env=_settings(tmp_path), ready_within_seconds=None
    )
    assert process.wait() == 1
    assert '"duty":"sweep"' in process.output()
    assert "the sweep has died" in process.output()


@pytest.mark.parametrize("command", ["serve", "sandbox"])
def test_a_taken_port_is_said_with_what_to_do(start_process: Start, tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start_process(*COMMAND, command, "--port", port, cwd=tmp_path, ready_within_seconds=None)
        assert process.wait() == 1
    said = process.output()
    assert str(port) in said
    assert "--port" in said
    assert said.count("\n") == 1


def test_a_host_that_is_not_ours(hayon: Run) -> None:
    said = hayon("serve", "--host", "203.0.113.7")
    assert said.code == 1
    assert said.err.startswith("Hayon cannot listen on 203.0.113.7:8080")


def test_a_data_folder_that_cannot_be_made(hayon: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = hayon("serve", "--port", "0", DATA_DIR=tmp_path / "file" / "data")
    assert said.code == 1
    assert "HAYON_DATA_DIR" in said.err


def test_the_demo_leaves_a_hayon_in_use_alone(hayon: Run, start_process: Start, tmp_path: Path) -> None:
    process = start_process(*COMMAND, "serve", env=_settings(tmp_path))
    person = json.dumps({"email": "ada@example.org", "password": "long enough for her"}).encode()
    register = f"{process.ready['url']}/api/auth/register"
    with urlopen(Request(register, person, {"Content-Type": "application/json"})) as answer:  # noqa: S310 - our own
        assert answer.status == 201
    process.stop()
    demo = start_process(*COMMAND, "demo", env=_settings(tmp_path), ready_within_seconds=None)
    assert demo.wait() == 1
    assert "holds a Hayon that is in use" in demo.output()
    assert not (tmp_path / "data" / "demo.json").exists()


def test_the_sandbox_alone(start_process: Start, tmp_path: Path) -> None:
    process = start_process(
        *COMMAND, "sandbox", "--port", "0", "--limits", "none", cwd=tmp_path, env={"HAYON_LOG": "json"}
    )
    assert _get(f"{process.ready['url']}/control/accounts") == {"accounts": []}
    assert process.stop() == 0
    assert list(tmp_path.glob("data")) == []
