"""Credentials that nobody uses are refreshed before they run out: whoever posts once a year need not connect again for it.

Which account is refreshed by whom, and what an answer means for it, is decided in `accounts.py`, for deliveries and for this
alike; here is only when.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hayon import telemetry
from hayon.accounts import Accounts, Sealed
from hayon.errors import DatabaseUnreachable, Disconnected, NotYet, RateLimited
from hayon.store import renewals
from hayon.store.accounts import as_account
from hayon.store.database import Database

BATCH = 50
AT_ONCE = 4
"""Refreshes of one relay side by side: they are in no hurry, and a platform counts them by our address."""
WAITS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6))
"""After each failure in a row; the last for all that follow. Credentials are refreshed weeks before their end."""
LONGEST_WAIT = timedelta(hours=24)
SPREAD = timedelta(minutes=10)
"""Over so long those are spread that are found overdue all at once, as after an upgrade."""


def between_zero_and_one() -> float:
    """Somewhere between, another each time."""
    return secrets.randbelow(1_000_000) / 1_000_000


class Renewing:
    """A duty of the relay. Keeps nothing: how often an account has failed stands in its row. `chance` gives 0 up to 1."""

    def __init__(
        self, database: Database, accounts: Accounts, *, every: timedelta,
        chance: Callable[[], float] = between_zero_and_one,
    ) -> None:  # fmt: skip
        self._database = database
        self._accounts = accounts
        self._every = every.total_seconds()
        self._chance = chance

    async def run(self) -> None:
        """Plans what has no time yet, once; then a round every so often, never in step with other relays."""
        planned = False
        while True:
            try:
                if not planned:
                    await self.plan_once()
                    planned = True
                while await self.renew_once() == BATCH:
                    pass
            except DatabaseUnreachable as error:
                telemetry.emit("database.unreachable", level="warning", reason=str(error))
            await asyncio.sleep(self._every * (0.5 + self._chance()))

    async def plan_once(self) -> int:
        """Gives a time to accounts that were connected before there was one, in steps. How many got one."""
        after, planned = None, 0
        while True:
            rows, now = await self._database.read(renewals.find_unplanned, after, BATCH)
            for row in rows:
                planned += await self._plan(row, now)
            if len(rows) < BATCH:
                return planned
            after = rows[-1].id

    async def renew_once(self) -> int:
        """Refreshes those whose time has come, a few side by side. How many were looked at. Raises DatabaseUnreachable."""
        rows, now = await self._database.read(renewals.find_due, BATCH)
        few, lost = asyncio.Semaphore(AT_ONCE), []

        async def one(row: Any) -> None:
            async with few:
                try:
                    await self._renew(row, now)
                except DatabaseUnreachable as error:
                    lost.append(error)

        async with asyncio.TaskGroup() as group:  # which waits for all of them, also when this duty is ended
            for row in rows:
                group.create_task(one(row))
        if lost:
            raise lost[0]
        return len(rows)

    async def _plan(self, row: Any, now: datetime) -> bool:
        try:
            renew_at = self._accounts.renewal_of(_sealed(row, now))
        except Exception as error:  # noqa: BLE001 - whatever an adapter stumbles over concerns this one account only
            _tell(row, error)
            return False
        if renew_at is None:
            return False
        if renew_at <= now:
            renew_at = now + SPREAD * self._chance()
        return await self._database.write(renewals.plan, row.id, row.credential_version, renew_at)

    async def _renew(self, row: Any, now: datetime) -> None:
        try:
            await self._accounts.renew(_sealed(row, now))
        except DatabaseUnreachable:
            raise
        except (NotYet, Disconnected):
            pass  # another has it in hand, or had; or its owner was told, and it is not tried again before they were here
        except Exception as error:  # noqa: BLE001 - as above
            _tell(row, error)
            wait = WAITS[min(row.renew_failures, len(WAITS) - 1)] * (0.8 + 0.4 * self._chance())
            until = error.until if isinstance(error, RateLimited) else None
            renew_at = max(now + wait, min(until, now + LONGEST_WAIT)) if until else now + wait
            await self._database.write(renewals.postpone, row.id, row.credential_version, renew_at)


def _sealed(row: Any, now: datetime) -> Sealed:
    return Sealed(as_account(row), row.credential, row.credential_version, row.refresh_wanted, now)


def _tell(row: Any, error: Exception) -> None:
    reason = str(error) or type(error).__name__
    telemetry.emit("account.not_renewed", level="warning", platform=row.platform, account_id=str(row.id), reason=reason)
