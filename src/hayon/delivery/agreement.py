"""Is this database the one that the files know, or an older one, restored from a backup? From such a one nothing is published.

The database's generation grows at each start and every minute; the newest is noted beside the media. The database goes
first, so it is never behind the note, unless it was restored (docs/decisions/0014).
"""

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from hayon import telemetry
from hayon.errors import DatabaseUnreachable, HayonError, Misconfigured, PlatformError
from hayon.media import MediaStore
from hayon.store.database import Database, Tx
from hayon.store.generation import Generation, anything_accepted, mark_noted, raise_generation, read_generation

EVERY = timedelta(minutes=1)
"""How often the generation is raised: two states of the database that are farther apart can be told from one another."""
ASK_AGAIN_SECONDS = 2.0
ASKED_FOR_SECONDS = 3.0
"""How long a start waits for a media store that does not answer, before it goes on without publishing."""
CANNOT_TELL = (DatabaseUnreachable, PlatformError, OSError, TimeoutError)

RESTORED = (
    "The database is older than the files know it: generation {ours}, while {known} is noted beside the media. It was restored from "
    "a backup, and may publish again what is live already. Run `hayon restored --backup-time T` first, T being when the backup "
    "was made."
)
MISSING = (
    "The file `generation` is no longer beside the media. If this database was restored from a backup, run `hayon restored "
    "--backup-time T` first, T being when the backup was made. If the files were moved, move that one along."
)
STRANGE = (
    "The note beside the media is another database's. If this one was restored from an old backup, run `hayon restored "
    "--backup-time T`; else set HAYON_MEDIA_URL or HAYON_DATABASE_URL to what belongs together."
)


_NOTE = re.compile(r"hayon ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) ([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Note:
    """What stands beside the media: which database it was, and its newest generation."""

    house: UUID
    number: int

    @classmethod
    def read(cls, words: str) -> "Note":
        """Raises Misconfigured for words that are none of ours."""
        found = _NOTE.fullmatch(words.strip())
        if found is None:
            raise Misconfigured(
                "The file `generation` beside the media is not Hayon's, or is damaged. Hayon tells by it whether the database was "
                "restored from a backup. If it was, run `hayon restored --backup-time T`, which writes it anew; else delete it."
            )
        return cls(UUID(found[1]), int(found[2]))

    def written(self) -> str:
        """As it is kept."""
        return f"hayon {self.house} {self.number}\n"


class Agreement:
    """Asks whether database and files agree, and keeps them so while this process may publish."""

    def __init__(self, database: Database, media: MediaStore, *, every: timedelta = EVERY) -> None:
        self._database = database
        self._media = media
        self._every = every
        self._open = asyncio.Event()

    async def ask(self) -> None:
        """Raises Misconfigured where they do not agree; DatabaseUnreachable, a PlatformError or OSError where one does not tell."""
        words = await self._media.read_note()  # before the database, which only grows: never the other way round
        known = None if words is None else Note.read(words)

        def read(tx: Tx) -> tuple[Generation, bool]:
            return read_generation(tx), anything_accepted(tx)

        ours, anything = await self._database.read(read)
        if known is None:
            if anything and ours.noted:
                raise Misconfigured(MISSING)
        elif known.house != ours.house:
            if anything:  # an empty database can publish nothing twice: somebody begins anew
                raise Misconfigured(STRANGE)
        elif known.number > ours.number:
            raise Misconfigured(RESTORED.format(ours=ours.number, known=known.number))

    async def ask_at_start(self) -> None:
        """Raises Misconfigured where they do not agree. Where nobody can tell it is asked again by `keep`, before anything goes out."""
        try:
            async with asyncio.timeout(ASKED_FOR_SECONDS):
                await self.ask()
        except CANNOT_TELL as error:
            _tell(error)

    async def keep(self) -> None:
        """The duty: once they agree it lets the others begin, and raises both again and again. Raises Misconfigured."""
        while True:
            try:
                await self.ask()
                await self.raise_both(older_than=self._every / 2 if self._open.is_set() else timedelta(0))
            except CANNOT_TELL as error:
                _tell(error)
            else:
                self._open.set()
            await asyncio.sleep(self._every.total_seconds() if self._open.is_set() else ASK_AGAIN_SECONDS)

    async def raise_both(self, *, older_than: timedelta = timedelta(0)) -> None:
        """Raises the database's generation, and notes it beside the media; of several processes one does it each time."""
        raised = await self._database.write(raise_generation, older_than=older_than)
        if raised is not None:
            await self.note(raised)

    async def note(self, generation: Generation) -> None:
        """Notes it beside the media."""
        await self._media.write_note(Note(generation.house, generation.number).written())
        if not generation.noted:
            await self._database.write(mark_noted)

    async def find_note(self) -> Note | None:
        """What is noted there; None for nothing, or for what is none of ours."""
        words = await self._media.read_note()
        with suppress(Misconfigured):
            return None if words is None else Note.read(words)
        return None

    async def first(self, duty: Coroutine[Any, Any, None]) -> None:
        """This duty, begun only when they agree."""
        try:
            await self._open.wait()
        except BaseException:
            duty.close()
            raise
        await duty

    def let_go(self) -> None:
        """Whoever still waits to begin is let in, to find that it is time to stop."""
        self._open.set()


def _tell(error: HayonError | Exception) -> None:
    reason = str(error) or type(error).__name__
    telemetry.emit("generation.unknown", level="warning", reason=reason)
