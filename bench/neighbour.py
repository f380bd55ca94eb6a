"""How long one author's post waits behind another's many: whose turn it is."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial

from bench.contest import Contestant, Job, Staged, Work
from bench.judge import Ledger, running_ledger
from bench.result import Column, Result, Row, Table, Verdict
from bench.rounds import COUNTS, Bench, Figures, Form, counted, interleaved, strictest
from bench.runs import run_once

IN_FLIGHT = 64
AFTER_SECONDS = 1.0
MANY, ONE = 0, 1
"""The author of many, and the other one."""
ACCOUNTS = 200
"""Of the author of many; the other has one."""
COLUMNS = (Column("late", "the other's post, ms late"), Column("before", "sent before it"), *COUNTS)


@dataclass(frozen=True)
class Size:
    """How many posts of the one author, and how many runs."""

    posts: int
    rounds: int


SIZES = {Form.SMOKE: Size(40, 1), Form.SHORT: Size(3000, 1), Form.FULL: Size(10_000, 5)}


async def run(bench: Bench) -> Result:
    """With every contestant that can."""
    size = SIZES[bench.form]
    cases = bench.able("neighbour", jobs=size.posts)
    found: dict[Contestant, list[Figures]] = {case: [] for case in cases}
    with running_ledger("0.05") as ledger:
        for number, case in interleaved(cases, size.rounds):
            figures = await bench.once(f"{number}: {case.name}", partial(_measure, bench, case, size, ledger))
            found[case].append(figures)
    rows = [Row({"who": case.name, "profile": str(strictest(case))}, runs) for case, runs in found.items()]
    about = (
        f"One author has {size.posts:,} posts due on {ACCOUNTS} accounts; {AFTER_SECONDS:g} s after the workers have started another "
        f"author hands one in. It is late by what lies between handing in and arriving. {IN_FLIGHT} calls in flight, one process."
    )
    return Result(
        "neighbour",
        bench.form,
        "One author behind another's many",
        about,
        [Table("", "", COLUMNS, rows)],
        _verdicts(found),
    )


async def _measure(bench: Bench, case: Contestant, size: Size, ledger: Ledger) -> Figures:
    due_at = time.time() - 60
    jobs = [Job(f"many-{number}", number % ACCOUNTS, MANY, due_at) for number in range(size.posts)]
    # the other author's account is known before: it has had a post already
    jobs.append(Job("before-0", ACCOUNTS, ONE, due_at - 60))

    async def hand_in(staged: Staged) -> list[Job]:
        await asyncio.sleep(AFTER_SECONDS)
        job = Job("other-0", ACCOUNTS, ONE, time.time())
        await staged.add(job)
        return [job]

    work = Work(jobs, IN_FLIGHT, 1, ledger.url)
    one = await run_once(case, strictest(case), work, ledger, bench.servers, meanwhile=hand_in)
    names = [entry.name for entry in one.entries]
    figures = counted(one)
    if "other-0" in names:
        figures |= {
            "before": names.index("other-0"),
            "late": 1000 * (one.entries[names.index("other-0")].at - one.handed_in[0].due_at),
        }
    return figures


def _verdicts(found: dict[Contestant, list[Figures]]) -> list[Verdict]:
    medians = {case.name: Row({}, runs).median("late") for case, runs in found.items()}
    peers = {name: late for name, late in medians.items() if late is not None and not name.startswith("Hayon")}
    best = min(peers, key=lambda name: peers[name], default="")
    return [
        Verdict(
            f"{name}: ahead of every peer",
            None if not best or late is None else late < peers[best],
            f"{late or 0:,.0f} ms"
            + (f"; the best peer: {best} with {peers[best]:,.0f} ms" if best else "; no peer was measured"),
        )
        for name, late in medians.items()
        if name.startswith("Hayon")
    ]
