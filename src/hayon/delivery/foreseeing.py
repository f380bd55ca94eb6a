"""Days that hold more posts than an account may do, seen when a post is planned. A warning, never a refusal: it goes out later then."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hayon.domain.allowance import DAY, Told, count_busiest
from hayon.domain.schedule import read_zone
from hayon.errors import Problem
from hayon.platforms.contract import Platform
from hayon.store import allowances
from hayon.store.database import Database, Tx

Where = tuple[UUID, str, str]
"""An account that a post goes to: its id, its platform and its name there."""


async def find_crowds(
    database: Database, platforms: Mapping[str, Platform], where: Sequence[Where], at: datetime | None, timezone: str, *,
    but: UUID | None = None,
) -> list[Problem]:  # fmt: skip
    """A warning for each account whose platform counts posts, and allows fewer within its window than would be planned
    around `at` (None: now) with this one. `but`: the post itself, where it is stored already.
    """
    counted = [one for one in where if one[1] in platforms and platforms[one[1]].has_quota]
    if not counted:
        return []

    def read(tx: Tx) -> list[Problem]:
        moment = at or tx.now()
        known = allowances.find_posts(tx, [account_id for account_id, *_ in counted])
        warnings = (_warn(tx, one, known[one[0]], moment, timezone, but) for one in counted if one[0] in known)
        return [warning for warning in warnings if warning is not None]

    return await database.read(read)


def _warn(tx: Tx, one: Where, told: Told, at: datetime, timezone: str, but: UUID | None) -> Problem | None:
    account_id, platform, handle = one
    length = timedelta(seconds=told.seconds) if told.seconds else DAY
    planned = allowances.list_planned(tx, account_id, at - length, at + length, but)
    count = count_busiest(planned, at, length)
    if told.limit is None or count <= told.limit:
        return None
    zone = read_zone(timezone)
    day = at.astimezone(zone if isinstance(zone, ZoneInfo) else None)
    hours = f"{length / timedelta(hours=1):g} hours"
    message = (
        f"{day:%A %d %B} has {count} posts for {handle} within {hours}; the account may do {told.limit}. "
        "What is over that goes out later."
    )
    return Problem("scheduledAt", "crowded", message, platform, str(account_id))
