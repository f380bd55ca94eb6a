"""The relay's and the worker's dealings with a broker that carries bells by name: announce in the row, then ring. Delivers nothing."""

import asyncio
import math
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from hayon import telemetry
from hayon.brokers.contract import Bell, Broker, Through
from hayon.domain.lifecycle import Settlement, TargetStatus
from hayon.domain.model import Claim
from hayon.errors import BrokerUnreachable, DatabaseUnreachable
from hayon.store import announcing
from hayon.store.announcing import Announced
from hayon.store.database import Database
from hayon.store.turns import Turns

ALARM_AFTER = 20
"""Bells for one row that nobody heard: somebody should look at the workers."""
COUNTED_SECONDS = 1.0
GATHERING_SECONDS = 0.02
"""At least so long lies between two passes, so that a busy one rings for several at once, and what was rung for is not held up."""
SHORT = timedelta(seconds=2)
"""A bell that is so early is kept in hand; one that is earlier is rung again."""
DAY = timedelta(days=1)


class Ringing:
    """Keeps at most a window of bells under way for each platform, in fair turns, and replaces those that nobody hears."""

    def __init__(
        self, database: Database, broker: Broker, platforms: Sequence[str], *, window: int, wait: timedelta,
        look_ahead: timedelta, poll: timedelta, retry_steps: Sequence[timedelta], schedule_via: str = "database",
        reach: timedelta = DAY,
    ) -> None:  # fmt: skip
        self._database = database
        self._broker = broker
        self._platforms = tuple(platforms)
        self._window = window
        self._wait = wait
        self._look_ahead = look_ahead
        self._poll = poll.total_seconds()
        self._retry_steps = tuple(retry_steps)
        self._through = {"ttl": Through.WAITING_ROOM, "plugin": Through.PLUGIN}.get(schedule_via)
        self._reach = reach
        self._turns = Turns()
        self._wake = asyncio.Event()
        self._timed: set[asyncio.Task[None]] = set()
        self._links = -1
        self._passed_at = self._counted_at = -math.inf
        self._many_wait = True  # until it is known

    def wake(self) -> None:
        """Something is due, or free."""
        self._wake.set()

    async def run(self) -> None:
        """A duty: announces and rings whatever is due, again and again, woken or not."""
        while True:
            await asyncio.sleep(max(0.0, self._passed_at + GATHERING_SECONDS - time.monotonic()))
            self._wake.clear()
            try:
                announced = await self.ring_due()
                if self._through is not None:
                    await self._hand_over(self._through)
            except (DatabaseUnreachable, BrokerUnreachable) as error:
                event = "database.unreachable" if isinstance(error, DatabaseUnreachable) else "broker.unreachable"
                telemetry.emit(event, level="warning", reason=str(error))
                await asyncio.sleep(self._poll)
                continue
            self._passed_at = time.monotonic()
            if announced:
                continue  # what was claimed meanwhile has made room
            try:
                async with asyncio.timeout(self._poll):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def ring_due(self) -> int:
        """One pass. How many bells were announced."""
        if self._broker.links != self._links:
            # what was rung over an earlier link may be gone with its broker; where it is not, two bells claim no more than one
            links, waiting = self._broker.links, await self._broker.count_waiting()
            if not waiting:
                await self._database.write(announcing.forget_due)
            self._links = links
        if self._many_wait and await self._too_many_wait():
            return 0  # workers are far behind: more bells help nobody
        now, announced = await self._database.write(
            announcing.announce_due, self._platforms, window=self._window, ahead=self._look_ahead, wait=self._wait,
            turns=self._turns,
        )  # fmt: skip
        self._tell(announced)
        await self._ring([one for one in announced if one.due_at <= now], now)
        coming: dict[datetime, list[Announced]] = {}
        for one in announced:
            if one.due_at > now:
                coming.setdefault(one.due_at, []).append(one)
        for due_at, ones in coming.items():
            self._set_timer((due_at - now).total_seconds(), ones, due_at)
        if time.monotonic() - self._counted_at > COUNTED_SECONDS:
            await self._too_many_wait()  # after the bells, which need not wait for it
        return len(announced)

    async def _too_many_wait(self) -> bool:
        """Asked of the broker while bells are many, else once a second: no more than a window comes to them meanwhile."""
        self._many_wait = await self._broker.count_waiting() > self._window * len(self._platforms)
        self._counted_at = time.monotonic()
        return self._many_wait

    async def ring_retry(self, claim: Claim, settlement: Settlement) -> bool:
        """After a counted try that is made again in one of the steps: its bell waits in the broker. Whether it was rung."""
        counted = settlement.status is TargetStatus.PENDING and not settlement.waits
        if not counted or not 1 <= settlement.tries <= len(self._retry_steps) or settlement.due_at is None:
            return False
        try:
            now, found = await self._database.write(
                announcing.announce_again, claim.target_id, due_at=settlement.due_at, ring=None, wait=self._wait,
                author_window=self._window,
            )  # fmt: skip
            return found is not None and await self._ring_later(found, now, Through.RETRY)
        except (DatabaseUnreachable, BrokerUnreachable):
            return False  # the relay rings when it is due

    async def ring_again(self, bell: Bell, due_at: datetime, ring: int) -> bool:
        """A bell came early: it is rung for the rest, if it is the newest of its row and the broker keeps bells for later.

        False where it is not: then the relay rings when the time has come.
        """
        if self._through is None or bell.ring != ring:
            return False
        try:
            now, found = await self._database.write(
                announcing.announce_again, bell.target_id, due_at=due_at, ring=ring, wait=self._wait
            )
            return found is not None and await self._ring_later(found, now, self._through)
        except (DatabaseUnreachable, BrokerUnreachable):
            return False

    async def _hand_over(self, through: Through) -> None:
        """Scheduled posts that are near enough go to the broker, which keeps them until they are due."""
        now, announced = await self._database.write(
            announcing.announce_ahead, self._platforms, window=self._window, after=max(SHORT, self._look_ahead),
            reach=self._reach, wait=self._wait,
        )  # fmt: skip
        for one in announced:
            await self._ring_later(one, now, through)

    async def _ring_later(self, one: Announced, now: datetime, through: Through) -> bool:
        rung, delay = False, one.due_at - now
        try:
            with telemetry.ring_together(through.name.lower(), [one.traceparent]) as traceparent:
                rung = delay > timedelta(0) and await self._broker.ring_later(
                    _bell(one, now, traceparent), delay, through
                )
        finally:
            if not rung:
                await self._database.write(announcing.take_back, [(one.target_id, one.ring)])
        return rung

    async def _ring(self, announced: Sequence[Announced], now: datetime) -> None:
        if not announced:
            return
        rung: set[tuple[object, int]] = set()
        try:
            with telemetry.ring_together("hayon_social_posts", [one.traceparent for one in announced]) as traceparent:
                bells = [_bell(one, now, traceparent) for one in announced]
                rung = {(bell.target_id, bell.ring) for bell in await self._broker.ring(bells)}
        finally:
            missed = [(one.target_id, one.ring) for one in announced if (one.target_id, one.ring) not in rung]
            if missed:
                await self._database.write(announcing.take_back, missed)

    def _set_timer(self, seconds: float, announced: Sequence[Announced], due_at: datetime) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            try:
                await self._ring(announced, due_at)
            except (DatabaseUnreachable, BrokerUnreachable) as error:
                telemetry.emit("broker.unreachable", level="warning", reason=str(error))

        task = asyncio.create_task(later(), name="bell-timer")
        self._timed.add(task)
        task.add_done_callback(self._timed.discard)

    def _tell(self, announced: Sequence[Announced]) -> None:
        again = [one for one in announced if one.unheard]
        for one in again:
            level = "error" if one.unheard >= ALARM_AFTER else "warning"
            telemetry.emit(
                "bell.rung_again", level=level, platform=one.platform, target_id=str(one.target_id), count=one.unheard
            )


def _bell(one: Announced, now: datetime, traceparent: str) -> Bell:
    """`traceparent` of the ring; where that is not recorded, that of the request which wrote the post."""
    return Bell(
        one.post_id, one.target_id, one.user_id, one.platform, one.version, one.ring, now, one.correlation_id,
        traceparent or one.traceparent,
    )  # fmt: skip
