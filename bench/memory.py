"""How much memory workers hold, idle and with 500 calls in flight; how long until they are ready; how long `hayon --help` takes."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from bench.contest import Contestant, Job, Staged, Work
from bench.judge import Ledger, percentile, running_ledger
from bench.result import Column, Result, Row, Table, Verdict
from bench.rounds import COUNTS, Bench, Figures, Form, counted, interleaved, make_jobs, strictest
from bench.runs import run_once

ROOT = Path(__file__).resolve().parents[1]
LOOK_SECONDS = 0.1
COLUMNS = (
    Column("ready", "ready, s", 1), Column("idle", "idle MB"), Column("flying", "with all in flight, MB"),
    Column("in_flight", "most in flight"), Column("processes", "processes"), *COUNTS,
)  # fmt: skip
HELP_COLUMNS = (Column("p50", "p50 ms"), Column("max", "max ms"))


@dataclass(frozen=True)
class Size:
    """`in_flight` calls that each take `latency` seconds, so that all are in flight together; `quiet`: seconds in which there is
    nothing to do; `helps`: calls of `hayon --help`."""

    in_flight: int
    latency: str
    quiet: float
    rounds: int
    helps: int


SIZES = {
    Form.SMOKE: Size(20, "0.5", 0, 1, 1),
    Form.SHORT: Size(500, "6", 2, 1, 5),
    Form.FULL: Size(500, "30", 10, 5, 20),
}


async def run(bench: Bench) -> Result:
    """With every contestant that can have so many in flight."""
    size = SIZES[bench.form]
    cases = bench.able("memory", jobs=size.in_flight)
    found: dict[Contestant, list[Figures]] = {case: [] for case in cases}
    helps: list[Figures] = []
    with running_ledger(size.latency) as ledger:
        for number, case in interleaved(cases, size.rounds):
            figures = await bench.once(f"{number}: {case.name}", partial(_measure, bench, case, size, ledger))
            found[case].append(figures)
        for number in range(size.rounds):
            helps += [await bench.once(f"{number}: hayon --help", partial(asyncio.to_thread, _help, size.helps))]
    rows = [Row({"who": case.name, "profile": str(strictest(case))}, runs) for case, runs in found.items()]
    about = (
        f"The workers start and have nothing to do for {size.quiet:g} s; then {size.in_flight} posts become due whose calls take "
        f"{size.latency} s each. Memory is the resident set of all worker processes together (what they share is counted in each), "
        "the most that was seen. Ready: from starting the processes to their word. For Hayon this is all of it, pages and API "
        "included; a peer's is its workers alone."
    )
    tables = [
        Table("Workers", "", COLUMNS, rows),
        Table("`hayon --help`", f"{size.helps} times.", HELP_COLUMNS, [Row({"command": "hayon --help"}, helps)]),
    ]
    return Result("memory", bench.form, "Memory and start", about, tables, _verdicts(found, helps, size))


async def _measure(bench: Bench, case: Contestant, size: Size, ledger: Ledger) -> Figures:
    seen: dict[str, float] = {}
    takes = case.preparing_seconds(Work(make_jobs(size.in_flight, lambda _: 0.0), size.in_flight, 1, ledger.url))
    begins = time.time() + takes + size.quiet
    jobs = make_jobs(size.in_flight, lambda _: begins)

    async def look(staged: Staged) -> list[Job]:
        await asyncio.sleep(max(0.0, begins - 0.5 - time.time()))
        seen["idle"], seen["processes"] = _resident_mb(staged.pids()), len(staged.pids())
        seen["flying"] = seen["idle"]
        while True:
            counted_now = await ledger.count()
            seen["flying"] = max(seen["flying"], _resident_mb(staged.pids()))
            if counted_now.statuses >= len(jobs) and not counted_now.in_flight:
                return []
            if time.time() > begins + 4 * float(size.latency) + 30:
                return []
            await asyncio.sleep(LOOK_SECONDS)

    work = Work(jobs, size.in_flight, 1, ledger.url)
    one = await run_once(case, strictest(case), work, ledger, bench.servers, meanwhile=look)
    return {"ready": one.ready_seconds, **seen, "in_flight": one.most_in_flight, **counted(one)}


def _resident_mb(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def _help(times: int) -> Figures:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HAYON_")}
    took = []
    for _ in range(times):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "hayon.cli", "--help"], check=True, capture_output=True,
            env={**surroundings, "PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
        took.append(1000 * (time.monotonic() - began))
    return {"p50": percentile(sorted(took), 0.5), "max": max(took)}


def _verdicts(found: dict[Contestant, list[Figures]], helps: list[Figures], size: Size) -> list[Verdict]:
    verdicts = []
    for case, runs in found.items():
        if not case.name.startswith("Hayon"):
            continue
        row = Row({}, runs)
        limits: list[tuple[str, str, float, Callable[[float], str]]] = [
            ("ready", "ready within 3 s", 3, lambda value: f"{value:.1f} s"),
            ("idle", "under 150 MB idle", 150, lambda value: f"{value:.0f} MB"),
            ("flying", f"under 250 MB with {size.in_flight} in flight", 250, lambda value: f"{value:.0f} MB"),
        ]
        for name, words, most, shown in limits:
            value = row.median(name) or 0.0
            holds = value < most if name != "flying" or (row.median("in_flight") or 0) >= size.in_flight else None
            verdicts.append(Verdict(f"{case.name}: {words}", holds, shown(value)))
    value = Row({}, helps).median("p50") or 0.0
    return [*verdicts, Verdict("`hayon --help` within 0.5 s", value < 500, f"{value:.0f} ms")]
