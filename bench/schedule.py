"""How late planned posts go out: some spread over a while, then many due within one second, with none or a million more behind them."""

import contextlib
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bench.contest import Contestant, Job, Work
from bench.judge import Ledger, running_ledger
from bench.result import Column, Result, Row, Table, Verdict
from bench.rounds import COUNTS, SEED, Bench, Figures, Form, counted, interleaved, make_jobs, spread, strictest
from bench.runs import run_once

IN_FLIGHT = 512
TRIES = 3
COLUMNS = (
    Column("spread_p50", "spread, p50 ms"), Column("spread_p99", "p99 ms"), Column("spread_max", "max ms"),
    Column("burst_p50", "in one second, p50 ms"), Column("burst_p99", "p99 ms"), Column("burst_max", "max ms"), *COUNTS,
    Column("early", "too early", exact=True),
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """`spread` posts over `seconds`, after a `pause` `burst` within one second; `behind`: how many more wait, each a line of its own."""

    spread: int
    seconds: float
    pause: float
    burst: int
    behind: tuple[int, ...]
    rounds: int


SIZES = {
    Form.SMOKE: Size(20, 1, 1, 20, (30,), 1),
    Form.SHORT: Size(1000, 4, 3, 1500, (1000,), 1),
    Form.FULL: Size(10_000, 60, 10, 3000, (0, 100_000, 1_000_000), 3),
}


class NotReadyError(Exception):
    """The workers ran only when the first job was due already: what is late then is the staging."""


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    contestant: Contestant
    behind: int

    @property
    def key(self) -> str:
        """Its name among the runs."""
        return f"{self.contestant.name}, {strictest(self.contestant)}, {self.behind:,} behind"


async def run(bench: Bench) -> Result:
    """With every contestant, and with RabbitMQ's own delay."""
    size = SIZES[bench.form]
    cases = [
        Case(one, behind)
        for behind in size.behind
        for one in bench.able("schedule", jobs=size.spread + size.burst, behind=behind)
    ]
    # who can have nothing behind is shown where there is nothing
    cases += [
        Case(one, 0)
        for one in bench.able("schedule", jobs=size.spread + size.burst)
        if one not in {case.contestant for case in cases}
    ]
    return await measure(bench, "schedule", "Lateness of planned posts", size, cases)


async def measure(bench: Bench, scenario: str, title: str, size: Size, cases: Sequence[Case]) -> Result:
    """The lateness of each of these cases."""
    found: dict[Case, list[Figures]] = {case: [] for case in cases}
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(running_ledger("0.05"))
        for number, case in interleaved(cases, size.rounds):
            found[case].append(await bench.once(f"{number}: {case.key}", partial(_measure, bench, case, size, ledger)))
    rows = [
        Row(
            {"who": case.contestant.name, "profile": str(strictest(case.contestant)), "behind": f"{case.behind:,}"},
            runs,
        )
        for case, runs in found.items()
    ]
    about = (
        f"{size.spread:,} posts due over {size.seconds:g} s, then {size.burst:,} due within one second, over 1,000 accounts, {IN_FLIGHT} "
        "calls in flight; handed in before, in no order, while so many more that are due in a year lie in the same place. Lateness "
        "is counted in the ledger, from the due time to the arrival of the call. Each contestant keeps the schedule in its own way."
    )
    return Result(scenario, bench.form, title, about, [Table("", "", COLUMNS, rows)], _verdicts(found, size))


async def _measure(bench: Bench, case: Case, size: Size, ledger: Ledger) -> Figures:
    patience = 1.0
    for tries_left in reversed(range(TRIES)):
        try:
            return await _try(bench, case, size, ledger, patience)
        except NotReadyError as late:
            if not tries_left:
                raise
            bench.tell(f"{case.key}: {late}; once more with more time")
            patience *= 2
    raise AssertionError("unreachable")


async def _try(bench: Bench, case: Case, size: Size, ledger: Ledger, patience: float) -> Figures:
    def planned(begins: float) -> list[Job]:
        together = begins + size.seconds + size.pause
        jobs = make_jobs(size.spread, lambda number: begins + size.seconds * number / size.spread, prefix="spread")
        jobs += make_jobs(size.burst, lambda number: together + number / size.burst, prefix="burst")
        random.Random(SEED).shuffle(jobs)  # noqa: S311 - people do not hand in by due time; no secret
        return jobs

    takes = case.contestant.preparing_seconds(Work(planned(time.time()), IN_FLIGHT, 1, ledger.url, case.behind))
    begins = time.time() + takes * patience
    jobs = planned(begins)
    work = Work(jobs, IN_FLIGHT, 1, ledger.url, case.behind)
    one = await run_once(case.contestant, strictest(case.contestant), work, ledger, bench.servers)
    if one.ready_at > begins:
        raise NotReadyError(f"it took {one.ready_at - begins:.0f} s longer than planned until it was ready")
    due = {job.name: job.due_at for job in jobs}
    late = {
        entry.name: entry.at - due[entry.name]
        for entry in reversed(one.entries)
        if entry.name in due and not entry.repeat
    }
    figures = counted(one)
    for part in ("spread", "burst"):
        figures |= spread(sorted(seconds for name, seconds in late.items() if name.startswith(part)), part)
    early = sum(1 for seconds in late.values() if seconds < 0)
    return {**figures, "early": early, "staged_seconds": one.staged_seconds}


def _verdicts(found: dict[Case, list[Figures]], size: Size) -> list[Verdict]:
    verdicts = []
    rows = {case: Row({}, runs) for case, runs in found.items()}
    for case, row in rows.items():
        if not case.contestant.name.startswith("Hayon"):
            continue
        late = (row.median("burst_p99") or 0.0) / 1000
        if (size.burst, case.behind) == (3000, 1_000_000):
            verdicts.append(
                Verdict(f"{case.contestant.name}: 3,000 due in one second with 1,000,000 behind, p99 under 1 s", late < 1,
                        f"p99 {late:.2f} s")
            )  # fmt: skip
        best = _best_peer(rows, case.behind)
        if best is not None:
            peer, took = best
            fewer = f", and {peer.behind:,} behind" if peer.behind != case.behind else ""
            verdicts.append(
                Verdict(f"{case.contestant.name}: ahead of every peer, {case.behind:,} behind, p99 of those due in one second",
                        late < took, f"{late:.2f} s; the best peer: {peer.contestant.name} with {took:.2f} s{fewer}")
            )  # fmt: skip
    return verdicts


def _best_peer(rows: Mapping[Case, Row], behind: int) -> tuple[Case, float] | None:
    """The least p99 of a peer that lost nothing, and whose; of each peer what it did with so many behind or, where it was not
    run with so many, with the most that are fewer."""
    nearest: dict[str, Case] = {}
    for case in sorted(rows, key=lambda one: one.behind):
        if case.behind <= behind and not case.contestant.name.startswith(("Hayon", "RabbitMQ")):
            nearest[case.contestant.name] = case
    found = [
        (case, (rows[case].median("burst_p99") or 0.0) / 1000)
        for case in nearest.values()
        if not rows[case].median("lost")
    ]
    return min(found, key=lambda one: one[1], default=None)
