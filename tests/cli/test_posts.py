"""`hayon posts` against a running Hayon whose platforms are simulated: what it sends, what it shows, how it ends."""

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from tests.cli.conftest import COMMAND, Run, Said
from tests.servers.ports import free_port
from tests.servers.processes import start

BOTH = ("--platform", "bluesky", "--platform", "mastodon")


@dataclass(frozen=True)
class Served:
    """A served Hayon, as those see it who have a key."""

    url: str
    key: str
    sandbox: str

    def control(self, path: str, body: Any = None, method: str = "GET") -> Any:
        """Asks the simulated platforms."""
        sent = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.sandbox}/control/{path}", sent, method=method)) as answer:  # noqa: S310 - our own
            return json.load(answer)

    def plan(self, platform: str, kind: str, operation: str, **more: Any) -> None:
        """Lets the next such call meet a mishap."""
        self.control("faults", {"platform": platform, "kind": kind, "operation": operation, **more}, "POST")

    def landed(self, text: str) -> list[Any]:
        """The posts of these words that took effect, repeats not counted."""
        entries = self.control("ledger")["entries"]
        return [entry for entry in entries if entry["text"] == text and not entry["repeat"]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    settings = {"HAYON_DATA_DIR": str(folder / "data"), "HAYON_PORT": str(free_port()), "HAYON_LOG": "json",
                "HAYON_LOOK_STEPS": "1h", "HAYON_RETRY_STEPS": "1h"}  # fmt: skip
    process = start([*COMMAND, "demo"], log=folder / "demo", env=settings)
    try:
        told = process.ready
        yield Served(told["url"], told["apiKey"], told["timeline"])
    finally:
        process.kill9()


@pytest.fixture
def posts(hayon: Run, served: Served) -> Iterator[Callable[..., Said]]:
    """Runs `hayon posts …` against it."""

    def run(*arguments: object, **more: Any) -> Said:
        return hayon("posts", *arguments, **{"API_URL": served.url, "API_KEY": served.key} | more)

    yield run
    served.control("faults", method="DELETE")


def _told(said: Said) -> Any:
    assert said.code == 0, said
    return json.loads(said.out)


def _until(posts: Callable[..., Said], post_id: str, status: str) -> None:
    deadline = time.monotonic() + 30
    while _told(posts("show", post_id, "--json"))["status"] != status:
        assert time.monotonic() < deadline, f"never {status}"
        time.sleep(0.05)


def test_waiting_shows_where_it_went(posts: Callable[..., Said], served: Served) -> None:
    said = posts("create", "Shown everywhere", *BOTH, "--wait")
    assert said.code == 0
    assert "COMPLETED" in said.out
    for entry in ("bluesky: ", "mastodon: "):
        link = next(line for line in said.out.splitlines() if line.startswith(entry))
        with urlopen(link.removeprefix(entry)) as page:  # noqa: S310 - the address that it gave
            assert "Shown everywhere" in page.read().decode()
    assert sorted(entry["platform"] for entry in served.landed("Shown everywhere")) == ["bluesky", "mastodon"]


def test_without_waiting_it_is_accepted(posts: Callable[..., Said]) -> None:
    said = posts("create", "Accepted", *BOTH)
    assert said.code == 0
    post_id = said.out.removeprefix("Accepted as ").partition(":")[0]
    _until(posts, post_id, "COMPLETED")
    assert _told(posts("show", post_id, "--json"))["content"]["text"] == "Accepted"


def test_words_from_standard_input(posts: Callable[..., Said]) -> None:
    told = _told(posts("create", "-", "--platform", "mastodon", "--json", "--wait", stdin="Two lines\nof words"))
    assert _told(posts("show", told["postId"], "--json"))["content"]["text"] == "Two lines\nof words"


def test_a_picture_goes_along_with_its_words(posts: Callable[..., Said], served: Served, tmp_path: Path) -> None:
    for name, colour in (("first.png", "red"), ("second.jpg", "blue")):
        Image.new("RGB", (40, 30), colour).save(tmp_path / name)
    images = ("--image", tmp_path / "first.png", "--image", tmp_path / "second.jpg", "--alt", "A red square")
    told = _told(posts("create", "With pictures", "--platform", "mastodon", *images, "--wait", "--json"))
    (entry,) = served.landed("With pictures")
    assert len(entry["mediaIds"]) == 2
    content = _told(posts("show", told["postId"], "--json"))["content"]
    assert [one["altText"] for one in content["mediaItems"]] == ["A red square", ""]


def test_a_picture_that_is_none_is_refused_in_words(posts: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("no picture")
    said = posts("create", "Hm", "--platform", "mastodon", "--image", tmp_path / "words.txt")
    assert said.code == 1
    assert "(422):" in said.err


def test_a_post_for_later_is_shown_and_cancelled(posts: Callable[..., Said], served: Served) -> None:
    moment = f"{datetime.now(UTC).year + 1}-12-01T10:00"
    later = ("--at", moment, "--timezone", "Europe/Berlin")
    post_id = _told(posts("create", "Later", *BOTH, *later, "--json"))["postId"]
    assert f"SCHEDULED, due {moment.replace('T', ' ')} Europe/Berlin" in posts("show", post_id).out
    assert post_id in posts("list", "--status", "scheduled").out
    assert post_id not in posts("list", "--status", "FAILED").out

    target = _told(posts("show", post_id, "--json"))["platformStatuses"][0]
    one = _told(posts("cancel", post_id, "--target", target["targetId"], "--json"))
    assert [told["answer"] for told in one["targets"]] == ["cancelled"]
    said = posts("cancel", post_id)
    assert f"{post_id} is CANCELLED" in said.out
    assert "Cancelled before anything was sent." in said.out
    assert served.landed("Later") == []


def test_one_key_makes_one_post(posts: Callable[..., Said], served: Served) -> None:
    once = ("create", "Once", "--platform", "mastodon", "--idempotency-key", "once", "--json", "--wait")
    assert _told(posts(*once))["postId"] == _told(posts(*once))["postId"]


def test_the_list_says_when_there_is_more(posts: Callable[..., Said]) -> None:
    for number in range(2):
        posts("create", f"Number {number}", "--platform", "mastodon", "--wait")
    assert "--limit shows more" in posts("list", "--limit", "1").out
    assert len(_told(posts("list", "--json", "--limit", "1"))["posts"]) == 1


def test_refused_by_all_is_4_and_can_be_tried_again(posts: Callable[..., Said], served: Served) -> None:
    served.plan("mastodon", "refuse", "createStatus", status=422, body={"error": "Not like this"})
    said = posts("create", "Refused at first", "--platform", "mastodon", "--wait", "--json")
    assert said.code == 4
    post_id = json.loads(said.out)["postId"]
    assert "Not like this" in posts("show", post_id).out

    again = posts("retry", post_id)
    assert again.code == 0
    assert "It is tried again now." in again.out
    _until(posts, post_id, "COMPLETED")
    assert len(served.landed("Refused at first")) == 1


def test_refused_by_one_is_3(posts: Callable[..., Said], served: Served) -> None:
    served.plan("mastodon", "refuse", "createStatus", status=422, body={"error": "Not like this"})
    said = posts("create", "In part", *BOTH, "--wait")
    assert said.code == 3
    assert "PARTIAL_SUCCESS" in said.out


def test_not_known_yet_is_5(posts: Callable[..., Said], served: Served) -> None:
    served.plan("bluesky", "accept_then_drop", "putRecord")
    said = posts("create", "Perhaps", *BOTH, "--wait")
    assert said.code == 5
    assert "unconfirmed" in said.out
    assert "Looked for again at" in said.out


def test_every_problem_is_told_with_its_field(posts: Callable[..., Said]) -> None:
    said = posts("create", "x" * 600, *BOTH)
    assert (said.code, said.out) == (1, "")
    assert "2 things do not fit." in said.err
    assert "\n  text on bluesky: " in said.err
    assert "\n  text on mastodon: " in said.err


def test_what_is_missing_on_the_command_line_is_2(posts: Callable[..., Said], tmp_path: Path) -> None:
    assert posts("create", "Nowhere").code == 2
    assert posts("create", "Hm", *BOTH, "--alt", "nothing to see").code == 2
    assert posts("create", "Hm", *BOTH, "--image", tmp_path / "gone.png").code == 2
    assert posts("list", "--limit", "0").code == 2


def test_what_is_not_there(posts: Callable[..., Said]) -> None:
    said = posts("show", "01a1ffd9-f833-791f-b20b-8131be4cfc07")
    assert (said.code, said.err) == (1, "Not found (404): There is no such post.\n")


def test_a_key_that_opens_nothing(posts: Callable[..., Said]) -> None:
    said = posts("list", API_KEY="hayon_wrong")
    assert said.code == 1
    assert said.err.startswith("The API key is refused.")
    assert "hayon_wrong" not in said.err


def test_no_key(posts: Callable[..., Said]) -> None:
    said = posts("list", API_KEY="")
    assert (said.code, said.out) == (1, "")
    assert "POST /api/keys" in said.err
    assert "export HAYON_API_KEY=" in said.err


def test_nobody_there(posts: Callable[..., Said]) -> None:
    said = posts("list", API_URL=f"http://127.0.0.1:{free_port()}")
    assert said.code == 1
    assert "No Hayon answers" in said.err
    assert "hayon serve" in said.err


def test_somebody_else_there(posts: Callable[..., Said], served: Served) -> None:
    said = posts("list", API_URL=served.sandbox)
    assert said.code == 1
    assert "is no Hayon" in said.err


def test_an_unanswered_create_says_how_to_repeat_it_safely(posts: Callable[..., Said]) -> None:
    with _deaf_server() as (url, asked):
        said = posts("create", "Heard?", "--platform", "mastodon", API_URL=url)
    assert said.code == 1
    key = next(line for line in asked.getvalue().decode().splitlines() if line.lower().startswith("idempotency-key: "))
    assert f"--idempotency-key {key.partition(': ')[2]}" in said.err
    assert asked.getvalue().count(b"POST ") == 1


class _deaf_server:  # noqa: N801 - reads as a word in a `with`
    """Takes one request and hangs up without an answer."""

    def __enter__(self) -> tuple[str, io.BytesIO]:
        self._asked = io.BytesIO()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}", self._asked

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join()

    def _listen(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while b"Heard?" not in self._asked.getvalue():
                self._asked.write(connection.recv(65_536))
