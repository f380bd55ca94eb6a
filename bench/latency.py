"""How long it takes from handing a post in to the platform's receiving it, on an idle system, one at a time."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import aiohttp

from bench.call import PATH, body_of, headers_of
from bench.contest import Contestant, Job, Profile, Staged, Work
from bench.judge import Ledger, running_ledger
from bench.result import Column, Result, Row, Table, Verdict
from bench.rounds import COUNTS, SEED, Bench, Figures, Form, counted, interleaved, make_jobs, spread, strictest
from bench.runs import run_once

PACE_SECONDS = (0.15, 0.35)
"""Between one post and the next, at random: in time with nobody's looking for work, and long enough for the one before to end."""
ACCOUNTS = 20
FIRST = 3
"""Posts that are handed in before it is measured, by the same way: what is done once only is discarded."""
QUIET_SECONDS = 1.0
DIRECT = "a direct call, no queue"
COLUMNS = (
    Column("asked_p50", "from asking, p50 ms", 1), Column("asked_p99", "p99 ms", 1), Column("asked_max", "max ms", 1),
    Column("answered_p50", "from the answer, p50 ms", 1), Column("answered_p99", "p99 ms", 1), *COUNTS,
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How many posts in a run, and how many runs."""

    posts: int
    rounds: int


SIZES = {Form.SMOKE: Size(5, 1), Form.SHORT: Size(40, 1), Form.FULL: Size(200, 5)}


async def run(bench: Bench) -> Result:
    """With every contestant, and with none."""
    size = SIZES[bench.form]
    cases: list[Contestant | None] = [None, *bench.able("latency", jobs=size.posts)]
    found: dict[Contestant | None, list[Figures]] = {case: [] for case in cases}
    with running_ledger("0.05") as ledger:
        for number, case in interleaved(cases, size.rounds):
            key = f"{number}: {case.name if case else DIRECT}"
            found[case].append(await bench.once(key, partial(_measure, bench, case, size, ledger)))
    rows = [
        Row({"who": case.name if case else DIRECT, "profile": str(strictest(case)) if case else "none"}, runs)
        for case, runs in found.items()
    ]
    about = (
        f"After {FIRST} others {size.posts} posts are handed in one at a time, {PACE_SECONDS[0]:g} to {PACE_SECONDS[1]:g} s apart, each at a time chosen "
        "beforehand and counted from that time, until the ledger receives the call; Hayon over its API, peers by their own way of "
        "handing in. The answer comes when the post is accepted durably; a call may be received before its answer has arrived."
    )
    table = Table("", "", COLUMNS, rows)
    return Result("latency", bench.form, "Latency on an idle system", about, [table], _verdicts(found))


async def _measure(bench: Bench, case: Contestant | None, size: Size, ledger: Ledger) -> Figures:
    timed: dict[str, tuple[float, float]] = {}
    if case is None:
        await ledger.reset()
        await _call_directly(ledger, size.posts, timed)
        figures: Figures = {"done": (await ledger.count()).statuses, "lost": 0, "doubled": 0}
        arrived = {one.name: one.at for one in await ledger.read()}
    else:
        warm = make_jobs(ACCOUNTS, lambda _: time.time() - 60, prefix="warm", accounts=ACCOUNTS)

        async def hand_in(staged: Staged) -> list[Job]:
            while (await ledger.count()).statuses < len(warm):  # noqa: ASYNC110 - asked from outside
                await asyncio.sleep(0.05)
            await asyncio.sleep(QUIET_SECONDS)
            jobs = []
            for number in range(FIRST):
                jobs.append(Job(f"first-{number}", warm[number].account, warm[number].author, time.time()))
                await staged.add(jobs[-1])
                await asyncio.sleep(PACE_SECONDS[1])
            async for number, at in _paced(size.posts):
                place = warm[number % ACCOUNTS]
                jobs.append(Job(f"idle-{number}", place.account, place.author, at))
                await staged.add(jobs[-1])
                timed[jobs[-1].name] = (at, time.time())
            return jobs

        work = Work(warm, 64, 1, ledger.url)
        one = await run_once(case, strictest(case), work, ledger, bench.servers, meanwhile=hand_in)
        figures = counted(one)
        arrived = {entry.name: entry.at for entry in one.entries if entry.name in timed}
    asked = sorted(at - timed[name][0] for name, at in arrived.items())
    answered = sorted(max(0.0, at - timed[name][1]) for name, at in arrived.items())
    return {**spread(asked, "asked"), **spread(answered, "answered"), **figures}


async def _paced(count: int) -> AsyncIterator[tuple[int, float]]:
    """Numbers, each when its time has come; the time is the intended one, however late it is."""
    dice, at = random.Random(SEED), time.time()  # noqa: S311 - the same at each run, no secret
    for number in range(count):
        at += dice.uniform(*PACE_SECONDS)
        await asyncio.sleep(max(0.0, at - time.time()))
        yield number, at


async def _call_directly(ledger: Ledger, posts: int, timed: dict[str, tuple[float, float]]) -> None:
    async with aiohttp.ClientSession() as session:
        async for number, at in _paced(posts):
            name = f"direct-{number}"
            headers = headers_of(name, number % ACCOUNTS)
            async with session.post(ledger.url + PATH, data=body_of(name), headers=headers) as answer:
                answer.raise_for_status()
                await answer.read()
            timed[name] = (at, time.time())


def _verdicts(found: dict[Contestant | None, list[Figures]]) -> list[Verdict]:
    verdicts = []
    for case, runs in found.items():
        if case is None or not case.name.startswith("Hayon") or Profile.INTENT not in case.profiles:
            continue
        row = Row({}, runs)
        p50, p99 = row.median("asked_p50") or 0.0, row.median("asked_p99") or 0.0
        verdicts.append(
            Verdict(
                f"{case.name}: p50 under 20 ms, p99 under 100 ms",
                p50 < 20 and p99 < 100,
                f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            )
        )
    return verdicts
