"""Days that hold more posts than an account may do, seen when a post is planned. A warning, never a refusal: it goes out later then."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hayon.domain.allowance import DAY, count_busiest
from hayon.domain.schedule import read_zone
from hayon.errors import Problem
from hayon.platforms.contract import Platform
from hayon.store import allowances
from hayon.store.database import Database, Tx

Where = tuple[UUID, str, str]
"""An account that a post goes to: its id, its platform and its name there."""


async def find_crowds(
    database: Database, platforms: Mapping[str, Platform], user_id: UUID, where: Sequence[Where], at: datetime | None,
    timezone: str, *, but: UUID | None = None,
) -> list[Problem]:  # fmt: skip
    """As `foresee`, in a transaction of its own. `but`: the post itself, where it is stored already."""
    if not _counted(platforms, where):
        return []
    return await database.read(lambda tx: foresee(tx, platforms, user_id, where, at or tx.now(), timezone, but=but))


def foresee(
    tx: Tx, platforms: Mapping[str, Platform], user_id: UUID, where: Sequence[Where], at: datetime, timezone: str, *,
    but: UUID | None = None,
) -> list[Problem]:  # fmt: skip
    """A warning for each of the person's accounts whose platform counts posts, and allows fewer within its window than would be
    planned around `at` with this one."""
    counted = _counted(platforms, where)
    if not counted:
        return []
    near = {account_id: platform for account_id, platform, _ in counted}
    found = allowances.find_planned(tx, user_id, near, at, but)
    warnings = []
    for one in counted:
        window, planned = found.get(one[0], (None, 0))
        # where all of a day before and after fits into one window, no window of a day holds too many
        if window is None or window.limit is None or (window.length <= DAY and planned < window.limit):
            continue
        warnings += _warn(tx, user_id, one, window.limit, window.length, at, timezone, but)
    return warnings


def _counted(platforms: Mapping[str, Platform], where: Sequence[Where]) -> list[Where]:
    return [one for one in where if one[1] in platforms and platforms[one[1]].has_quota]


def _warn(
    tx: Tx, user_id: UUID, one: Where, limit: int, length: timedelta, at: datetime, timezone: str, but: UUID | None
) -> list[Problem]:
    account_id, platform, handle = one
    planned = allowances.list_planned(tx, user_id, account_id, platform, at - length, at + length, but)
    count = count_busiest(planned, at, length)
    if count <= limit:
        return []
    zone = read_zone(timezone)
    day = at.astimezone(zone if isinstance(zone, ZoneInfo) else None)
    hours = f"{length / timedelta(hours=1):g} hours"
    message = (
        f"{day:%A %d %B} has {count} posts for {handle} within {hours}; the account may do {limit}. "
        "What is over that goes out later."
    )
    return [Problem("scheduledAt", "crowded", message, platform, str(account_id))]
