"""Another secret key: what is sealed under the older one is sealed anew, beside a Hayon at work, as often as is wanted.

Nothing changes but the bytes: whoever writes at the same moment wins, and what is left is found by the next pass.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from hayon.errors import Misconfigured
from hayon.store.database import Database
from hayon.store.sealed import PLACES, Kept, Place, count_kept, list_kept, replace_kept
from hayon.vault import Vault

BATCH = 200
"""Sealed anew in one transaction, and looked at in one read."""
PASSES = 5
"""How often it is looked for what a process wrote meanwhile that has the older key only."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class Found:
    """What is sealed, counted: all of it, what is still under an older key, and what no key opens, by place."""

    total: int = 0
    older: dict[str, int] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many still need the older key."""
        return sum(self.older.values())

    @property
    def lost(self) -> int:
        """How many no key opens."""
        return sum(self.closed.values())


async def survey(database: Database, vault: Vault) -> Found:
    """Looks at everything that is sealed. Changes nothing."""
    found = Found()
    for place in PLACES:
        async for batch in _walk(database, place):
            for kept in batch:
                found.total += 1
                if not _opens(vault, kept):
                    found.closed[place.name] = found.closed.get(place.name, 0) + 1
                elif vault.needs_resealing(kept.sealed, kept.context):
                    found.older[place.name] = found.older.get(place.name, 0) + 1
    return found


async def reseal(database: Database, vault: Vault, tell: Tell) -> Found:
    """Seals anew under the first key whatever another one opens, and tells how far it is. What is left after that.

    Killed at any moment it leaves each secret sealed under one key or the other; run again it goes on.
    """
    found = await survey(database, vault)
    for _ in range(PASSES):
        if not found.left:
            break
        for place in PLACES:
            if place.name in found.older:
                await _reseal_place(database, vault, place, tell)
        found = await survey(database, vault)
    return found


async def _reseal_place(database: Database, vault: Vault, place: Place, tell: Tell) -> None:
    total, seen, replaced = await database.read(count_kept, place), 0, 0
    async for batch in _walk(database, place):
        stale = [kept for kept in batch if vault.needs_resealing(kept.sealed, kept.context) and _opens(vault, kept)]
        fresh = [(kept, vault.seal(vault.open(kept.sealed, kept.context), kept.context)) for kept in stale]
        if fresh:
            replaced += await database.write(replace_kept, place, fresh)
        seen += len(batch)
        tell(f"{place.name}: {min(seen, total):,} of {total:,} looked at, {replaced:,} sealed anew")


async def _walk(database: Database, place: Place) -> AsyncIterator[list[Kept]]:
    after = None
    while batch := await database.read(list_kept, place, after, BATCH):
        yield batch
        after = batch[-1].key


def _opens(vault: Vault, kept: Kept) -> bool:
    try:
        vault.open(kept.sealed, kept.context)
    except Misconfigured:
        return False
    return True
