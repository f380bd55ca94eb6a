"""A database lost and restored from an older backup, with a real dump: nothing is published twice, and the ledgers are the judge."""

import json
import shutil
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import sqlalchemy as sa

from tests.acceptance.test_demo import HAYON, PLATFORMS, Demo
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresAddress
from tests.servers.processes import Process

PACE = {
    "HAYON_LOOK_STEPS": "300ms,500ms", "HAYON_POLL": "100ms", "HAYON_SWEEP_EVERY": "200ms", "HAYON_LEASE": "4s",
    "HAYON_COMMIT_DEADLINE": "2s", "HAYON_CALL_DEADLINE": "3s",
}  # fmt: skip
BEFORE, LOST, NEW = "Before the backup", "Due in the lost time", "Accepted in the lost time"
MISSED = "Due in the lost time, and put off before that"
AHEAD, CANCELLED = "Planned for next week", "Cancelled in the lost time"


class Backup(Protocol):
    """A database that can be lost."""

    url: str

    def make(self) -> None:
        """Backs it up as it is, while Hayon works on it."""

    def restore(self) -> None:
        """Puts the backup in the place of what is there. Hayon is down."""


class Dumped:
    """PostgreSQL, by pg_dump and pg_restore."""

    def __init__(self, server: PostgresAddress, url: str, folder: Path) -> None:
        self.url, self._server, self._file = url, server, folder / "backup.dump"
        self._name = str(sa.make_url(url).database)

    def make(self) -> None:
        self._server.dump(self._name, self._file)

    def restore(self) -> None:
        self._server.restore(self._name, self._file)


class Copied:
    """SQLite, by its own `.backup` and a copy of the file."""

    def __init__(self, folder: Path) -> None:
        self._path, self._file = folder / "data" / "hayon.db", folder / "backup.db"
        self.url = f"sqlite:///{self._path}"

    def make(self) -> None:
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(self._file)) as copy:
            source.backup(copy)

    def restore(self) -> None:
        for one in self._path.parent.glob("hayon.db*"):
            one.unlink()
        shutil.copy(self._file, self._path)


@pytest.fixture(params=["postgresql", pytest.param("sqlite", marks=pytest.mark.long)])
def backup(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backup]:
    """A database of each kind, with its own means."""
    if request.param == "sqlite":
        yield Copied(tmp_path)
        return
    server: PostgresAddress = request.getfixturevalue("postgres")
    yield Dumped(server, request.getfixturevalue("postgres_url"), tmp_path)


@pytest.fixture
def settings(backup: Backup, tmp_path: Path) -> dict[str, str]:
    """Those of one demo, the same at each start."""
    where = {"HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_DATABASE_URL": backup.url, "HAYON_PORT": str(free_port())}
    return PACE | where


@pytest.fixture
def demo(start_process: Callable[..., Process], settings: dict[str, str]) -> Callable[[], Demo]:
    """Starts it."""

    def start() -> Demo:
        process = start_process(HAYON, "demo", ready_within_seconds=None, env=settings)
        process.wait_until(lambda: "Stop with Ctrl-C" in process.output(), "its first screen")
        return Demo(process, process.output())

    return start


