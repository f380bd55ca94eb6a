"""How jobs reach a peer's producer: a line of JSON for each order on its input, a line of JSON for each that is done. Runs beside the peers."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.contest import Job

YEAR_SECONDS = 365 * 86_400
BEHIND = "behind"
"""Names of jobs that wait behind the others begin with this."""

HandIn = Callable[[Sequence[Job]], None]
HandInAsync = Callable[[Sequence[Job]], Awaitable[None]]


def serve(hand_in: HandIn) -> None:
    """Hands in what is ordered until the input ends."""
    _say(0)
    for line in sys.stdin:
        jobs = _read(line)
        hand_in(jobs)
        _say(len(jobs))


async def serve_async(hand_in: HandInAsync) -> None:
    """As `serve`, beside whatever else the loop does."""
    _say(0)
    while line := await asyncio.to_thread(sys.stdin.readline):
        jobs = _read(line)
        await hand_in(jobs)
        _say(len(jobs))


def serve_threads(hand_in_one: Callable[[Job], None], producers: int) -> None:
    """As `serve`, for peers that have no call for many: several threads share the waiting for the broker."""
    with ThreadPoolExecutor(producers) as threads:

        def hand_in(jobs: Sequence[Job]) -> None:
            for part in in_parts(jobs, 10_000):
                list(threads.map(hand_in_one, part))

        serve(hand_in)


def in_parts(jobs: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    """Them all, at most `size` at once."""
    return (jobs[first : first + size] for first in range(0, len(jobs), size))


def seconds_until(job: Job) -> float:
    """How long it is not due yet; nothing or less when it is."""
    return job.due_at - time.time()


def behind(first: int, count: int) -> list[Job]:
    """Jobs that nobody will see done."""
    due_at = time.time() + YEAR_SECONDS
    return [Job(f"{BEHIND}-{number}", number % 1000, number % 1000, due_at) for number in range(first, first + count)]


def _read(line: str) -> list[Job]:
    order = json.loads(line)
    return behind(*order["behind"]) if "behind" in order else [Job(*one) for one in order["jobs"]]


def _say(handed_in: int) -> None:
    print(json.dumps({"handed_in": handed_in}), flush=True)
