"""What every scenario asks of Hayon and of each of its peers alike: the work, and how it is staged. Nothing is measured here."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Profile(StrEnum):
    """How safe a run is. Only runs of one profile are compared with one another."""

    DOCUMENTED = "as documented"  # as the contestant's own first pages say
    DURABLE = "durable"  # confirmed publishing, late acknowledgement, queues that survive a broker; outcome stored
    INTENT = "durable, with intent"  # and before each call a committed row that says so: what Hayon always does


@dataclass(frozen=True)
class Job:
    """One post on one account: one HTTP call to the platform, whose ledger knows it by its name. `due_at`: unix seconds."""

    name: str
    account: int
    author: int
    due_at: float


@dataclass(frozen=True)
class Work:
    """What a contestant is handed: its jobs, how many calls may be in flight in one worker process, how many such processes.

    `behind`: so many more jobs, due in a year, wait in the same place.
    """

    jobs: Sequence[Job]
    in_flight: int
    workers: int
    ledger_url: str
    behind: int = 0


class Staged(Protocol):
    """Work that lies ready."""

    async def start(self) -> None:
        """Starts the workers; returns once they run. What is due is delivered from here on."""
        ...

    async def add(self, job: Job) -> None:
        """One more job, handed in while the workers run."""
        ...

    async def count_outcomes(self) -> int:
        """How many outcomes are stored durably by now."""
        ...

    def pids(self) -> Sequence[int]:
        """The worker processes, with their children."""
        ...


class Contestant(Protocol):
    """Hayon in one of its three setups, or a peer."""

    @property
    def name(self) -> str:
        """As a table shows it, with its version: "Celery 5.7.0, threads"."""
        ...

    @property
    def profiles(self) -> Sequence[Profile]:
        """The profiles it can run in."""
        ...

    def preparing_seconds(self, work: Work) -> float:
        """How long staging takes at most, so that due times can be set behind it."""
        ...

    def stage(self, work: Work, profile: Profile) -> AbstractAsyncContextManager[Staged]:
        """Hands the work in, in a fresh database and broker. Everything it started has ended when this ends."""
        ...
