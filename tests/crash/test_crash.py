"""Killed at every point of a delivery and started again: one copy on each platform and the right status, on both databases."""

import asyncio
import io
import json
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
import sqlalchemy as sa
from PIL import Image

from hayon.delivery.submit import Handed
from hayon.domain.model import Content, Media, MediaUse
from hayon.media.contract import temp_key
from hayon.settings import Settings
from hayon.store.attempts import list_attempts
from hayon.store.database import Database, Tx, new_id
from hayon.store.media import complete_media, insert_media
from hayon.store.posts import get_post
from hayon.store.schema import users
from hayon.wiring import Hayon, database_url, open_hayon
from tests.servers.pds.server import SharedPds
from tests.servers.processes import Process, start
from tests.servers.sandbox import Sandbox

WRITES = ["claim_due", "save_checkpoint", "commit_intent", "settle_try"]
POINTS = [
    *(f"{write}:{phase}" for write in WRITES for phase in ("before", "inside", "after") if (write, phase) != ("claim_due", "before")),
    *(f"{write}:{phase}" for write in ("commit_intents", "settle_tries") for phase in ("inside", "after")),  # for many
    "call:before",
    "call:after",
]  # fmt: skip
IRREVERSIBLE = [
    "save_checkpoint:inside",
    "commit_intent:inside",
    "commit_intent:after",
    "call:before",
    "call:after",
    "settle_try:inside",
    "commit_intents:after",
    "settle_tries:inside",
]
"""Those around what cannot be taken back."""
AFTER_A_LOST_ANSWER = [f"record_absence:{phase}" for phase in ("before", "inside", "after")]
PACE = {
    "HAYON_LEASE": "4s", "HAYON_COMMIT_DEADLINE": "2s", "HAYON_CALL_DEADLINE": "3s", "HAYON_SETTLES_WITHIN": "500ms",
    "HAYON_LOOK_STEPS": "300ms,500ms,1s,1s", "HAYON_RETRY_STEPS": "200ms,500ms,1s", "HAYON_POLL": "100ms",
    "HAYON_SWEEP_EVERY": "200ms", "HAYON_ALLOW_PRIVATE_ADDRESSES": "true", "HAYON_LINK_CARDS": "false",
    "HAYON_LOG": "json",
}  # fmt: skip
AT_ONCE = 4
"""How many crashes are played side by side: most of each is waiting for a lease to run out."""


