"""The pictures of accounts are copied: pages show nothing that lies elsewhere. Never in a delivery's way.

Where a picture is comes out of a platform's answer, which anybody with a server of their own can write: it is fetched like any
address of a stranger's, bounded, and what is kept is drawn anew from it.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from hayon import telemetry
from hayon.errors import DatabaseUnreachable, Invalid, PlatformError, Rejected
from hayon.media import MediaStore, portrait, temp_key
from hayon.outgoing import Deadline, Outgoing
from hayon.store import avatars
from hayon.store.database import Database

BATCH = 50
AT_ONCE = 4
LARGEST = 5_000_000
"""In bytes; platforms hand out pictures a hundred times smaller."""
FETCH_SECONDS = 20.0
KINDS = ("image/", "application/octet-stream")
"""Some stores of pictures call them no more than bytes. What a file is, its bytes say."""
WAITS = (timedelta(minutes=2), timedelta(minutes=20), timedelta(hours=3), timedelta(hours=12), timedelta(days=1))
"""After each failure in a row; then this address is given up, until the platform names another."""


class Picturing:
    """A duty of the relay. Keeps nothing: how often an address has failed stands in its account's row."""

    def __init__(self, database: Database, files: MediaStore, outgoing: Outgoing, *, every: timedelta) -> None:
        self._database = database
        self._files = files
        self._outgoing = outgoing
        self._every = every.total_seconds()

    async def run(self) -> None:
        """A round every so often; one that the database or the media store broke off is begun anew at the next."""
        while True:
            try:
                while await self.copy_once() == BATCH:
                    pass
                while await self.forget_once() == BATCH:
                    pass
            except DatabaseUnreachable as error:
                telemetry.emit("database.unreachable", level="warning", reason=str(error))
            except (PlatformError, OSError) as error:
                telemetry.emit("media.unreachable", level="warning", reason=str(error))
            await asyncio.sleep(self._every)

    async def copy_once(self) -> int:
        """Copies pictures that are new, or due once more, a few side by side. How many were looked at.

        Raises DatabaseUnreachable, and whatever a media store raises that is away; the others are done all the same.
        """
        rows, now = await self._database.read(avatars.find_wanted, BATCH)
        few, lost = asyncio.Semaphore(AT_ONCE), []

        async def one(row: Any) -> None:
            async with few:
                try:
                    await self._copy(row, now)
                except (DatabaseUnreachable, PlatformError, OSError) as error:
                    lost.append(error)

        async with asyncio.TaskGroup() as group:
            for row in rows:
                group.create_task(one(row))
        if lost:
            raise lost[0]
        return len(rows)

    async def forget_once(self) -> int:
        """Throws away the copies of accounts that were disconnected or show no picture any more. How many were looked at."""
        unwanted = await self._database.read(avatars.find_unwanted, BATCH)
        for row in unwanted:
            # the row goes first, as in tending: a file without a row is litter, and swept within a day
            if await self._database.write(avatars.forget, row.id, row.avatar_key):
                await self._files.delete(row.avatar_key)
        return len(unwanted)

    async def _copy(self, row: Any, now: datetime) -> None:
        try:
            drawn = await self._draw(row)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's answer breaks concerns this picture only
            await self._postpone(row, error, now)
            return
        key = temp_key(row.user_id, "image/jpeg")
        await self._files.keep(key, drawn)
        kept = await self._database.write(avatars.keep_copy, row.id, row.avatar_url, key, row.avatar_key)
        litter = row.avatar_key if kept else key
        if litter:
            await self._files.delete(litter)

    async def _draw(self, row: Any) -> bytes:
        answer = await self._outgoing.fetch_public(
            row.avatar_url, largest=LARGEST, accept=KINDS, deadline=Deadline.after(FETCH_SECONDS), named_by=row.host
        )
        if answer.status != 200:
            raise Rejected(f"The address of the picture answers with {answer.status}.")
        return await portrait(answer.body)

    async def _postpone(self, row: Any, error: Exception, now: datetime) -> None:
        failures = row.avatar_failures + 1 if row.avatar_source == row.avatar_url else 1
        due_at = now + WAITS[failures - 1] if failures <= len(WAITS) else None
        await self._database.write(avatars.postpone, row.id, row.avatar_url, failures, due_at)
        reason = error.problems[0].message if isinstance(error, Invalid) else str(error) or type(error).__name__
        telemetry.emit(
            "account.not_pictured", level="debug", platform=row.platform, account_id=str(row.id), reason=reason
        )
