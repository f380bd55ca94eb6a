"""`hayon demo`, which is what `make run` starts, as a person meets it: a login, a line to copy, posts that land; again and again."""

import html
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from tests.servers.ports import free_port
from tests.servers.processes import Process

HAYON = Path(sys.executable).with_name("hayon")
"""The command as it is installed beside Python."""
Start = Callable[..., "Demo"]
PLATFORMS = ["bluesky", "facebook", "instagram", "mastodon", "threads", "tumblr"]


@dataclass(frozen=True)
class Demo:
    """A running demo, and what its first screen says."""

    process: Process
    screen: str

    @property
    def url(self) -> str:
        return self.said(r"Write and watch posts +(http\S+)")

    @property
    def timeline(self) -> str:
        return self.said(r"See what has landed +(http\S+)")

    @property
    def login(self) -> tuple[str, str]:
        return self.said(r"e-mail +(\S+)"), self.said(r"password +(\S+)")

    @property
    def line(self) -> str:
        """The line to copy, as printed."""
        return self.said(r"(?m)^(curl .*)$")

    @property
    def key(self) -> str:
        return self.said(r"Bearer (hayon_[\w-]+)")

    def ask(self, path: str, body: Any = None) -> Any:
        """Asks the API with the key that the screen shows."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        with urlopen(Request(self.url + path, sent, headers)) as answer:  # noqa: S310 - our own
            return json.load(answer)

    def upload(self, colour: str, size: tuple[int, int]) -> str:
        """A picture of one colour, taken in; its id."""
        drawn = io.BytesIO()
        Image.new("RGB", size, colour).save(drawn, "PNG")
        content = drawn.getvalue()
        grant = self.ask("/api/media/uploads", {"mimeType": "image/png", "size": len(content)})
        with urlopen(Request(grant["url"], content, grant["headers"], method="PUT")):  # noqa: S310 - our own
            pass
        self.ask(f"/api/media/{grant['mediaId']}/complete", {})
        return str(grant["mediaId"])

    def control(self, path: str, body: Any = None) -> Any:
        """Asks the simulated platforms, as the screen says where."""
        sent = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.timeline}/control/{path}", sent)) as answer:  # noqa: S310 - our own
            return json.load(answer)

    def landed(self) -> list[str]:
        """Which platforms something has taken effect on, from their own ledger; repeats would show as repeats."""
        return sorted(entry["platform"] for entry in self.control("ledger")["entries"])

    def wait_for(self, post_id: str, status: str) -> None:
        """Until the post has this status."""
        self.process.wait_until(lambda: self.ask(f"/api/posts/{post_id}/status")["status"] == status, f"{status}")

    def said(self, pattern: str) -> str:
        """What stands on the screen where this pattern has its group."""
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
    assert running.landed() == [platform for platform in PLATFORMS if platform != "instagram"]

    def statuses_of() -> list[Any]:
        return list(running.ask(f"/api/posts/{post_id}")["platformStatuses"])

    running.process.wait_until(lambda: all(one["platformPostUrl"] for one in statuses_of()), "every address")
    statuses = statuses_of()
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


@pytest.mark.parametrize("by", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_it_stops_in_good_order(demo: Start, by: signal.Signals) -> None:
    running = demo()
    assert running.process.stop(by=by) == 0
    assert not _listens(running.url)
    assert not _listens(running.timeline)
    output = running.process.output()
    assert "\nStopping.\n" in output
    assert "house.stopped" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_started_again_everything_is_as_it_was(demo: Start, ended_by: signal.Signals) -> None:
    first = demo()
    said = {"content": {"text": "Still here"}, "selectedPlatforms": ["bluesky", "mastodon"]}
    post_id = first.ask("/api/posts", said)["postId"]
    first.wait_for(post_id, "COMPLETED")
    accounts = first.ask("/api/accounts")["accounts"]
    assert sorted(account["platform"] for account in accounts) == PLATFORMS
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


def test_ctrl_c_says_what_it_waits_for_and_a_second_one_waits_for_nothing(demo: Start) -> None:
    running = demo()
    running.control(
        "faults", {"platform": "mastodon", "kind": "delay_answer", "operation": "createStatus", "seconds": 600}
    )
    running.ask("/api/posts", {"content": {"text": "Slow"}, "selectedPlatforms": ["mastodon"]})
    running.process.wait_until(lambda: running.landed() == ["mastodon"], "the call")
    running.process.popen.send_signal(signal.SIGINT)
    said = "Stopping: finishing 1 delivery, at most 20 s. Ctrl-C again leaves it to the next start."
    running.process.wait_until(lambda: said in running.process.output(), "what it waits for")
    assert running.process.running
    assert running.process.stop(by=signal.SIGINT) == -signal.SIGINT
    assert "Traceback" not in running.process.output()


@pytest.mark.parametrize(
    ("platform", "operation", "kinds"),
    [
        # a session that Bluesky has given out outlives the app password
        ("bluesky", "putRecord", ("revoke_token", "expire_token")),
        pytest.param("mastodon", "createStatus", ("revoke_token",), marks=pytest.mark.long),
    ],
)
def test_a_revoked_account_is_connected_anew_at_the_next_start(
    demo: Start, platform: str, operation: str, kinds: tuple[str, ...]
) -> None:
    first = demo()
    before = first.ask("/api/accounts")["accounts"]
    for kind in kinds:
        first.control("faults", {"platform": platform, "kind": kind, "operation": operation})
    said = {"content": {"text": "Cut off"}, "selectedPlatforms": [platform]}
    first.wait_for(first.ask("/api/posts", said)["postId"], "FAILED")
    cut_off = [one["platform"] for one in first.ask("/api/accounts")["accounts"] if one["health"]["needsReconnection"]]
    assert cut_off == [platform]
    first.process.stop()

    second = demo()
    accounts = second.ask("/api/accounts")["accounts"]
    assert [one["accountId"] for one in accounts] == [one["accountId"] for one in before]
    assert not any(one["health"]["needsReconnection"] for one in accounts)
    again = second.ask("/api/posts", {**said, "content": {"text": "Back again"}})["postId"]
    second.wait_for(again, "COMPLETED")
    assert second.landed() == [platform]


def test_an_account_that_is_refused_is_said_and_the_demo_starts(demo: Start) -> None:
    first = demo()
    first.control("faults", {"platform": "mastodon", "kind": "revoke_token", "operation": "createStatus"})
    said = {"content": {"text": "Cut off"}, "selectedPlatforms": ["mastodon"]}
    first.wait_for(first.ask("/api/posts", said)["postId"], "FAILED")
    first.control("accounts/mastodon/ada/standing", {"standing": "disabled"})
    first.process.stop()

    second = demo()
    assert second.screen.count("  ada on mastodon is not connected: ") == 1
    standing = {one["platform"]: one["health"]["needsReconnection"] for one in second.ask("/api/accounts")["accounts"]}
    assert standing == {platform: platform == "mastodon" for platform in PLATFORMS}
    second.control("accounts/mastodon/ada/standing", {"standing": "active"})
    second.process.stop()
    assert not any(one["health"]["needsReconnection"] for one in demo().ask("/api/accounts")["accounts"])


def test_the_screen_opens_the_command_line_and_the_plan_of_mishaps(demo: Start, tmp_path: Path) -> None:
    running = demo()
    exported = next(line for line in running.screen.splitlines() if line.startswith("export HAYON_API_URL="))
    listed = subprocess.run(  # noqa: S602 - as a person would
        f"{exported}\n{HAYON} posts list", shell=True, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert listed.stdout == "There are no such posts.\n"
    for words, path, told in (("Play a mishap", "faults", "kinds"), ("Simulated accounts", "accounts", "accounts")):
        url = running.said(rf"{words} +(http\S+)")
        assert url == f"{running.timeline}/control/{path}"
        assert told in running.control(path)


def test_killed_while_it_starts_it_starts_again(
    start_process: Callable[..., Process], demo: Start, tmp_path: Path
) -> None:
    settings = {"HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_PORT": "0"}
    process = start_process(HAYON, "demo", ready_within_seconds=None, env=settings)
    process.wait_until((tmp_path / "data" / "demo.json").exists, "the file it keeps")
    process.kill9()

    running = demo()
    assert len(running.ask("/api/accounts")["accounts"]) == len(PLATFORMS)
    assert _sign_in(running, running.login[1]) == 200


def test_a_taken_port_is_said_and_the_next_is_used(demo: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        running = demo(port=port)
        assert f"Port {port} of 127.0.0.1 is taken, so " in running.screen
        assert running.url != f"http://127.0.0.1:{port}"
        assert len(running.ask("/api/accounts")["accounts"]) == len(PLATFORMS)


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


def test_one_post_goes_to_all_six_as_the_dry_run_promised(demo: Start) -> None:
    """Other words on two platforms, two pictures with descriptions, one time; each timeline shows what was promised."""
    running = demo()
    pictures = [running.upload(colour, size) for colour, size in (("teal", (900, 600)), ("orange", (500, 1200)))]
    media = [
        {"mediaId": one, "altText": words}
        for one, words in zip(pictures, ("a teal field", "an orange door"), strict=True)
    ]
    said = {
        "content": {"text": "Said once, shown everywhere", "mediaItems": media},
        "platformSpecificContent": {"mastodon": {"text": "Only on Mastodon"}, "tumblr": {"text": "Only on Tumblr", "options": {"tags": ["doors"]}}},
        "selectedPlatforms": PLATFORMS,
        "scheduledAt": (datetime.now(UTC) + timedelta(seconds=4)).isoformat(),
    }  # fmt: skip
    promised = running.ask("/api/posts?dryRun=true", said)
    assert (promised["problems"], [one["problems"] for one in promised["targets"]]) == ([], [[]] * 6)
    line = [
        "curl",
        "-sS",
        f"{running.url}/api/posts",
        "-H",
        f"Authorization: Bearer {running.key}",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps(said),
    ]
    made = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
    assert made["status"] == "SCHEDULED"
    running.wait_for(made["postId"], "COMPLETED")
    assert running.landed() == PLATFORMS
    words = {"mastodon": "Only on Mastodon", "tumblr": "Only on Tumblr"}
    for promise in promised["targets"]:
        platform = promise["platform"]
        with urlopen(f"{running.timeline}/?platform={platform}") as answer:  # noqa: S310 - our own
            page = html.unescape(re.sub(r"<[^>]+>", "", answer.read().decode()))
        shown = words.get(platform, "Said once, shown everywhere")
        assert shown in page, platform
        assert promise["length"] == len(shown)
        assert page.index("a teal field") < page.index("an orange door"), platform
        assert ("doors" in page) == (platform == "tumblr")
