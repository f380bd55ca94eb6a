"""One process, many posts: 20 accounts on each of the two simulated platforms, which answer after 200 ms. Not a comparison.

The platforms' own ledger is the only judge of what was done, lost or doubled.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

ROOT = Path(__file__).resolve().parents[1]
ACCOUNTS = 20
LATENCY_SECONDS = 0.2
SUBMITTERS = 16


@dataclass(frozen=True)
class Result:
    """What one run came to. `doubled` and `lost` are counted in the ledgers; memory is the most that was resident."""

    posts: int
    completed: int
    lost: int
    doubled: int
    submit_seconds: float
    total_seconds: float
    idle_mb: float
    peak_mb: float


async def run(posts: int, *, database_url: str = "", latency_seconds: float = LATENCY_SECONDS) -> Result:
    """Starts the platforms and Hayon, each a process of its own, and sends `posts` posts through both platforms."""
    with tempfile.TemporaryDirectory(prefix="hayon-bench-") as folder:
        sandbox = ["-m", "hayon.sandbox", "--port", "0", "--limits", "none", "--latency", str(latency_seconds)]
        async with _process(sandbox, {}) as platforms:
            surroundings = {
                "HAYON_DATA_DIR": str(Path(folder) / "data"), "HAYON_PORT": "0", "HAYON_LOG": "json",
                "HAYON_DATABASE_URL": database_url, "HAYON_BLUESKY_URL": f"{platforms['url']}/bluesky",
                "HAYON_MASTODON_URL": f"{platforms['url']}/mastodon", "HAYON_LINK_CARDS": "false",
            }  # fmt: skip
            async with _process(["-m", "hayon.cli", "serve"], surroundings) as hayon:
                return await _measure(posts, hayon, platforms["url"])


async def _measure(posts: int, hayon: dict[str, Any], sandbox: str) -> Result:
    process = psutil.Process(hayon["pid"])
    idle = process.memory_info().rss
    watcher = asyncio.create_task(_watch(process))
    async with aiohttp.ClientSession(base_url=hayon["url"], cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        accounts = await _set_up(session, sandbox)
        started = time.monotonic()
        ids = await _submit(session, accounts, posts)
        submitted = time.monotonic()
        await _until_ended(session)
        ended = time.monotonic()
        completed = await _count(session, "COMPLETED")
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    async with aiohttp.ClientSession() as session, session.get(f"{sandbox}/control/ledger") as answer:
        entries = (await answer.json())["entries"]
    live = Counter((one["platform"], one["text"]) for one in entries if not one["repeat"])
    wanted = {(platform, f"post {number}") for platform in accounts for number in range(len(ids))}
    return Result(
        posts, completed, len(wanted - set(live)), sum(count - 1 for count in live.values()),
        submitted - started, ended - started, idle / 2**20, max(_peaks) / 2**20,
    )  # fmt: skip


_peaks: list[int] = []


async def _watch(process: psutil.Process) -> None:
    _peaks.clear()
    while True:
        _peaks.append(process.memory_info().rss)
        await asyncio.sleep(0.1)


async def _set_up(session: aiohttp.ClientSession, sandbox: str) -> dict[str, list[str]]:
    given = {"email": "bench@example.test", "password": "a long enough password"}
    async with session.post("/api/auth/register", json=given) as answer:
        answer.raise_for_status()
    origin = str(session._base_url).rstrip("/")
    async with session.post("/api/keys", json={"name": "bench"}, headers={"Origin": origin}) as answer:
        key = (await answer.json())["key"]
    session.cookie_jar.clear()
    session.headers["Authorization"] = f"Bearer {key}"
    accounts: dict[str, list[str]] = {"bluesky": [], "mastodon": []}
    async with aiohttp.ClientSession() as control:
        for platform, ids in accounts.items():
            for number in range(ACCOUNTS):
                wanted = {"platform": platform, "handle": _handle(platform, number)}
                async with control.post(f"{sandbox}/control/accounts", json=wanted) as answer:
                    credentials = {name: value for name, value in (await answer.json()).items() if name in _FIELDS}
                async with session.post(f"/api/accounts/{platform}", json=credentials) as answer:
                    connected = await answer.json()
                    if answer.status != 201:
                        raise RuntimeError(connected)
                    ids.append(connected["accountId"] if "accountId" in connected else connected["id"])
    return accounts


_FIELDS = {"identifier", "appPassword", "service", "instanceUrl", "accessToken"}


def _handle(platform: str, number: int) -> str:
    return f"bench{number}.test" if platform == "bluesky" else f"bench{number}"


async def _submit(session: aiohttp.ClientSession, accounts: dict[str, list[str]], posts: int) -> list[str]:
    numbers = iter(range(posts))
    ids: list[str] = []

    async def submitter() -> None:
        for number in numbers:
            chosen = [ids_of[number % ACCOUNTS] for ids_of in accounts.values()]
            body = {"content": {"text": f"post {number}"}, "selectedPlatforms": [], "accountIds": chosen}
            async with session.post("/api/posts", json=body) as answer:
                made = await answer.json()
                if answer.status != 201:
                    raise RuntimeError(made)
                ids.append(made["postId"])

    await asyncio.gather(*(submitter() for _ in range(SUBMITTERS)))
    return ids


async def _until_ended(session: aiohttp.ClientSession) -> None:
    while await _count(session, "PENDING") + await _count(session, "PROCESSING"):  # noqa: ASYNC110 - asked from outside
        await asyncio.sleep(0.2)


async def _count(session: aiohttp.ClientSession, status: str) -> int:
    count, cursor = 0, None
    while True:
        query = {"status": status, "limit": "100"} | ({"cursor": cursor} if cursor else {})
        async with session.get("/api/posts", params=query) as answer:
            page = await answer.json()
        count += len(page["posts"])
        cursor = page.get("nextCursor")
        if not cursor or status != "COMPLETED":
            return count


@asynccontextmanager
async def _process(arguments: list[str], more: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
    """A process of ours that says in one line of JSON where it is; stopped at the end, however that comes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAYON_")}
    started = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment | more | {"PYTHONPATH": str(ROOT / "src")},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        if started.stdout is None:
            raise AssertionError("it has an output")
        line = await asyncio.wait_for(started.stdout.readline(), 30)
        yield json.loads(line)
    finally:
        if started.returncode is None:
            started.terminate()
        await started.wait()
