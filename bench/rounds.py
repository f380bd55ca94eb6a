"""What every scenario runs on: its form, the contestants, the servers, and runs that are interleaved, told of and continued."""

import json
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from bench.contest import Contestant, Job, Profile
from bench.judge import percentile
from bench.result import Column
from bench.runs import Run
from bench.servers import Servers

SEED = 7
"""Of the order of contestants within a round, the same at each run."""
ACCOUNTS, ACCOUNTS_EACH = 1000, 5
"""Over so many accounts jobs are spread, and so many of them are one author's."""

SLOW = {"one at a time": 400}
"""By the beginning of a name: who takes so many jobs at most, because more would take all day."""

Case = TypeVar("Case")
Figures = dict[str, float]


class Form(StrEnum):
    """How large a scenario is. `SMOKE` measures nothing: it shows that ledgers and counts agree."""

    SMOKE = "smoke"
    SHORT = "short"
    FULL = "full"


@dataclass(frozen=True)
class Bench:
    """What a scenario is handed. `kept`: a file for the runs of a long form that was interrupted; None keeps nothing."""

    form: Form
    contestants: Sequence[Contestant]
    servers: Servers
    tell: Callable[[str], None] = print
    kept: Path | None = None

    async def once(self, key: str, run: Callable[[], Awaitable[Figures]]) -> Figures:
        """The figures of one run: as they are kept from before, or measured now, kept, and told in a line."""
        known = self._read()
        if key in known:
            self.tell(f"{key}: {_shown(known[key])} (kept)")
            return known[key]
        began = time.monotonic()
        figures = await run()
        if self.kept is not None:
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            with self.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, figures]) + "\n")
        self.tell(f"{key}: {_shown(figures)} ({time.monotonic() - began:.0f} s)")
        return figures

    def able(self, part: str, *, jobs: int = 0, workers: int = 1, behind: int = 0) -> list[Contestant]:
        """Those that take part and can do so much. Some say that they belong to one process, or cannot hold what waits behind,
        or stand beside some parts only: `most_workers`, `most_behind`, `parts`."""
        limits = {"most_workers": workers, "most_behind": behind}
        return [
            one
            for one in self.contestants
            if part in getattr(one, "parts", (part,))
            and jobs <= most_jobs(one, jobs)
            and all((most := getattr(one, name, None)) is None or wanted <= most for name, wanted in limits.items())
        ]

    def _read(self) -> dict[str, Figures]:
        if self.kept is None or not self.kept.exists():
            return {}
        return dict(json.loads(line) for line in self.kept.read_text(encoding="utf-8").splitlines())


def interleaved(cases: Iterable[Case], rounds: int) -> list[tuple[int, Case]]:
    """Every case once in each round, the order of each shuffled: what changes on the machine meets all of them alike."""
    dice, order = random.Random(SEED), []  # noqa: S311 - the same at each run, no secret
    for number in range(rounds):
        one = list(cases)
        dice.shuffle(one)
        order += [(number, case) for case in one]
    return order


def make_jobs(
    count: int, due_at: Callable[[int], float], *, prefix: str = "job", accounts: int = ACCOUNTS
) -> list[Job]:
    """So many jobs, one account after the other, due as `due_at` says of each number."""
    return [
        Job(f"{prefix}-{number}", number % accounts, number % accounts // ACCOUNTS_EACH, due_at(number))
        for number in range(count)
    ]


def most_jobs(contestant: Contestant, wanted: int) -> int:
    """So many of the wanted jobs as it takes."""
    return min([wanted, *(most for beginning, most in SLOW.items() if contestant.name.startswith(beginning))])


def strictest(contestant: Contestant) -> Profile:
    """The safest profile that it can run in: where only one is measured, this one is."""
    return [one for one in Profile if one in contestant.profiles][-1]


def spread(values: Sequence[float], name: str, *, scale: float = 1000) -> Figures:
    """The median, the 99th percentile and the greatest of sorted seconds, in milliseconds unless scaled else."""
    return {
        f"{name}_p50": percentile(values, 0.5) * scale, f"{name}_p99": percentile(values, 0.99) * scale,
        f"{name}_max": percentile(values, 1) * scale,
    }  # fmt: skip


def counted(run: Run) -> Figures:
    """What the ledger proves of a run, and what is stored of it."""
    one = run.judged
    return {
        "jobs": one.jobs,
        "done": one.done,
        "lost": one.lost,
        "doubled": one.doubled,
        "strange": one.strange,
        "outcomes": run.outcomes,
    }


COUNTS = (
    Column("done", "done", exact=True),
    Column("lost", "lost", exact=True),
    Column("doubled", "doubled", exact=True),
)
"""The columns that every table ends with."""


def _shown(figures: Figures) -> str:
    return ", ".join(f"{name} {value:,.4g}" for name, value in figures.items())
