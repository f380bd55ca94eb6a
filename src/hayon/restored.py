"""`hayon restored`: makes a database that was restored from a backup safe to start, before anything else works on it.

What it changes is decided in `store/restoring.py`; docs/restoring.md says when to run it.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hayon.delivery.deliver import fingerprint
from hayon.errors import Misconfigured, PlatformError
from hayon.settings import Settings
from hayon.store import restoring
from hayon.store.checkup import count_at_work
from hayon.store.database import Database, Tx, sqlite_path
from hayon.store.generation import Generation, note_restored, read_generation
from hayon.wiring import Hayon, database_url, open_hayon

NAME = "hayon restored"
"""What our own sessions on PostgreSQL are called, to be told from those of a Hayon at work."""
TOLERATED = timedelta(minutes=5)
"""How much newer than the time that was given the newest row may be: a backup takes a while, and clocks differ."""
LOOKED_TWICE_SECONDS = 1.5
"""A Hayon at work whose connections the restore cut is back within this time (HAYON_POLL)."""

Tell = Callable[[str], None]


def read_time(words: str, now: datetime | None = None) -> datetime:
    """When the backup was made. Raises Misconfigured for what is no time with a zone, or lies ahead."""
    try:
        at = datetime.fromisoformat(words.strip())
    except ValueError:
        raise Misconfigured(
            f"--backup-time does not read {words!r}. Write it as 2026-11-21T03:00:00Z, or with +01:00 for another zone."
        ) from None
    if at.tzinfo is None:
        raise Misconfigured(
            f"--backup-time {words} has no zone. Write {words}Z if it is UTC, or add +01:00, say. A wrong hour is a wrong answer."
        )
    if at > (now or datetime.now(UTC)):
        raise Misconfigured(f"--backup-time {words} lies ahead. Give the time at which the backup was made.")
    return at.astimezone(UTC)


async def restore(
    settings: Settings, backup_time: datetime, tell: Tell, *, dry_run: bool, used_since: bool, confirm: bool
) -> None:
    """Marks everything that may have gone out since the backup, and raises the generation. Run again it changes nothing more.

    `used_since`: Hayon has worked on the restored database already, so that rows newer than the backup are no mistake.
    Raises Misconfigured where it may not be done, with what to do.
    """
    async with _opened(settings) as hayon:
        await _refuse_at_work(hayon.database)
        noted = await _ask_note(hayon)
        before = await hayon.database.read(read_generation)
        if before.backup_time == backup_time and before.restored_at is not None:
            tell(f"This was done already, at {_shown(before.restored_at)}. Nothing was changed.")
            if not dry_run:
                await hayon.agreement.note(before)
        else:
            found = await hayon.database.read(restoring.examine)
            since = _since(backup_time, found.newest, used_since=used_since)
            _tell_found(found, backup_time, tell)
            if dry_run:
                tell("Nothing was changed. Run it without --dry-run to do this.")
            else:
                await _mark(hayon, backup_time, since, noted)
                tell("Done: Hayon can be started.")
        if confirm and not dry_run:
            await _confirm(hayon.database, tell)


async def confirm_scheduled(settings: Settings, tell: Tell) -> None:
    """Everything that is held goes out as planned: the operator says so."""
    async with open_hayon(settings, migrating=False) as hayon:
        await _confirm(hayon.database, tell)


async def list_held(settings: Settings, tell: Tell) -> None:
    """Prints what is held, a line for each target."""
    async with open_hayon(settings, migrating=False) as hayon:
        rows = await hayon.database.read(restoring.list_held)
    for row in rows:
        tell(f"{_shown(row.due_at)}  {row.post_id}  {row.platform}  {row.handle}  {row.email}")
    if not rows:
        tell("Nothing is held.")


def _opened(settings: Settings) -> AbstractAsyncContextManager[Hayon]:
    """Hayon on the restored database, brought to the newest shape, unasked whether it agrees with the files."""
    url = database_url(settings)
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise Misconfigured(f"There is no database at {path}. Put the backup there first.")
    return open_hayon(settings, database=Database(url, name=NAME), agreeing=False)


async def _refuse_at_work(database: Database) -> None:
    """On SQLite the lock on the database's file has told already."""
    if database.single_process:
        return
    for again in (True, False):
        count = await database.read(count_at_work)
        if count:
            raise Misconfigured(
                f"{count} connection{'s' if count > 1 else ''} of Hayon {'are' if count > 1 else 'is'} open to this database. Stop "
                "every `hayon serve`, `web`, `relay` and `worker` first: what they publish meanwhile would not be known."
            )
        if again:
            await asyncio.sleep(LOOKED_TWICE_SECONDS)


async def _ask_note(hayon: Hayon) -> int:
    """The newest generation that the files know; 0 where they know none."""
    try:
        note = await hayon.agreement.find_note()
    except (PlatformError, OSError) as error:
        raise Misconfigured(
            f"The files cannot be reached, so that the new generation could not be noted there. {error} Nothing was changed."
        ) from error
    return note.number if note else 0


def _since(backup_time: datetime, newest: datetime, *, used_since: bool) -> datetime:
    """From when on a call may have been made that the database does not know of."""
    if used_since:
        return backup_time
    if newest > backup_time + TOLERATED:
        raise Misconfigured(
            f"This database has rows from {_shown(newest)}, so it is no backup of {_shown(backup_time)}. Give the time at which the "
            "backup was made. If Hayon has worked on it since it was restored, add --used-since: then everything unfinished is "
            "looked for from the time of the backup on."
        )
    return min(backup_time, newest)


def _tell_found(found: restoring.Found, backup_time: datetime, tell: Tell) -> None:
    looked_for, held = (_sum(whose) for whose in (found.looked_for_posts, found.held_posts))
    tell(f"A backup of {_shown(backup_time)}; its newest row is of {_shown(found.newest)}.")
    tell(
        f"Looked for: {_posts(looked_for)}{_by_platform(found.looked_for)}, unfinished and due by now. They may have gone out since; "
        "Hayon looks on the platforms, publishes nothing of them by itself, and asks the author where it cannot tell."
    )
    tell(
        f"Held: {_posts(held)}{_by_platform(found.held)}, due later, until the author confirms, or you by "
        "`hayon restored --confirm-scheduled`."
    )
    authors = len(found.authors)
    tell(f"Told: {authors} author{'' if authors == 1 else 's'}, with one notice each.")


async def _mark(hayon: Hayon, backup_time: datetime, since: datetime, noted: int) -> None:
    def work(tx: Tx) -> Generation:
        restoring.mark(tx, backup_time, since, fingerprint)
        return note_restored(tx, backup_time, noted, tx.now())

    generation = await hayon.database.write(work)
    await hayon.agreement.note(
        generation
    )  # should this fail, the database is ahead of the files: the next start mends that


async def _confirm(database: Database, tell: Tell) -> None:
    count = await database.write(restoring.confirm_all)
    tell(
        f"{count} held target{'' if count == 1 else 's'} confirmed: {'it goes' if count == 1 else 'they go'} out as planned, what is overdue at once."
        if count
        else "Nothing is held."
    )


def _by_platform(counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{platform} {count}" for platform, count in sorted(counts.items()))
    return f" ({told})" if told else ""


def _sum(whose: Mapping[UUID, set[UUID]]) -> int:
    return sum(len(posts) for posts in whose.values())


def _posts(count: int) -> str:
    return "1 post" if count == 1 else f"{count} posts"


def _shown(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
