"""Each peer of the benchmarks does its jobs, in each profile, and leaves nothing behind. How fast it does them is not asked."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from bench.contest import Job, Profile, Work
from bench.peers.peer import Peer, Recipe
from bench.peers.recipes import RECIPES
from bench.servers import Servers

from tests.servers.postgres import PostgresAddress
from tests.servers.processes import start
from tests.servers.rabbitmq import RabbitAddress

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
JOBS, LATER = 30, 3
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def installed() -> None:
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    # tests run in several processes, and one of them installs
    subprocess.run(["flock", cache / "install.lock", ROOT / "requirements" / "install", "bench"], check=True, cwd=ROOT)


@pytest.fixture
def servers(installed: None, postgres: PostgresAddress, rabbitmq: RabbitAddress) -> Servers:
    return Servers(postgres, rabbitmq)


@pytest.fixture
def ledger_url(tmp_path: Path) -> Iterator[str]:
    ledger = start([sys.executable, "-m", "bench.ledger", "--latency", "0.01"], log=tmp_path / "ledger", cwd=ROOT)
    yield ledger.ready["url"]
    ledger.stop()


@pytest.mark.parametrize("profile", Profile, ids=lambda one: one.name.lower())
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: one.title)
async def test_a_peer_does_each_job_once(servers: Servers, ledger_url: str, recipe: Recipe, profile: Profile) -> None:
    peer = Peer(recipe, servers)
    due_at = time.time() + peer.preparing_seconds(_work([], ledger_url)) + 2
    jobs = [Job(f"job-{one}", one, one % 3, due_at if one < LATER else 0.0) for one in range(JOBS)]

    async with peer.stage(_work(jobs, ledger_url), profile) as staged:
        await staged.start()
        pids = staged.pids()
        assert pids
        await staged.add(Job("one-more", 1, 1, time.time()))
        await _until_stored(staged, JOBS + 1)
        await asyncio.sleep(0.5)  # a job done twice would show now
        entries = _ask(ledger_url, "ledger")["entries"]
        assert Counter(name for name, *_ in entries) == Counter([*(one.name for one in jobs), "one-more"])
        early = {name: due_at - at for name, _, at, _ in entries if name in {f"job-{one}" for one in range(LATER)}}
        assert all(seconds < 0.1 for seconds in early.values()), early
        assert await staged.count_outcomes() == JOBS + 1
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def _work(jobs: list[Job], ledger_url: str) -> Work:
    return Work(jobs, in_flight=8, workers=1, ledger_url=ledger_url)


async def _until_stored(staged: Any, outcomes: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await staged.count_outcomes() < outcomes:
        assert time.monotonic() < deadline, f"{await staged.count_outcomes()} of {outcomes}: {staged.output()[-2000:]}"
        await asyncio.sleep(0.05)


def _ask(ledger_url: str, what: str) -> Any:
    with urllib.request.urlopen(f"{ledger_url}/control/{what}", timeout=10) as answer:  # noqa: S310 - our own
        return json.loads(answer.read())
