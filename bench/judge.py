"""Reads the ledger and says what it proves: done, lost, doubled, how fast, how late. It believes no contestant."""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from tests.servers.processes import start

from bench.contest import Job

WARM_UP = 0.1
"""The first part of the jobs, in the order of their arrival: it is counted, and left out of rates."""


@dataclass(frozen=True)
class Entry:
    """One call as the ledger has it; `at`: unix seconds at which it was received. `repeat`: under a key used before."""

    name: str
    account: int
    at: float
    repeat: bool


@dataclass(frozen=True)
class Counted:
    """How the ledger stands: posts, repeats, calls that wait for their answer, and the most that ever did."""

    statuses: int
    repeats: int
    in_flight: int
    most_in_flight: int


@dataclass(frozen=True)
class Judged:
    """What became of some jobs. `doubled` counts posts that should not be there, `strange` those that nobody asked for."""

    jobs: int
    done: int
    lost: int
    doubled: int
    repeats: int
    strange: int
    rate: float
    """Per second, from the end of the warm-up to the last arrival."""
    seconds: float
    """From the first arrival to the last."""
    lateness: Sequence[float]
    """Seconds from the due time of a job to its first arrival, sorted."""

    def late(self, share: float) -> float:
        """The lateness that this share of the jobs did not exceed; 0.0 where none arrived."""
        return percentile(self.lateness, share)


class Ledger:
    """The way to a running ledger."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    async def count(self) -> Counted:
        """How it stands now."""
        return Counted(*(await self._ask("GET", "count")).values())

    async def reset(self) -> None:
        """It forgets everything."""
        await self._ask("POST", "reset")

    async def read(self) -> list[Entry]:
        """Every call, in the order of arrival."""
        return [Entry(*one) for one in (await self._ask("GET", "ledger"))["entries"]]

    async def _ask(self, method: str, what: str) -> Any:
        async with aiohttp.ClientSession() as session, session.request(method, f"{self.url}/control/{what}") as answer:
            return await answer.json()


@contextlib.contextmanager
def running_ledger(latency: str = "0.05") -> Iterator[Ledger]:
    """A ledger for the length of a `with`; `latency` as its command line takes it."""
    with TemporaryDirectory(prefix="hayon-ledger-") as folder:
        process = start([sys.executable, "-m", "bench.ledger", "--latency", latency], log=Path(folder) / "ledger")
        try:
            yield Ledger(process.ready["url"], process.ready["pid"])
        finally:
            process.kill9()


def judge(jobs: Sequence[Job], entries: Sequence[Entry]) -> Judged:
    """What the ledger proves about these jobs."""
    wanted = {job.name: job for job in jobs}
    live = [one for one in entries if not one.repeat]
    firsts: dict[str, float] = {}
    for one in live:
        if one.name in wanted:
            firsts.setdefault(one.name, one.at)
    counts = Counter(one.name for one in live)
    arrivals = sorted(firsts.values())
    warm = arrivals[int(len(arrivals) * WARM_UP) :]
    span = warm[-1] - warm[0] if len(warm) > 1 else 0.0
    return Judged(
        jobs=len(wanted), done=len(firsts), lost=len(wanted) - len(firsts),
        doubled=sum(count - 1 for count in counts.values()), repeats=len(entries) - len(live),
        strange=sum(1 for name in counts if name not in wanted),
        rate=(len(warm) - 1) / span if span else 0.0,
        seconds=arrivals[-1] - arrivals[0] if arrivals else 0.0,
        lateness=sorted(at - wanted[name].due_at for name, at in firsts.items()),
    )  # fmt: skip


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of the sorted ones does not exceed; 0.0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
