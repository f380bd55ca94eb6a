"""`hayon demo`, which is what `make run` starts, as a person meets it: a login, a line to copy, posts that land; again and again."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.servers.ports import free_port
from tests.servers.processes import Process

HAYON = Path(sys.executable).with_name("hayon")
"""The command as it is installed beside Python."""
Start = Callable[..., "Demo"]


@dataclass(frozen=True)
class Demo:
    """A running demo, and what its first screen says."""

    process: Process
    screen: str

    @property
    def url(self) -> str:
        return self._said(r"Write and watch posts +(http\S+)")

    @property
    def timeline(self) -> str:
        return self._said(r"See what has landed +(http\S+)")

    @property
    def login(self) -> tuple[str, str]:
        return self._said(r"e-mail +(\S+)"), self._said(r"password +(\S+)")

    @property
    def line(self) -> str:
        """The line to copy, as printed."""
        return self._said(r"(?m)^(curl .*)$")

    @property
    def key(self) -> str:
        return self._said(r"Bearer (hayon_[\w-]+)")

    def ask(self, path: str, body: Any = None) -> Any:
        """Asks the API with the key that the screen shows."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        with urlopen(Request(self.url + path, sent, headers)) as answer:  # noqa: S310 - our own
            return json.load(answer)

    def landed(self) -> list[str]:
        """Which platforms something has taken effect on, from their own ledger; repeats would show as repeats."""
        with urlopen(f"{self.timeline}/control/ledger") as answer:  # noqa: S310 - our own
            return sorted(entry["platform"] for entry in json.load(answer)["entries"])

    def wait_for(self, post_id: str, status: str) -> None:
        """Until the post has this status."""
        self.process.wait_until(lambda: self.ask(f"/api/posts/{post_id}/status")["status"] == status, f"{status}")

    def _said(self, pattern: str) -> str:
        found = re.search(pattern, self.screen)
        assert found, self.screen
        return found[1]


@pytest.fixture
def demo(start_process: Callable[..., Process], tmp_path: Path) -> Start:
    """Starts it, each time on the same data folder and, where none is given, the same port."""
    usual = free_port()

    def start(*, port: int = usual) -> Demo:
        process = start_process(
            HAYON, "demo", ready_within_seconds=None,
            env={"HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_PORT": str(port)},
        )  # fmt: skip
        process.wait_until(lambda: "Stop with Ctrl-C" in process.output(), "its first screen")
        return Demo(process, process.output())

    return start


def _listens(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _sign_in(demo: Demo, password: str) -> int:
    email, _ = demo.login
    sent = json.dumps({"email": email, "password": password}).encode()
    headers = {"Content-Type": "application/json"}
    try:
        with urlopen(Request(f"{demo.url}/api/auth/login", sent, headers)) as answer:  # noqa: S310 - our own
            return int(answer.status)
    except HTTPError as refused:
        return refused.code


def test_the_line_on_the_screen_makes_a_post_that_lands(demo: Start) -> None:
    assert shutil.which("curl"), "the line is for curl; Debian's package is of that name"
    running = demo()
    answered = subprocess.run(running.line, shell=True, capture_output=True, text=True, check=True)  # noqa: S602 - as a person would
    post_id = json.loads(answered.stdout)["postId"]
    running.wait_for(post_id, "COMPLETED")
    assert running.landed() == ["bluesky", "mastodon"]
    statuses = running.ask(f"/api/posts/{post_id}")["platformStatuses"]
    for target in statuses:
        assert target["platformPostUrl"].startswith(running.timeline)
        with urlopen(target["platformPostUrl"]) as page:  # noqa: S310 - our own
            assert "Hello from Hayon!" in page.read().decode()


def test_the_login_on_the_screen_opens_and_is_kept_from_others(demo: Start, tmp_path: Path) -> None:
    running = demo()
    _, password = running.login
    assert _sign_in(running, password) == 200
    assert _sign_in(running, password + "?") == 401
    kept = tmp_path / "data" / "demo.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert password in kept.read_text()
    assert password not in (tmp_path / "process-0.err").read_text()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_good_order(demo: Start, by: signal.Signals) -> None:
    running = demo()
    assert running.process.stop(by=by) == 0
    assert not _listens(running.url)
    assert not _listens(running.timeline)
    output = running.process.output()
    assert "house.stopped" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_started_again_everything_is_as_it_was(demo: Start, ended_by: signal.Signals) -> None:
    first = demo()
    said = {"content": {"text": "Still here"}, "selectedPlatforms": ["bluesky", "mastodon"]}
    post_id = first.ask("/api/posts", said)["postId"]
    first.wait_for(post_id, "COMPLETED")
    accounts = first.ask("/api/accounts")["accounts"]
    assert sorted(account["platform"] for account in accounts) == ["bluesky", "mastodon"]
    first.process.stop(by=ended_by)

    second = demo()
    assert (second.url, second.timeline, second.login, second.key) == (
        first.url, first.timeline, first.login, first.key,
    )  # fmt: skip
    assert _sign_in(second, second.login[1]) == 200
    assert second.ask("/api/accounts")["accounts"] == accounts
    assert [post["postId"] for post in second.ask("/api/posts")["posts"]] == [post_id]
    assert second.landed() == ["bluesky", "mastodon"]

    later = second.ask("/api/posts", {**said, "content": {"text": "And on"}})["postId"]
    second.wait_for(later, "COMPLETED")
    assert second.landed() == ["bluesky", "bluesky", "mastodon", "mastodon"]


def test_killed_while_it_starts_it_starts_again(
    start_process: Callable[..., Process], demo: Start, tmp_path: Path
) -> None:
    settings = {"HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_PORT": "0"}
    process = start_process(HAYON, "demo", ready_within_seconds=None, env=settings)
    process.wait_until((tmp_path / "data" / "demo.json").exists, "the file it keeps")
    process.kill9()

    running = demo()
    assert len(running.ask("/api/accounts")["accounts"]) == 2
    assert _sign_in(running, running.login[1]) == 200


def test_a_taken_port_is_said_and_the_next_is_used(demo: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        running = demo(port=port)
        assert f"Port {port} of 127.0.0.1 is taken, so " in running.screen
        assert running.url != f"http://127.0.0.1:{port}"
        assert len(running.ask("/api/accounts")["accounts"]) == 2


def test_when_the_platforms_had_to_move_the_accounts_move_along(demo: Start) -> None:
    first = demo()
    before = {account["accountId"] for account in first.ask("/api/accounts")["accounts"]}
    first.process.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(first.timeline.rpartition(":")[2])))
        other.listen()
        second = demo()
        assert second.timeline != first.timeline
        assert {account["accountId"] for account in second.ask("/api/accounts")["accounts"]} == before
        said = {"content": {"text": "Moved"}, "selectedPlatforms": ["bluesky", "mastodon"]}
        second.wait_for(second.ask("/api/posts", said)["postId"], "COMPLETED")
        assert second.landed() == ["bluesky", "mastodon"]


def test_a_second_one_beside_it_is_refused_and_does_no_harm(
    demo: Start, start_process: Callable[..., Process], tmp_path: Path
) -> None:
    running = demo()
    settings = {"HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_PORT": "0"}
    other = start_process(HAYON, "demo", ready_within_seconds=None, env=settings)
    assert other.wait() == 1
    assert other.output().startswith("Another Hayon works")
    assert other.output().count("\n") == 1
    said = {"content": {"text": "Undisturbed"}, "selectedPlatforms": ["bluesky", "mastodon"]}
    running.wait_for(running.ask("/api/posts", said)["postId"], "COMPLETED")
