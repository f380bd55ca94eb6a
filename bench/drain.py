"""How fast due posts go out: everything is due already when the workers start. `python -m bench.drain --help` runs one contestant alone."""

import argparse
import asyncio
import contextlib
import shutil
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.contest import Contestant, Job, Profile, Staged, Work
from bench.contestants import all_contestants
from bench.judge import Ledger, running_ledger
from bench.result import Column, Result, Row, Table, Verdict
from bench.rounds import COUNTS, Bench, Figures, Form, counted, interleaved, make_jobs, most_jobs
from bench.runs import Meanwhile, Run, run_once
from bench.servers import running_servers

SECONDS = 0.05
COLUMNS = (
    Column("rate", "targets/s"), Column("ceiling", "% of ceiling"), Column("cpu", "CPU ms each", 2),
    Column("in_flight", "most in flight"), *COUNTS,
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """One way to run: calls in flight in one process, how many processes, how the platform answers, in which profiles."""

    in_flight: int
    workers: int = 1
    latency: str = "0.05"
    profiles: tuple[Profile, ...] = (Profile.INTENT,)


@dataclass(frozen=True)
class Size:
    """How large a form is."""

    jobs: int
    rounds: int
    shapes: tuple[Shape, ...]


EVERY = tuple(Profile)
SIZES = {
    Form.SMOKE: Size(40, 1, (Shape(8, latency="0.01"), Shape(8, 2, "0.01"))),
    Form.SHORT: Size(2000, 2, (Shape(64), Shape(512))),
    Form.FULL: Size(
        20_000, 3,
        (
            Shape(64, profiles=EVERY), Shape(512, profiles=EVERY), Shape(64, 2), Shape(512, 2),
            Shape(64, latency="lognormal"), Shape(512, latency="lognormal"),
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    contestant: Contestant
    profile: Profile
    in_flight: int
    workers: int
    latency: str
    jobs: int

    @property
    def key(self) -> str:
        """Its name among the runs."""
        return f"{self.contestant.name}, {self.profile}, {self.in_flight} x {self.workers}, {self.latency}"


async def run(bench: Bench) -> Result:
    """Drains with every contestant that can."""
    size = SIZES[bench.form]
    cases = [
        Case(one, profile, shape.in_flight, shape.workers, shape.latency, most_jobs(one, size.jobs))
        for shape in size.shapes
        for one in bench.able("drain", workers=shape.workers)
        for profile in shape.profiles
        # who takes one at a time does so in every shape
        if profile in one.profiles and (most_jobs(one, size.jobs) == size.jobs or shape is size.shapes[0])
    ]
    found: dict[Case, list[Figures]] = {case: [] for case in cases}
    with contextlib.ExitStack() as stack:
        ledgers = {one: stack.enter_context(running_ledger(one)) for one in {case.latency for case in cases}}
        for number, case in interleaved(cases, size.rounds):
            figures = await bench.once(f"{number}: {case.key}", partial(_measure, bench, case, ledgers[case.latency]))
            found[case].append(figures)
    rows = [Row(_labels(case), runs) for case, runs in found.items()]
    about = (
        f"{size.jobs:,} due posts over 1,000 accounts lie ready; then the workers start. The rate is counted in the ledger, from the "
        "end of the first tenth of the posts to the last arrival. The ceiling is what so many calls in flight could do at most at "
        "this latency. CPU is that of the contestant's processes, their start included."
    )
    return Result("drain", bench.form, "Drain of due posts", about, [Table("", "", COLUMNS, rows)], _verdicts(found))


async def _measure(bench: Bench, case: Case, ledger: Ledger) -> Figures:
    due_at = time.time() - 60
    work = Work(make_jobs(case.jobs, lambda _: due_at), case.in_flight, case.workers, ledger.url)
    return figures_of(await run_once(case.contestant, case.profile, work, ledger, bench.servers), case)


def figures_of(one: Run, case: Case) -> Figures:
    """The figures of one run."""
    figures: Figures = {
        "rate": one.judged.rate, "cpu": one.cpu_seconds * 1000 / max(1, one.judged.done), "in_flight": one.most_in_flight,
        **counted(one),
    }  # fmt: skip
    if case.latency != "lognormal":
        figures["ceiling"] = 100 * one.judged.rate * float(case.latency) / (case.in_flight * case.workers)
    return figures


def _labels(case: Case) -> dict[str, str]:
    latency = "log-normal" if case.latency == "lognormal" else f"{float(case.latency) * 1000:g} ms"
    return {
        "who": case.contestant.name, "profile": str(case.profile), "platform": latency, "in flight": str(case.in_flight),
        "processes": str(case.workers),
    }  # fmt: skip


def _verdicts(found: dict[Case, list[Figures]]) -> list[Verdict]:
    """Ahead of every peer at equal durability, and at 64 in flight at least 95 % of the ceiling."""
    rows = {
        case: Row({}, runs) for case, runs in found.items() if case.profile is Profile.INTENT and case.latency == "0.05"
    }
    ours = {case: row for case, row in rows.items() if case.contestant.name.startswith("Hayon")}
    verdicts = []
    for case, row in ours.items():
        shape = f"{case.in_flight} in flight in {case.workers} process{'es' if case.workers > 1 else ''}"
        peers = {
            other.contestant.name: one.median("rate") or 0.0
            for other, one in rows.items()
            if other not in ours and (other.in_flight, other.workers) == (case.in_flight, case.workers)
        }
        rate, ceiling = row.median("rate") or 0.0, row.median("ceiling") or 0.0
        best = max(peers, key=lambda name: peers[name], default="")
        verdicts.append(
            Verdict(
                f"{case.contestant.name}: ahead of every peer at equal durability, {shape}",
                rate > peers[best] if best else None,
                f"{rate:,.0f} a second; the best peer: {best} with {peers[best]:,.0f}"
                if best
                else "no peer was measured",
            )
        )
        if case.in_flight == 64:
            verdicts.append(
                Verdict(
                    f"{case.contestant.name}: at least 95 % of the ceiling, {shape}", ceiling >= 95, f"{ceiling:.0f} %"
                )
            )
    return verdicts


def main() -> None:
    """One contestant alone, for whoever looks where its time goes."""
    reader = argparse.ArgumentParser(prog="python -m bench.drain")
    reader.add_argument("who", help="a part of its name: SQLite, PostgreSQL, RabbitMQ, Celery …")
    reader.add_argument("--jobs", type=int, default=2000)
    reader.add_argument("--in-flight", type=int, default=64)
    reader.add_argument("--workers", type=int, default=1)
    reader.add_argument("--rounds", type=int, default=1)
    reader.add_argument("--latency", default="0.05", help="seconds, or lognormal")
    reader.add_argument("--profile", default=Profile.INTENT, type=Profile, choices=list(Profile))
    reader.add_argument(
        "--py-spy", type=Path, metavar="FILE", help="a flame graph (.svg) or stacks (.txt) of the first process"
    )
    asked = reader.parse_args()
    with running_servers() as servers, running_ledger(asked.latency) as ledger:
        every = [one for one in all_contestants(servers) if asked.who.lower() in one.name.lower()]
        if not every:
            sys.exit(f"nobody is called {asked.who}")
        contestant = min(every, key=lambda one: len(one.name))  # PostgreSQL alone, not with RabbitMQ
        case = Case(contestant, asked.profile, asked.in_flight, asked.workers, asked.latency, asked.jobs)
        for _ in range(asked.rounds):
            jobs = make_jobs(asked.jobs, lambda _: time.time() - 60)
            work = Work(jobs, asked.in_flight, asked.workers, ledger.url)
            watched = None if asked.py_spy is None else _recorder(asked.py_spy)
            one = asyncio.run(run_once(contestant, asked.profile, work, ledger, servers, watched=watched))
            shown = ", ".join(f"{name} {value:,.4g}" for name, value in figures_of(one, case).items())
            print(f"{case.key}: {shown}, staged in {one.staged_seconds:.1f} s, ready in {one.ready_seconds:.1f} s")


def _recorder(file: Path) -> Meanwhile:
    """What records the first worker process with py-spy until it is cancelled; py-spy has to be on the PATH."""
    program = shutil.which("py-spy")
    if program is None:
        sys.exit("py-spy is not on the PATH: pip install py-spy, into an environment of its own")

    async def record(staged: Staged) -> list[Job]:
        form = "raw" if file.suffix == ".txt" else "flamegraph"
        process = await asyncio.create_subprocess_exec(
            program, "record", "--rate", "250", "--format", form, "--output", str(file), "--pid", str(staged.pids()[0])
        )
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.send_signal(2)  # it writes what it has
                await process.wait()
        return []

    return record


if __name__ == "__main__":
    main()