@dataclass
class Scene:
    """One Hayon on a database of its own, with a profile of its own on the simulated Mastodon and on the real PDS."""

    folder: Path
    environment: dict[str, str]
    pds: SharedPds
    sandbox: Sandbox
    platform: str
    did: str = ""
    pds_token: str = ""
    mastodon_name: str = ""
    mastodon_key: str = ""
    post_id: UUID | None = None
    user_id: UUID | None = None

    async def set_up(self, text: str) -> None:
        """A person with both accounts, and a post that waits for a worker."""
        account = await asyncio.to_thread(self.pds.new_account)
        self.did = account.did
        self.mastodon_name = f"m{uuid4().hex[:10]}"
        mastodon = await self._control("accounts", {"platform": "mastodon", "handle": self.mastodon_name})
        async with open_hayon(Settings.read(self.environment)) as hayon:
            self.user_id = await hayon.database.write(_insert_user)
            await hayon.accounts.connect(
                self.user_id, "bluesky", {"identifier": account.handle, "appPassword": account.app_password}
            )
            await hayon.accounts.connect(self.user_id, "mastodon", mastodon)
            picture = await _upload(hayon, self.user_id)
            content = Content(text, (MediaUse(picture, "a square"),))
            handed = Handed(content, platforms=("bluesky", "mastodon"))
            self.post_id, _ = await hayon.submission.submit(self.user_id, handed)

    async def run_until_killed(self, point: str) -> int:
        doomed = await asyncio.to_thread(self._start, {"HAYON_TEST_CRASH": point, "HAYON_TEST_PLATFORM": self.platform})
        return await asyncio.to_thread(doomed.wait, within_seconds=90)

    async def run_until_stopped(self, point: str) -> Process:
        """Stands still at the point, holding its lease; to be let go later."""
        more = {"HAYON_TEST_CRASH": point, "HAYON_TEST_PLATFORM": self.platform, "HAYON_TEST_SIGNAL": "SIGSTOP"}
        stopped = await asyncio.to_thread(self._start, more, "late")
        standing = psutil.Process(stopped.pid)
        await asyncio.to_thread(
            stopped.wait_until, lambda: standing.status() == psutil.STATUS_STOPPED, f"standing still at {point}"
        )
        return stopped

    async def run_until_ended(self) -> Any:
        process = await asyncio.to_thread(self._start, {})
        try:
            return await asyncio.to_thread(self._wait_for_the_end, process)
        finally:
            await asyncio.to_thread(process.kill9)

    async def ledger(self) -> list[dict[str, Any]]:
        entries = await asyncio.to_thread(self._get, f"/control/ledger?platform=mastodon&account={self.mastodon_name}")
        return [one for one in entries["entries"] if one["operation"] == "createStatus"]

    async def records(self) -> list[Any]:
        answer = await asyncio.to_thread(
            self.pds.call, f"com.atproto.repo.listRecords?repo={self.did}&collection=app.bsky.feed.post"
        )
        return list(answer["records"])

    async def an_hour_passes(self) -> None:
        """The platform forgets the Idempotency-Key: from here on only looking keeps a second copy away."""
        await self._control("clock", {"advanceSeconds": 3700})

    async def drop_the_next_answer(self, *, landed: bool) -> None:
        fault = "accept_then_drop" if landed else "drop_before"
        await self._control("faults", {
            "platform": "mastodon", "operation": "createStatus", "kind": fault, "account": self.mastodon_name, "count": 1,
        })  # fmt: skip

    def _start(self, more: dict[str, str], log: str = "hayon") -> Process:
        return start([sys.executable, "-m", "tests.crash.doomed"], log=self.folder / log, env=self.environment | more)

    def _wait_for_the_end(self, process: Process) -> Any:
        found: list[Any] = []

        def ended() -> bool:
            post, tries = asyncio.run(self.look())
            found[:] = [post, tries]
            return post.row.status in {"COMPLETED", "FAILED", "PARTIAL_SUCCESS", "CANCELLED"}

        process.wait_until(ended, "the end of the post", within_seconds=90)
        return found

    async def look(self) -> Any:
        database = Database(database_url(Settings.read(self.environment)))
        try:
            assert self.post_id is not None
            assert self.user_id is not None
            post = await database.read(get_post, self.post_id, self.user_id)
            return post, await database.read(list_attempts, self.post_id)
        finally:
            await database.close()

    async def _control(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(self._post, f"/control/{what}", body)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - always our own server
            f"{self.sandbox.url}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - always our own server
            return json.loads(answer.read() or b"{}")

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.sandbox.url}{path}", timeout=20) as answer:  # noqa: S310 - our own server
            return json.loads(answer.read())


async def _upload(hayon: Hayon, user_id: UUID) -> UUID:
    """A small picture, so that there is something to prepare and a checkpoint to save."""
    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(drawn, "PNG")
    key = temp_key(user_id, "image/png")

    async def stream() -> AsyncIterator[bytes]:
        yield drawn.getvalue()

    await hayon.media.put(key, stream())
    found = await hayon.media.complete(key, "image/png")
    one = Media(uuid4(), user_id, key, found.mime, found.size, found.width, found.height)
    await hayon.database.write(insert_media, one)
    await hayon.database.write(complete_media, one)
    return one.id


def _insert_user(tx: Tx) -> UUID:
    now = tx.now()
    user_id = new_id(now)
    tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=now))
    return user_id


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Any:
    """Makes a database URL for each scene."""
    if request.param == "sqlite":
        yield lambda folder: f"sqlite:///{folder / 'hayon.db'}"
        return
    server = request.getfixturevalue("postgres")
    names: list[str] = []

    def make(_: Path) -> str:
        names.append(server.create_database())
        url: str = server.url(names[-1])
        return url

    yield make
    for name in names:
        server.drop_database(name)


def scene(folder: Path, platform: str, database: Any, pds: SharedPds, sandbox: Sandbox) -> Scene:
    folder.mkdir(parents=True)
    environment = PACE | {
        "HAYON_DATA_DIR": str(folder), "HAYON_DATABASE_URL": database(folder), "HAYON_BLUESKY_URL": pds.url,
    }  # fmt: skip
    return Scene(folder, environment, pds, sandbox, platform)


