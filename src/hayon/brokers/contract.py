"""What every broker is. A bell says that a target is due; it carries no content, and losing one costs seconds, never a post.

Beside bells a broker keeps a mirror of what is parked (failed targets, so that they can be watched) and what it could
not read. The truth about both is in the database.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Bell:
    """One target is due. A bell of an older `version` of its content claims nothing.

    `ring` counts the rings of one target: a bell that came early is rung again only while its number is the row's.
    `timestamp` is when it was rung, `correlation_id` that of the request that made the post, `traceparent` that of the
    ring in the form of W3C Trace Context ("" where nothing is traced).
    """

    post_id: UUID
    target_id: UUID
    user_id: UUID
    platform: str
    version: int
    ring: int
    timestamp: datetime
    correlation_id: str
    traceparent: str = ""


class Heard(Protocol):
    """A bell in a listener's hands. Until `done()` the broker remembers it, and hands it to another if this one is lost."""

    @property
    def bell(self) -> Bell:
        """What was rung."""
        ...

    @property
    def redelivered(self) -> bool:
        """Whether somebody may have heard it before."""
        ...

    async def done(self) -> None:
        """It was claimed, or is of no use any more. Never raises: where the link is gone the bell comes again, and claims nothing."""
        ...


class Through(StrEnum):
    """Where a bell waits for its time."""

    RETRY = "retry"  # the next try of a target; never comes early
    WAITING_ROOM = "waiting room"  # a scheduled post, in steps: it may come early, and is rung again for the rest
    PLUGIN = "plugin"  # a scheduled post, held by the delayed message exchange where the broker has one


@dataclass(frozen=True, slots=True)
class Parked:
    """The mirror of one failed target: who it is, how often it was tried, and why it ended. `parked_at` is the database's time."""

    post_id: UUID
    target_id: UUID
    user_id: UUID
    platform: str
    retry_count: int
    last_error: str
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be read, or that came back too often. `bell` where it can be read after all."""

    letter_id: str
    reason: str
    body: bytes  # at most its first 4,096 bytes
    bell: Bell | None
    died_at: datetime | None


class Broker(Protocol):
    """Carries bells from relays to the workers of its reach.

    Every call raises BrokerUnreachable where there is no link; the link comes back by itself (`keep`).
    """

    @property
    def by_name(self) -> bool:
        """True: workers claim only what bells name. False: a bell is a wake-up, and workers take due rows from the index."""
        ...

    @property
    def links(self) -> int:
        """How often the link for ringing was made: a new number means that bells rung before may be lost."""
        ...

    async def open(self) -> None:
        """Connects, sets up what is missing and tries it out. Raises Misconfigured where something is wired in another way."""
        ...

    async def keep(self) -> None:
        """A duty: keeps every link up, and what hangs on it, until it is cancelled."""
        ...

    async def aclose(self) -> None:
        """Lets go of everything; bells that were heard and not done go to others."""
        ...

    async def ring(self, bells: Sequence[Bell]) -> list[Bell]:
        """Rings, all together. Those bells for which the broker gave its word; the others have to be rung again."""
        ...

    async def ring_later(self, bell: Bell, delay: timedelta, through: Through) -> bool:
        """Rings after `delay`. False where no step fits: then nothing is rung.

        RETRY waits at least `delay`; WAITING_ROOM waits the largest step that is not longer than it.
        """
        ...

    async def start_listening(self, prefetch: int) -> None:
        """From now on up to `prefetch` bells are held here that are not done. Where there is no link `keep` sees to it."""
        ...

    async def stop_listening(self) -> None:
        """No new bells: those nobody heard go back at once, those heard may still be done.

        For the end of a worker. While only the database is away, just do not hear: a bell that goes back counts against
        the delivery limit, and `prefetch` holds the rest.
        """
        ...

    async def hear(self, seconds: float) -> list[Heard]:
        """What has been rung since, waiting up to so long for the first. Empty when nothing was, or when somebody woke us.

        Raises BrokerUnreachable only after that time, where there is still no link.
        """
        ...

    def wake(self) -> None:
        """Whoever waits in `hear` on this broker object looks again; where nobody does, the next look returns at once."""
        ...

    async def count_waiting(self) -> int:
        """How many bells nobody holds yet."""
        ...

    async def park(self, parked: Collection[Parked]) -> None:
        """Adds to the mirror of what failed; returns when the broker gave its word."""
        ...

    async def unpark(self, target_ids: Collection[UUID]) -> int:
        """Drops these from the mirror. How many were there."""
        ...

    async def count_parked(self) -> int:
        """How many the mirror shows."""
        ...

    async def list_dead_letters(self, most: int = 100) -> list[DeadLetter]:
        """The oldest first; they stay where they are."""
        ...

    async def replay_dead_letters(self, letter_ids: Collection[str]) -> list[str]:
        """Rings those again that can be read, and drops them here. Which were rung."""
        ...

    async def discard_dead_letters(self, letter_ids: Collection[str]) -> list[str]:
        """Drops these. Which were there."""
        ...
