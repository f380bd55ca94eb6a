"""Days that hold more posts than an account may do, seen when a post is planned. A warning, never a refusal: it goes out later then."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hayon.domain.allowance import DAY, count_busiest
from hayon.domain.schedule import read_zone
from hayon.errors import Problem
from hayon.platforms.contract import Platform
from hayon.store import allowances
from hayon.store.allowances import Near
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
    near = [Near(user_id, account_id, platform, at) for account_id, platform, _ in counted]
    warnings = []
    for one, place, found in zip(counted, near, allowances.find_planned(tx, near, but), strict=True):
        if found is not None and not _has_room(*found) and found[0].limit is not None:
            warnings += _warn(tx, place, one[2], found[0].limit, found[0].length, timezone, but)
    return warnings


def find_roomy(
    tx: Tx, platforms: Mapping[str, Platform], planning: Sequence[tuple[UUID, Sequence[Where], datetime]]
) -> list[bool]:
    """For each post that is planned, by its person, accounts and time, those before it in the row being planned too: whether
    there is surely nothing to warn of. One statement for all.
    """
    near = [
        (place, Near(user_id, account_id, platform, at))
        for place, (user_id, where, at) in enumerate(planning)
        for account_id, platform, _ in _counted(platforms, where)
    ]
    roomy, before = [True] * len(planning), defaultdict[UUID, list[datetime]](list)
    for (place, one), found in zip(
        near, allowances.find_planned(tx, [one for _, one in near]) if near else (), strict=True
    ):
        beside = before[one.account_id]
        if found is not None and not _has_room(found[0], found[1] + sum(abs(at - one.at) < DAY for at in beside)):
            roomy[place] = False
        beside.append(one.at)
    return roomy


def _has_room(window: allowances.Window, planned: int) -> bool:
    """Where all of a day before and after fits into one window, no window of a day holds too many."""
    return window.limit is None or (window.length <= DAY and planned < window.limit)


def _counted(platforms: Mapping[str, Platform], where: Sequence[Where]) -> list[Where]:
    return [one for one in where if one[1] in platforms and platforms[one[1]].has_quota]


def _warn(
    tx: Tx, near: Near, handle: str, limit: int, length: timedelta, timezone: str, but: UUID | None
) -> list[Problem]:
    planned = allowances.list_planned(tx, near, length, but)
    count = count_busiest(planned, near.at, length)
    if count <= limit:
        return []
    zone = read_zone(timezone)
    day = near.at.astimezone(zone if isinstance(zone, ZoneInfo) else None)
    hours = f"{length / timedelta(hours=1):g} hours"
    message = (
        f"{day:%A %d %B} has {count} posts for {handle} within {hours}; the account may do {limit}. "
        "What is over that goes out later."
    )
    return [Problem("scheduledAt", "crowded", message, near.platform, str(near.account_id))]
