"""The loop that takes due targets and starts their deliveries: as many at the platforms as it has slots, and a few ahead.
It never waits for a platform itself."""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Protocol
from uuid import UUID, uuid4

from hayon import telemetry
from hayon.delivery.deliver import Delivery
from hayon.delivery.outcomes import StepEnded
from hayon.domain.lifecycle import Ended, Outcome, Settlement
from hayon.domain.model import Claim
from hayon.errors import DatabaseUnreachable
from hayon.store import outbox
from hayon.store.database import Database

GATHERING_SECONDS = 0.01
"""At least so long passes from one claim to the next, so that a busy worker claims several at once."""
AGAIN_SECONDS = 0.05
"""After a claim that got fewer than there was room for, unless something wakes it before."""
AHEAD_SECONDS = 0.5
"""As many as gave a slot back within this time, and no more than there are slots, are claimed beyond these: they are read
before a slot is free, and written after it is given back."""
PATIENCE = 0.1
"""Part of a lease for which a claim waits for a slot. Then it is handed back, for waiting is no progress: platforms that
became slow would else let the leases of what was claimed ahead run out."""

HANDED_BACK = Outcome(Ended.INTERRUPTED, "No slot was free for it; it is taken again.")


class Source(Protocol):
    """Where a worker's claims come from: due rows in fair turns, or the rows that bells name."""

    async def claim(self, room: dict[str, int], places: int, claim_id: UUID) -> list[Claim]:
        """Takes up to so many. Raises DatabaseUnreachable: then they may have been taken all the same."""
        ...

    def rung_by(self, claim: Claim) -> str:
        """The traceparent of the bell that named it; "" where none did."""
        ...

    async def settled(self, claim: Claim, settlement: Settlement | None) -> None:
        """A delivery has ended; its slot and its account are free."""
        ...

    async def listen(self, wake: Callable[[], None]) -> None:
        """Calls `wake` whenever there may be something to take, until it is cancelled."""
        ...

    async def pause(self, *, until_it_answers: bool) -> None:
        """The database does not answer (True), or does again (False)."""
        ...


class _Slot:
    """A slot, once one is free, and no more than half of all for one platform. Entering raises StepEnded where that takes too
    long, or nothing new is begun any more."""

    __slots__ = ("_own", "_platform", "_worker")

    def __init__(self, worker: "Worker", platform: str) -> None:
        self._worker = worker
        self._platform = platform
        self._own = worker.free_for[platform]

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(self._worker.patience):
                await self._own.acquire()
                try:
                    await self._worker.free.acquire()
                except BaseException:
                    self._own.release()
                    raise
        except TimeoutError:
            raise StepEnded(HANDED_BACK) from None
        if self._worker.stopping:
            self._give_back()
            raise StepEnded(HANDED_BACK)

    async def __aexit__(self, *_: object) -> None:
        self._worker.ended.append((time.monotonic(), self._platform))
        self._give_back()

    def _give_back(self) -> None:
        self._worker.free.release()
        self._own.release()


