"""Where is it? Asks the platform for the address of what was published, where the publishing call's answer named none.

Reads only, and never in a delivery's way: the post is live and its status is true without an address.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from hayon import telemetry
from hayon.accounts import Accounts, Sealed
from hayon.errors import DatabaseUnreachable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Platform
from hayon.store import receipts
from hayon.store.accounts import as_account
from hayon.store.database import Database

WAITS = (timedelta(0), timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
"""Before each question about one post; a platform may show a new post late (Facebook, seconds; Tumblr's videos, minutes)."""
ASKED_FOR = timedelta(hours=1)
BATCH = 20


class Locating:
    """A duty: what it knows of one post is how often it has asked, and a new start may well ask once more."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        platforms: Mapping[str, Platform],
        outgoing: Outgoing,
        *,
        poll: timedelta,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._platforms = platforms
        self._outgoing = outgoing
        self._poll = poll
        self._asked: dict[UUID, int] = {}

    async def run(self) -> None:
        """A round every so often."""
        while True:
            try:
                await self.locate_once()
            except DatabaseUnreachable as error:
                telemetry.emit("database.unreachable", level="warning", reason=str(error))
            await asyncio.sleep(self._poll.total_seconds())

    async def locate_once(self) -> int:
        """Asks about every post whose time has come. How many addresses were found."""
        waiting, now = await self._database.read(receipts.find_unlocated, ASKED_FOR, BATCH)
        self._asked = {one.id: self._asked.get(one.id, 0) for one in waiting}
        found = 0
        for one in waiting:
            times = self._asked[one.id]
            if times < len(WAITS) and now >= one.completed_at + sum(WAITS[: times + 1], timedelta()):
                self._asked[one.id] = times + 1
                found += await self._locate(one, now)
        return found

    async def _locate(self, one: receipts.Unlocated, now: datetime) -> bool:
        row = one.account
        account = as_account(row)
        sealed = Sealed(account, row.credential, row.credential_version, row.refresh_wanted, now)
        try:
            credential = await self._accounts.unlock(sealed, reading_only=True)
            url = await self._platforms[account.platform].locate(account, credential, one.remote_id, self._outgoing)
        except DatabaseUnreachable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an adapter stumbles over concerns this one address only
            telemetry.emit("target.not_located", platform=account.platform, target_id=str(one.id), reason=str(error))
            return False
        if url is None:
            return False
        telemetry.emit("target.located", platform=account.platform, target_id=str(one.id))
        return await self._database.write(receipts.keep_address, one.id, one.remote_id, url)
