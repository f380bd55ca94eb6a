"""One run of one contestant: staged, started, watched until the ledger has everything, judged."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import psutil

from bench.contest import Contestant, Job, Profile, Staged, Work
from bench.judge import Entry, Judged, Ledger, judge
from bench.servers import Servers

STALLED_SECONDS = 30.0
"""When the ledger has had nothing new for so long behind the last due time, what is missing is lost."""
LOOK_SECONDS = 0.1

Meanwhile = Callable[[Staged], Coroutine[Any, Any, list[Job]]]
"""What is done while the workers run; it returns the jobs that it handed in."""


@dataclass(frozen=True)
class Run:
    """What one run came to. `outcomes`: as many as are stored durably. `cpu_seconds`: of the contestant's processes, from the
    start of the workers to the last outcome, their start included. `ready_at`: unix seconds at which the workers ran. `handed_in`: the jobs
    that came while they ran."""

    judged: Judged
    entries: list[Entry]
    outcomes: int
    most_in_flight: int
    cpu_seconds: float
    staged_seconds: float
    ready_seconds: float
    ready_at: float
    handed_in: list[Job]

    @property
    def agrees(self) -> bool:
        """Everything done once, and its outcome stored."""
        one = self.judged
        return not one.lost and not one.doubled and not one.strange and self.outcomes == one.jobs


async def run_once(
    contestant: Contestant, profile: Profile, work: Work, ledger: Ledger, servers: Servers, *,
    meanwhile: Meanwhile | None = None, watched: Meanwhile | None = None,
) -> Run:  # fmt: skip
    """Stages the work, runs it to its end, and judges. `meanwhile` starts when the workers run, `watched` beside it (a profiler)."""
    await ledger.reset()
    began = time.monotonic()
    async with contestant.stage(work, profile) as staged:
        staged_seconds = time.monotonic() - began
        await asyncio.to_thread(servers.postgres.run, "CHECKPOINT")  # what staging wrote is not left to the run
        began = time.monotonic()
        await staged.start()
        ready_seconds, ready_at = time.monotonic() - began, time.time()
        handed_in: list[Job] = []
        beside = asyncio.create_task(watched(staged)) if watched else None
        if meanwhile is not None:
            handed_in = await meanwhile(staged)
        jobs = [*work.jobs, *handed_in]
        await _until_all(ledger, jobs)
        outcomes = await _until_stored(staged, len(jobs))
        cpu_seconds = sum(_cpu_seconds(pid) for pid in staged.pids())
        if beside is not None:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)
    counted = await ledger.count()
    entries = await ledger.read()
    return Run(
        judge(jobs, entries), entries, outcomes, counted.most_in_flight, cpu_seconds, staged_seconds, ready_seconds,
        ready_at, handed_in,
    )  # fmt: skip


async def _until_all(ledger: Ledger, jobs: list[Job]) -> None:
    last_due = max((job.due_at for job in jobs), default=0.0)
    seen, seen_at = -1, time.monotonic()
    while True:
        counted = await ledger.count()
        if counted.statuses >= len(jobs) and not counted.in_flight:
            return
        if counted.statuses != seen or time.time() < last_due:
            seen, seen_at = counted.statuses, time.monotonic()
        elif time.monotonic() - seen_at > STALLED_SECONDS:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _until_stored(staged: Staged, wanted: int) -> int:
    """The outcomes, when all are there, or when no more come."""
    seen, seen_at = -1, time.monotonic()
    while True:
        outcomes = await staged.count_outcomes()
        if outcomes >= wanted or (outcomes == seen and time.monotonic() - seen_at > STALLED_SECONDS):
            return outcomes
        if outcomes != seen:
            seen, seen_at = outcomes, time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