def said(settings: dict[str, str], tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `hayon restored` says."""
    return subprocess.run(
        [HAYON, "restored", *arguments], env={"PATH": "/usr/bin:/bin", **settings}, cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


class Author:
    """Somebody who writes posts with a picture for all six platforms."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self._picture = demo.upload("teal", (640, 640))

    def write(self, text: str, at: datetime | None = None) -> str:
        content = {"text": text, "mediaItems": [{"mediaId": self._picture, "altText": "a teal square"}]}
        post = {"content": content, "selectedPlatforms": PLATFORMS, "scheduledAt": at and at.isoformat()}
        return str(self.demo.ask("/api/posts", post)["postId"])


def copies(demo: Demo) -> Counter[tuple[str, str]]:
    """What stands on the platforms, by their own ledgers: platform and words."""
    entries = demo.control("ledger")["entries"]
    return Counter((one["platform"], one["text"]) for one in entries if not one["repeat"])


def on_each(*texts: str) -> Counter[tuple[str, str]]:
    return Counter((platform, text) for platform in PLATFORMS for text in texts)


def edit(demo: Demo, post_id: str, scheduled_at: str | None) -> None:
    """Puts a post off, or (None) publishes it now."""
    headers = {"Authorization": f"Bearer {demo.key}", "Content-Type": "application/json"}
    body = json.dumps({"scheduledAt": scheduled_at}).encode()
    with urlopen(Request(f"{demo.url}/api/posts/{post_id}", body, headers, method="PATCH")):  # noqa: S310 - our own
        pass


def status_of(demo: Demo, post_id: str) -> Any:
    return demo.ask(f"/api/posts/{post_id}/status")


def test_nothing_is_published_twice_after_an_older_backup_was_restored(
    backup: Backup,
    demo: Callable[[], Demo],
    settings: dict[str, str],
    start_process: Callable[..., Process],
    tmp_path: Path,
) -> None:
    first = demo()
    author = Author(first)
    before = author.write(BEFORE)
    first.wait_for(before, "COMPLETED")
    now = datetime.now(UTC)
    due_at = now + timedelta(seconds=20)
    lost, missed = (author.write(text, due_at) for text in (LOST, MISSED))
    ahead, cancelled = (author.write(text, now + timedelta(days=7)) for text in (AHEAD, CANCELLED))
    backup.make()
    backup_time = datetime.now(UTC).isoformat()
    edit(first, missed, (now + timedelta(days=7)).isoformat())
    first.process.stop(by=signal.SIGKILL)

    second = demo()  # the time that the backup does not know of
    new = Author(second).write(NEW)
    second.ask(f"/api/posts/{cancelled}/cancel", {})
    for post_id in (new, lost):
        second.wait_for(post_id, "COMPLETED")
    assert copies(second) == on_each(BEFORE, LOST, NEW)
    second.process.stop(by=signal.SIGKILL)

    backup.restore()
    refused = start_process(HAYON, "demo", ready_within_seconds=None, env=settings)
    assert refused.wait() == 1
    assert "Run `hayon restored --backup-time T` first" in refused.output()
    assert "Traceback" not in refused.output()

    dry = said(settings, tmp_path, "--backup-time", backup_time, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    each = "(bluesky 2, facebook 2, instagram 2, mastodon 2, threads 2, tumblr 2)"
    assert dry.stdout.count(f"2 posts {each}") == 2
    done = said(settings, tmp_path, "--backup-time", backup_time)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Done: Hayon can be started.\n")

    third = demo()
    third.wait_for(lost, "COMPLETED")  # all six were found
    statuses = status_of(third, lost)["platformStatuses"]
    assert all(one["platformPostId"] for one in statuses)
    third.process.wait_until(lambda: bool(status_of(third, missed)["needsAttention"]), "that its author is asked")
    third.process.wait_until(
        lambda: all(one["needsAttention"] for one in status_of(third, missed)["platformStatuses"]), "of all six"
    )
    with pytest.raises(HTTPError):
        third.ask(f"/api/posts/{new}")  # the database does not know it, and the platforms still have it
    for post_id in (ahead, cancelled):
        post = status_of(third, post_id)
        assert (post["status"], post["needsAttention"]) == ("SCHEDULED", True)
        assert all(one["heldSince"] for one in post["platformStatuses"])
    notices = [one for one in third.ask("/api/notices")["notices"] if one["kind"] == "house.restored"]
    assert len(notices) == 1
    assert "2 posts may have gone out since" in notices[0]["message"]
    assert "2 posts planned for later are held" in notices[0]["message"]
    assert not [one for one in third.ask("/api/notices")["notices"] if one["kind"] == "post.needs_attention"]
    assert copies(third) == on_each(BEFORE, LOST, NEW)

    # what people say then: it is not there, send it; that one goes out after all; that one was cancelled
    for one in status_of(third, missed)["platformStatuses"]:
        answer = {
            "targetId": one["targetId"],
            "attemptId": one["question"]["attemptId"],
            "outcome": "absent",
            "retry": True,
        }
        third.ask(f"/api/posts/{missed}/resolve", answer)
    third.wait_for(missed, "COMPLETED")
    third.ask(f"/api/posts/{cancelled}/cancel", {})
    answered = third.ask(f"/api/posts/{ahead}/confirm", {})
    assert [one["answer"] for one in answered["targets"]] == ["confirmed"] * 6
    assert status_of(third, ahead)["needsAttention"] is False
    edit(third, ahead, None)
    third.wait_for(ahead, "COMPLETED")
    assert copies(third) == on_each(BEFORE, LOST, NEW, MISSED, AHEAD)
    assert status_of(third, cancelled)["status"] == "CANCELLED"
    assert status_of(third, before)["status"] == "COMPLETED"
    third.process.stop()
    assert "Traceback" not in third.process.output()
    demo()  # and the next start finds nothing to complain of
