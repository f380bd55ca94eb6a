"""The two ways to a worker's claims: due rows from the index, in fair turns; or the rows that a broker's bells name."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from hayon import telemetry
from hayon.brokers.contract import Broker, Heard
from hayon.delivery.ringing import SHORT, Ringing
from hayon.domain.lifecycle import Settlement
from hayon.domain.model import Claim
from hayon.errors import BrokerUnreachable
from hayon.store import outbox
from hayon.store.database import Database
from hayon.store.turns import Turns
from hayon.store.wakeups import Wakeups

LISTEN_SECONDS = 60.0


class FromIndex:
    """Takes due rows; a bell is only a wake-up. Nothing depends on its arriving."""

    def __init__(self, database: Database, broker: Broker, lease: timedelta) -> None:
        self._database = database
        self._broker = broker
        self._lease = lease
        self._turns = Turns()

    async def claim(self, room: dict[str, int], places: int, claim_id: UUID) -> list[Claim]:
        """Takes what is due, the authors in turn."""
        return await self._database.write(
            outbox.claim_due, room=room, places=places, claim_id=claim_id, lease=self._lease, turns=self._turns
        )

    async def settled(self, claim: Claim, settlement: Settlement | None) -> None:
        """The worker looks again by itself."""

    async def listen(self, wake: Callable[[], None]) -> None:
        """Hears wake-ups."""
        await self._broker.start_listening(1)
        while True:
            for heard in await self._broker.hear(LISTEN_SECONDS):
                await heard.done()
            wake()

    def rung_by(self, claim: Claim) -> str:  # noqa: ARG002 - no bell named it
        """Nobody."""
        return ""

    async def pause(self, *, until_it_answers: bool) -> None:
        """There are no bells to keep."""


class FromBells:
    """Takes exactly what bells name: claims them, lets the broker forget them, and only then the work begins."""

    def __init__(
        self, database: Database, broker: Broker, ringing: Ringing, wakeups: Wakeups, *, prefetch: int, lease: timedelta
    ) -> None:
        self._database = database
        self._broker = broker
        self._ringing = ringing
        self._wakeups = wakeups
        self._prefetch = prefetch
        self._lease = lease
        self._heard: dict[str, deque[Heard]] = {}
        self._picked: list[Heard] = []
        self._rung_by: dict[UUID, str] = {}
        self._timed: set[asyncio.Task[None]] = set()
        self._wake: Callable[[], None] = lambda: None
        self._answers = asyncio.Event()
        self._answers.set()

    async def claim(self, room: dict[str, int], places: int, claim_id: UUID) -> list[Claim]:
        """Claims the bells in hand for which there is room; what is early waits, or is rung again."""
        if not self._picked:
            self._picked = self._pick(room, places)
        if not self._picked:
            return []
        named: dict[UUID, int] = {}
        for one in self._picked:
            named[one.bell.target_id] = max(one.bell.version, named.get(one.bell.target_id, 0))
        taken = await self._database.write(outbox.claim_named, named=named, claim_id=claim_id, lease=self._lease)
        # while the database does not answer they stay in hand: a bell that is given back too often is taken for broken
        picked, self._picked = self._picked, []
        traces = {heard.bell.target_id: heard.bell.traceparent for heard in picked}
        self._rung_by |= {claim.target_id: traces.get(claim.target_id, "") for claim in taken.claims}
        early = {one.target_id: one for one in taken.early}
        for heard in picked:
            found = early.pop(heard.bell.target_id, None)
            if found is None:
                await heard.done()
            elif found.due_at - taken.now <= SHORT:
                self._keep(heard, (found.due_at - taken.now).total_seconds())
            else:
                await self._ringing.ring_again(heard.bell, found.due_at, found.ring)
                await heard.done()
        if stale := len(named) - len(taken.claims) - len(taken.early):
            telemetry.emit("bell.stale", level="debug", count=stale)
        self._wakeups.wake()  # there is room in the window
        return taken.claims

    def rung_by(self, claim: Claim) -> str:
        """The traceparent of the bell that named it; asked once."""
        return self._rung_by.pop(claim.target_id, "")

    async def settled(self, claim: Claim, settlement: Settlement | None) -> None:
        """The next try may wait in the broker; the account is free for its next post."""
        if settlement is not None:
            await self._ringing.ring_retry(claim, settlement)
        self._wakeups.wake()

    async def listen(self, wake: Callable[[], None]) -> None:
        """Takes bells into hand."""
        self._wake = wake
        await self._broker.start_listening(self._prefetch)
        while True:
            await self._answers.wait()
            try:
                for heard in await self._broker.hear(LISTEN_SECONDS):
                    self._heard.setdefault(heard.bell.platform, deque()).append(heard)
            except BrokerUnreachable:
                await asyncio.sleep(0.2)  # the broker's own duty brings the link back
            wake()

    async def pause(self, *, until_it_answers: bool) -> None:
        """While the database does not answer, no more bells are taken into hand, and none is given back: a broker takes a bell
        that comes back too often for broken."""
        if until_it_answers:
            self._answers.clear()
        else:
            self._answers.set()

    def _pick(self, room: dict[str, int], places: int) -> list[Heard]:
        picked: list[Heard] = []
        counts: Counter[str] = Counter()
        for platform, most in room.items():
            waiting = self._heard.get(platform, deque())
            while waiting and counts[platform] < most and len(picked) < places:
                picked.append(waiting.popleft())
                counts[platform] += 1
        return picked

    def _keep(self, heard: Heard, seconds: float) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            self._heard.setdefault(heard.bell.platform, deque()).append(heard)
            self._wake()

        task = asyncio.create_task(later(), name="early-bell")
        self._timed.add(task)
        task.add_done_callback(self._timed.discard)
