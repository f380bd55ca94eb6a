"""The loop that takes due targets and starts their deliveries, as many at once as it has slots. It never waits for a platform itself."""

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID, uuid4

from hayon import telemetry
from hayon.brokers.contract import Broker
from hayon.delivery.deliver import Delivery
from hayon.domain.model import Claim
from hayon.errors import DatabaseUnreachable
from hayon.store import outbox
from hayon.store.database import Database

GATHERING_SECONDS = 0.002
"""How long freed slots are gathered before the next claim, so that a busy worker claims several at once."""


class Worker:
    """Claims what is due, delivers it on tasks of its own, and hands back what it cannot finish when it stops."""

    def __init__(
        self, database: Database, broker: Broker, delivery: Delivery, platforms: Collection[str], *,
        slots: int = 64, lease: timedelta = timedelta(seconds=90), poll: timedelta = timedelta(seconds=1),
        grace: timedelta = timedelta(seconds=20),
    ) -> None:  # fmt: skip
        self._database = database
        self._broker = broker
        self._delivery = delivery
        self._slots = slots
        self._share = max(1, slots // 2)  # no platform holds more than half of the slots
        self._platforms = tuple(platforms)
        self._lease = lease
        self._poll = poll.total_seconds()
        self._grace = grace.total_seconds()
        self._wake = asyncio.Event()
        self._stopping = False
        self._flying: dict[asyncio.Task[object], str] = {}
        self._uncertain: UUID | None = None
        self._wants_quiet = False
        self._lone = False

    async def run(self) -> None:
        """Works until stop() is called or the task is cancelled; then finishes or hands back what it holds."""
        listener = asyncio.create_task(self._listen(), name="worker-listener")
        try:
            while not self._stopping:
                if listener.done():
                    listener.result()
                self._wake.clear()
                try:
                    taken = await self._take()
                except DatabaseUnreachable as error:
                    telemetry.emit("database.unreachable", level="warning", reason=str(error))
                    await asyncio.sleep(self._poll)
                    continue
                if taken and self._has_room():
                    continue
                await self._wait()
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            await self._finish()

    def stop(self) -> None:
        """Takes nothing more; run() returns when what is in flight has ended or the grace is over."""
        self._stopping = True
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
        if self._wants_quiet or not self._flying:
            lone = await self._take_lone()
            if lone is not None:
                return lone
        room = self._room()
        if not room:
            return 0
        return self._start(await self._claim(room, alone=False))

    async def _take_lone(self) -> int | None:
        """A target whose leases were lost runs with nothing beside it, lest it takes others down with it."""
        self._wants_quiet = await self._database.read(outbox.find_lone_due, self._platforms)
        if not self._wants_quiet:
            return None
        if self._flying:
            return 0
        claims = await self._claim(dict.fromkeys(self._platforms, 1), alone=True)
        self._lone = self._start(claims) > 0
        return 0

    async def _claim(self, room: dict[str, int], *, alone: bool) -> list[Claim]:
        claim_id = uuid4()
        try:
            return await self._database.write(
                outbox.claim_due, room=room, places=self._slots - len(self._flying), claim_id=claim_id,
                lease=self._lease, alone=alone,
            )  # fmt: skip
        except DatabaseUnreachable:
            self._uncertain = claim_id
            raise

    def _room(self) -> dict[str, int]:
        """How many more of each platform may be taken, those first that hold least; never more than are free together."""
        held = Counter(self._flying.values())
        if len(self._flying) >= self._slots:
            return {}
        order = sorted(self._platforms, key=lambda one: held[one])
        return {platform: self._share - held[platform] for platform in order if held[platform] < self._share}

    def _has_room(self) -> bool:
        return bool(self._room())

    def _start(self, claims: list[Claim]) -> int:
        for claim in claims:
            telemetry.lateness.observe(max(0.0, (claim.claimed_at - claim.due_at).total_seconds()))
            telemetry.emit("target.claimed", level="debug", platform=claim.platform, target_id=str(claim.target_id))
            task = asyncio.create_task(self._delivery.deliver(claim), name=f"delivery-{claim.target_id}")
            self._flying[task] = claim.platform
            task.add_done_callback(self._landed)
        telemetry.in_flight.set(len(self._flying))
        return len(claims)

    def _landed(self, task: asyncio.Task[object]) -> None:
        self._flying.pop(task, None)
        telemetry.in_flight.set(len(self._flying))
        if not task.cancelled() and task.exception() is not None:
            telemetry.emit("duty.failed", level="error", duty="delivery", reason=repr(task.exception()))
        self._wake.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._poll):
                await self._wake.wait()
        except TimeoutError:
            if self._flying and await self._ask_for_quiet():
                self._wants_quiet = True
            return
        await asyncio.sleep(GATHERING_SECONDS)

    async def _ask_for_quiet(self) -> bool:
        try:
            return await self._database.read(outbox.find_lone_due, self._platforms)
        except DatabaseUnreachable:
            return False

    async def _listen(self) -> None:
        while True:
            if await self._broker.listen(60):
                self._wake.set()

    async def _finish(self) -> None:
        if self._flying:
            await asyncio.wait(self._flying, timeout=self._grace)
        late = list(self._flying)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
