"""Keeps the broker's parking lot a mirror of the failed targets in the database, so that it can be watched there. Decides nothing."""

import asyncio
from datetime import timedelta
from typing import Any

from hayon import telemetry
from hayon.brokers.contract import Broker, Parked
from hayon.errors import BrokerUnreachable, DatabaseUnreachable
from hayon.store import parking
from hayon.store.database import Database

MOST = 10_000
"""How many the mirror holds; the database holds all."""


class Mirroring:
    """A duty of relays."""

    def __init__(self, database: Database, broker: Broker, *, every: timedelta) -> None:
        self._database = database
        self._broker = broker
        self._every = every.total_seconds()
        self._links = -1

    async def run(self) -> None:
        """Again and again, until it is cancelled."""
        while True:
            try:
                while await self.mirror_once():
                    pass
            except (DatabaseUnreachable, BrokerUnreachable) as error:
                event = "database.unreachable" if isinstance(error, DatabaseUnreachable) else "broker.unreachable"
                telemetry.emit(event, level="warning", reason=str(error))
            await asyncio.sleep(self._every)

    async def mirror_once(self) -> int:
        """One pass. How many rows the mirror was told of."""
        if self._broker.links != self._links:
            links = self._broker.links
            await self._compare()
            self._links = links
        found = await self._database.write(parking.find_unmirrored)
        try:
            if found.added:
                await self._broker.park([_parked(row) for row in found.added])
            if found.dropped:
                await self._broker.unpark(found.dropped)
        except BaseException:
            await self._database.write(parking.unmark, found)
            raise
        for row in found.added:
            telemetry.emit("target.parked", platform=row.platform, target_id=str(row.id), reason=row.message)
        return len(found.added) + len(found.dropped)

    async def _compare(self) -> None:
        """A broker that was wiped shows fewer: the mirror is written anew."""
        known = await self._database.read(parking.list_mirrored, MOST)
        if await self._broker.count_parked() < len(known):
            await self._broker.unpark(known)
            await self._database.write(parking.mirror_anew, known)


def _parked(row: Any) -> Parked:
    return Parked(row.post_id, row.id, row.user_id, row.platform, row.tries, row.message, row.parked_at)