async def play(scenes: dict[str, Any]) -> None:
    """All of them, a few side by side; every failure is told, not only the first."""
    few = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, work: Any) -> str | None:
        async with few:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - told with the others
                return f"{name}: {type(error).__name__}: {error}"
        return None

    failed = [told for told in await asyncio.gather(*(one(*each) for each in scenes.items())) if told]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize(
    ("points", "platform", "database"),
    [
        pytest.param(
            IRREVERSIBLE, "bluesky", "postgres", id="bluesky-postgres-irreversible"
        ),  # the simulated platforms are in the matrix, on both databases
        pytest.param(POINTS, "bluesky", "postgres", id="bluesky-postgres", marks=pytest.mark.long),
        pytest.param(POINTS, "bluesky", "sqlite", id="bluesky-sqlite", marks=pytest.mark.long),
        pytest.param(POINTS, "mastodon", "postgres", id="mastodon-postgres", marks=pytest.mark.long),
        pytest.param(POINTS, "mastodon", "sqlite", id="mastodon-sqlite", marks=pytest.mark.long),
    ],
    indirect=["database"],
)
async def test_killed_at_each_point_it_comes_out_once(
    points: list[str], platform: str, database: Any, pds: SharedPds, sandbox: Sandbox, tmp_path: Path
) -> None:
    async def crash(point: str) -> None:
        one = scene(tmp_path / point.replace(":", "-"), platform, database, pds, sandbox)
        await one.set_up(f"killed at {point}")
        assert await one.run_until_killed(point) == -signal.SIGKILL
        await one.an_hour_passes()
        post, tries = await one.run_until_ended()
        assert post.row.status == "COMPLETED", [(row.platform, row.status, row.message) for row in post.targets]
        records, ledger = await one.records(), await one.ledger()
        assert (len(records), len(ledger)) == (1, 1)
        urls = {row.platform: row.url for row in post.targets}
        assert urls["bluesky"].endswith(records[0]["uri"].rsplit("/", 1)[-1])
        intents = [one for one in tries if one.platform == platform and one.intent_at is not None]
        landed = point == "call:after" or point.startswith(("settle_try:", "settle_tries:"))
        expected = (
            1 if landed else (2 if point in {"commit_intent:after", "commit_intents:after", "call:before"} else 1)
        )
        assert len(intents) == expected, [(one.ended, one.answered_by) for one in intents]

    await play({point: crash(point) for point in points})


@pytest.mark.parametrize(
    "point",
    [
        "commit_intent:before",
        "call:after",
        pytest.param("save_checkpoint:before", marks=pytest.mark.long),
        pytest.param("settle_try:before", marks=pytest.mark.long),
    ],
)
async def test_a_worker_that_comes_back_late_writes_nothing_but_a_receipt(
    point: str, postgres: Any, pds: SharedPds, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Stopped past its lease, while another process takes over; then it goes on where it stood."""
    name = postgres.create_database()
    one = scene(tmp_path / "late", "mastodon", lambda _: postgres.url(name), pds, sandbox)
    await one.set_up(f"late at {point}")
    late = await one.run_until_stopped(point)
    try:
        await one.an_hour_passes()
        post, _ = await one.run_until_ended()
        assert post.row.status == "COMPLETED", [(row.platform, row.status, row.message) for row in post.targets]
        os.kill(late.pid, signal.SIGCONT)
        said = "target.lease_lost" if point.startswith(("save", "commit")) else "target.receipt_kept"
        await asyncio.to_thread(late.wait_until, lambda: said in late.output(), said)
    finally:
        late.kill9()
    post, _ = await one.look()
    assert post.row.status == "COMPLETED"
    assert (len(await one.records()), len(await one.ledger())) == (1, 1)
    postgres.drop_database(name)


@pytest.mark.parametrize(
    ("landed", "database"),
    [
        (True, "postgres"),
        (False, "sqlite"),
        pytest.param(True, "sqlite", marks=pytest.mark.long),
        pytest.param(False, "postgres", marks=pytest.mark.long),
    ],
    indirect=["database"],
)
async def test_killed_while_it_looks_for_a_lost_answer(
    landed: bool, database: Any, pds: SharedPds, sandbox: Sandbox, tmp_path: Path
) -> None:
    points = ["settle_try:inside", "settle_try:after"] if landed else AFTER_A_LOST_ANSWER

    async def crash(point: str) -> None:
        one = scene(tmp_path / point.replace(":", "-"), "mastodon", database, pds, sandbox)
        await one.set_up(f"lost, then killed at {point}")
        await one.drop_the_next_answer(landed=landed)
        assert await one.run_until_killed(point) == -signal.SIGKILL
        await one.an_hour_passes()
        post, _ = await one.run_until_ended()
        assert post.row.status == "COMPLETED", [(row.platform, row.status, row.message) for row in post.targets]
        assert (len(await one.records()), len(await one.ledger())) == (1, 1)

    await play({point: crash(point) for point in points})
