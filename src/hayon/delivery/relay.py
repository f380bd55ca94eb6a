"""The only clock: rings for what becomes due, and sweeps up what was lost. It delivers nothing itself."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from hayon import telemetry
from hayon.errors import DatabaseUnreachable
from hayon.outgoing import boot_seconds
from hayon.store import accounts, connections, lateness, outbox, statistics
from hayon.store.database import Database, end_stalled
from hayon.store.wakeups import Wakeups

CLOCK_JUMP_SECONDS = 1.0


class Relay:
    """Two duties, run side by side: ring, and sweep. The row's due time decides; timers only make it precise."""

    def __init__(
        self, database: Database, wakeups: Wakeups, *, look_ahead: timedelta, poll: timedelta, sweep_every: timedelta,
        lease: timedelta, lost_leases_limit: int,
    ) -> None:  # fmt: skip
        self._database = database
        self._wakeups = wakeups
        self._look_ahead = look_ahead
        self._poll = poll.total_seconds()
        self._sweep_every = sweep_every.total_seconds()
        self._lease_seconds = lease.total_seconds()
        self._lost_leases_limit = lost_leases_limit
        self._timers: set[datetime] = set()
        self._offset: float | None = None
        self._no_rescue_before = 0.0
        self._onward: tuple[datetime, UUID] | None = None

    async def ring(self) -> None:
        """Looks a little ahead, sets a timer for each due time, and wakes workers when it comes; for the overdue at once.

        For workers of this process, which take due rows from the index. Bells by name are `Ringing`'s.
        """
        while True:
            try:
                now, due_times = await self._database.read(outbox.due_within, self._look_ahead)
            except DatabaseUnreachable as error:
                telemetry.emit("database.unreachable", level="warning", reason=str(error))
            else:
                for due_at in due_times:
                    self._set_timer(due_at, (due_at - now).total_seconds())
            await asyncio.sleep(self._poll)

    async def sweep(self) -> None:
        """Takes back lost leases, however old, fails what is too late, and repairs summaries; again and again."""
        while True:
            try:
                await self.sweep_once()
            except DatabaseUnreachable as error:
                telemetry.emit("database.unreachable", level="warning", reason=str(error))
            await asyncio.sleep(self._sweep_every)

    async def sweep_once(self) -> int:
        """One pass. How many targets were rescued."""
        stalled = await self._database.write(end_stalled)
        if stalled:
            telemetry.emit("database.stalled", level="warning", count=stalled)
        rescued = []
        if await self._clock_is_steady():
            rescued = await self._database.write(outbox.rescue, lost_leases_limit=self._lost_leases_limit)
            for target_id, status in rescued:
                telemetry.emit("target.rescued", level="warning", target_id=str(target_id), status=str(status))
        repaired, self._onward = await self._database.write(outbox.repair_summaries, self._onward)
        if repaired:
            telemetry.emit("post.summary_repaired", level="error", count=repaired)
        await self._fail_late()
        await self._database.write(accounts.forget_credentials)
        await self._database.write(connections.forget)
        if rescued:
            self._wakeups.wake()
        await self._database.write(statistics.bring_up_to_date)  # last: of large tables it may take too long
        return len(rescued)

    async def _fail_late(self) -> None:
        """What is too late waits for no worker."""
        while True:
            late = await self._database.write(lateness.fail_late)
            for one in late:
                telemetry.emit("target.too_late", platform=one.platform, target_id=str(one.target_id))
            if not late:
                return

    def _set_timer(self, due_at: datetime, seconds: float) -> None:
        if due_at in self._timers:
            return
        self._timers.add(due_at)
        asyncio.get_running_loop().call_later(max(0.0, seconds), self._fire, due_at)

    def _fire(self, due_at: datetime) -> None:
        self._timers.discard(due_at)
        self._wakeups.wake_here()  # every process that has workers of this kind sets timers of its own

    async def _clock_is_steady(self) -> bool:
        """False for one lease after the database's clock jumped: leases judged by it may not have run out at all."""
        now = await self._database.read(lambda tx: tx.now())
        boot = boot_seconds()
        offset, before = now.timestamp() - boot, self._offset
        self._offset = offset
        if before is not None and abs(offset - before) > CLOCK_JUMP_SECONDS:
            self._no_rescue_before = boot + self._lease_seconds
        return boot >= self._no_rescue_before
