"""`hayon relay` and `hayon worker` show their vital signs at a door of their own, and send their spans where they are told to."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.conftest import COMMAND, Run
from tests.servers.ports import free_port
from tests.servers.processes import Process

Start = Callable[..., Process]


@pytest.fixture
def settings(tmp_path: Path, postgres_url: str, hayon: Run) -> dict[str, str]:
    """Of a part of the full shape, on a migrated database."""
    assert hayon("migrate", DATABASE_URL=postgres_url).code == 0
    given = {"DATA_DIR": tmp_path / "data", "DATABASE_URL": postgres_url, "LOG": "json"}
    return {f"HAYON_{name}": str(value) for name, value in given.items()}


@pytest.fixture
def collector() -> Iterator[tuple[str, list[str]]]:
    """Takes traces, and notes the addresses they were sent to."""
    sent: list[str] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            sent.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", sent
        server.shutdown()


@pytest.mark.parametrize("part", ["relay", "worker"])
def test_a_part_without_pages_has_a_small_door(start_process: Start, settings: dict[str, str], part: str) -> None:
    port = free_port()
    process = start_process(*COMMAND, part, env=settings | {"HAYON_METRICS_PORT": str(port)})
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 - our own
                return bool(json.load(answer)["status"] == "ready")
        except OSError:
            return False

    process.wait_until(answers, "that it is ready")
    with urlopen(f"{url}/metrics", timeout=5) as answer:  # noqa: S310 - our own
        assert b'hayon_targets{platform="bluesky",status="pending"} 0.0' in answer.read()
    assert process.stop() == 0


def test_a_taken_door_is_said_with_what_to_do(start_process: Start, settings: dict[str, str]) -> None:
    port = free_port()
    start_process(*COMMAND, "relay", env=settings | {"HAYON_METRICS_PORT": str(port)})
    other = start_process(
        *COMMAND, "worker", env=settings | {"HAYON_METRICS_PORT": str(port)}, ready_within_seconds=None
    )
    assert other.wait() == 1
    assert "HAYON_METRICS_PORT" in other.output()


def test_spans_are_sent_where_the_settings_say(
    start_process: Start, tmp_path: Path, collector: tuple[str, list[str]]
) -> None:
    url, sent = collector
    given = {"DATA_DIR": tmp_path / "data", "PORT": 0, "LOG": "json", "TRACES_URL": url}
    process = start_process(*COMMAND, "serve", env={f"HAYON_{name}": str(value) for name, value in given.items()})
    with urlopen(f"{process.ready['url']}/api/openapi.json") as answer:  # noqa: S310 - our own
        assert answer.status == 200
    assert process.stop() == 0
    assert set(sent) == {"/v1/traces"}