class Worker:
    """Claims what is due, delivers it on tasks of its own, and hands back what it cannot finish when it stops."""

    def __init__(
        self, database: Database, source: Source, delivery: Delivery, platforms: Collection[str], *,
        slots: int = 64, lease: timedelta = timedelta(seconds=90), poll: timedelta = timedelta(seconds=1),
        grace: timedelta = timedelta(seconds=20),
    ) -> None:  # fmt: skip
        self._database = database
        self._source = source
        self._delivery = delivery
        self._slots = slots
        self._share = max(1, slots // 2)  # no platform holds more than half of the slots
        self.free = asyncio.Semaphore(slots)
        self.free_for = {platform: asyncio.Semaphore(self._share) for platform in platforms}
        self._platforms = tuple(platforms)
        self.patience = lease.total_seconds() * PATIENCE
        self._lease = lease
        self._poll = poll.total_seconds()
        self._grace = grace.total_seconds()
        self._wake = asyncio.Event()
        self.stopping = False
        self._flying: dict[asyncio.Task[object], str] = {}
        self.ended: deque[tuple[float, str]] = deque()  # when, and on which platform
        self._claimed_at = 0.0
        self._uncertain: UUID | None = None
        self._wants_quiet = False
        self._asked_for_quiet_at = -math.inf
        self._lone = False
        self._paused = False

    async def run(self) -> None:
        """Works until stop() is called or the task is cancelled; then finishes or hands back what it holds."""
        listener = asyncio.create_task(self._source.listen(self._wake.set), name="worker-listener")
        try:
            while not self.stopping:
                if listener.done():
                    listener.result()
                self._wake.clear()
                try:
                    taken = await self._take()
                except DatabaseUnreachable as error:
                    telemetry.emit("database.unreachable", level="warning", reason=str(error))
                    await self._pause(until_it_answers=True)
                    await asyncio.sleep(self._poll)
                    continue
                await self._pause(until_it_answers=False)
                if taken and self._room():
                    await self._wait(AGAIN_SECONDS)  # some may be behind those that were looked at
                elif not await self._wait(self._poll) and self._flying:
                    self._wants_quiet = self._wants_quiet or await self._ask_for_quiet()
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            await self._finish()

    def stop(self) -> None:
        """Takes nothing more; run() returns when what is in flight has ended or the grace is over."""
        self.stopping = True
        self._wake.set()

    async def _take(self) -> int:
        if self._uncertain is not None:
            # the commit of an earlier claim was not answered: whatever it took is ours already
            claims = await self._database.read(outbox.find_claims, self._uncertain)
            self._uncertain = None
            return self._start(claims)
        self._lone = self._lone and bool(self._flying)
        if self._lone:
            return 0
        if self._wants_quiet:
            lone = await self._take_lone()
            if lone is not None:
                return lone
        room = self._room()
        taken = self._start(await self._claim(room)) if room else 0
        if taken or self._flying or self._asked_lately():
            return taken
        return await self._take_lone() or 0

    async def _take_lone(self) -> int | None:
        """A target whose leases were lost runs with nothing beside it, lest it takes others down with it."""
        self._wants_quiet = await self._database.read(outbox.find_lone_due, self._platforms)
        self._asked_for_quiet_at = time.monotonic()
        if not self._wants_quiet:
            return None
        if self._flying:
            return 0
        claim_id = self._uncertain = uuid4()
        claims = await self._database.write(
            outbox.claim_lone, platforms=self._platforms, claim_id=claim_id, lease=self._lease
        )
        self._uncertain = None
        self._lone = self._start(claims) > 0
        return 0

    def _asked_lately(self) -> bool:
        """Within one poll: a question that is nearly always answered with no, and is asked when there is nothing else to do."""
        return time.monotonic() - self._asked_for_quiet_at < self._poll

    async def _claim(self, room: dict[str, int]) -> list[Claim]:
        claim_id = self._uncertain = uuid4()
        claims = await self._source.claim(room, self._places(), claim_id)
        self._uncertain = None
        self._claimed_at = time.monotonic()
        return claims

    def _room(self) -> dict[str, int]:
        """How many more of each platform may be taken, those first that hold least; never more than are free together."""
        if self._places() <= 0:
            return {}
        held = Counter(self._flying.values())
        left = {platform: most - held[platform] for platform, most in self._most().items()}
        order = sorted(self._platforms, key=lambda one: held[one])
        return {platform: left[platform] for platform in order if left[platform] > 0}

    def _most(self) -> dict[str, int]:
        """How many of each platform may be under way: its share of the slots, and as many ahead as ended there of late."""
        long_ago = time.monotonic() - AHEAD_SECONDS
        while self.ended and self.ended[0][0] < long_ago:
            self.ended.popleft()
        ended = Counter(platform for _, platform in self.ended)
        return {platform: self._share + min(ended[platform], self._share) for platform in self._platforms}

    def _places(self) -> int:
        """How many more may be under way at all. What a platform that became slow has too many of counts no further than it
        may have: the others go on."""
        held = Counter(self._flying.values())
        used = sum(min(held[platform], most) for platform, most in self._most().items())
        return self._slots + min(len(self.ended), self._slots) - used

    def _start(self, claims: list[Claim]) -> int:
        for claim in claims:
            telemetry.lateness.observe(max(0.0, (claim.claimed_at - claim.due_at).total_seconds()))
            task = asyncio.create_task(self._carry(claim), name=f"delivery-{claim.target_id}")
            self._flying[task] = claim.platform
            task.add_done_callback(self._landed)
        telemetry.in_flight.set(len(self._flying))
        return len(claims)

    async def _carry(self, claim: Claim) -> None:
        settlement = await self._delivery.deliver(
            claim, rung_by=self._source.rung_by(claim), slot=_Slot(self, claim.platform)
        )
        await self._source.settled(claim, settlement)

    def _landed(self, task: asyncio.Task[object]) -> None:
        self._flying.pop(task)
        telemetry.in_flight.set(len(self._flying))
        if not task.cancelled() and task.exception() is not None:
            telemetry.emit("duty.failed", level="error", duty="delivery", reason=repr(task.exception()))
        self._wake.set()

    async def _pause(self, *, until_it_answers: bool) -> None:
        if self._paused is not until_it_answers:
            self._paused = until_it_answers
            await self._source.pause(until_it_answers=until_it_answers)

    async def _wait(self, seconds: float) -> bool:
        """Until something wakes it, and no shorter than claims are apart. False where nothing did in so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(max(0.0, self._claimed_at + GATHERING_SECONDS - time.monotonic()))
        return True

    async def _ask_for_quiet(self) -> bool:
        try:
            return await self._database.read(outbox.find_lone_due, self._platforms)
        except DatabaseUnreachable:
            return False

    async def _finish(self) -> None:
        if self._flying:
            await asyncio.wait(self._flying, timeout=self._grace)
        late = list(self._flying)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
