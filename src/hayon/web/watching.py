"""Posts watched by open pages: one look at the database for all of them, and a line of server-sent events for each."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from hayon.domain.lifecycle import TargetStatus
from hayon.errors import DatabaseUnreachable, NotFound, TooMany
from hayon.store import posts
from hayon.store.database import Database, Tx
from hayon.web.posts_view import ENDED, status_out

EVERY_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
NAMED_WITHIN = timedelta(minutes=1)
"""So long a page waits for the address of what is published, where its platform did not name it at once."""
LINES_LIMIT = 500
LINES_PER_PERSON = 20

_Watched = tuple[UUID, UUID]
_Document = tuple[str | None, bool]
"""The status document (None: the post is gone), and whether nothing more will change by itself."""


@dataclass(eq=False, slots=True)
class _Line:
    """One open stream: of whose post, and the newest document. `changed` until that is sent."""

    watched: _Watched
    document: _Document = (None, True)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hand(self, document: _Document) -> None:
        """Something to send, if it is anything new."""
        if document != self.document:
            self.document = document
            self.changed.set()


class Watch:
    """Tells each line what it does not know yet. Looks only while somebody watches."""

    def __init__(
        self, database: Database, *, every_seconds: float = EVERY_SECONDS, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._database = database
        self._every_seconds = every_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._lines: set[_Line] = set()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    def open(self, user_id: UUID, post_id: UUID) -> AsyncGenerator[bytes, None]:
        """The stream of one post of this person, as bytes of `text/event-stream`. Raises TooMany.

        An event `status` with the status document at once and whenever it changes; an event `end` when nothing more
        will change by itself, and then the stream ends. It ends without one when the server stops.
        """
        counts = Counter(line.watched[0] for line in self._lines)
        if len(self._lines) >= LINES_LIMIT or counts[user_id] >= LINES_PER_PERSON:
            raise TooMany("Too many posts are being watched at once.", 10)
        return self._follow(_Line((user_id, post_id)))

    def close(self) -> None:
        """Ends every stream, in good order."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        for line in self._lines:
            line.changed.set()

    async def _follow(self, line: _Line) -> AsyncGenerator[bytes, None]:
        self._lines.add(line)
        try:
            line.changed.set()
            line.document = (await self._look([line.watched]))[line.watched]
            while not self._closed:
                if self._looking is None or self._looking.done():
                    self._looking = asyncio.create_task(self._keep_looking(), name="watch")
                try:
                    async with asyncio.timeout(self._heartbeat_seconds):
                        await line.changed.wait()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                line.changed.clear()
                document, has_ended = line.document
                if document is not None and not self._closed:
                    yield f"event: status\ndata: {document}\n\n".encode()
                if has_ended and not line.changed.is_set():
                    yield b"event: end\ndata: {}\n\n"
                    return
        finally:
            self._lines.discard(line)

    async def _keep_looking(self) -> None:
        while self._lines:
            await asyncio.sleep(self._every_seconds)
            try:
                found = await self._look({line.watched for line in self._lines})
            except DatabaseUnreachable:
                continue
            for line in self._lines:
                if line.watched in found:
                    line.hand(found[line.watched])

    async def _look(self, watched: Collection[_Watched]) -> dict[_Watched, _Document]:
        def read(tx: Tx) -> dict[_Watched, _Document]:
            return {one: _document(tx, *one) for one in watched}

        return await self._database.read(read)


def _document(tx: Tx, user_id: UUID, post_id: UUID) -> _Document:
    try:
        view = posts.get_post(tx, post_id, user_id)
    except NotFound:
        return None, True
    young = tx.now() - NAMED_WITHIN
    unnamed = any(
        one.status == TargetStatus.COMPLETED and one.url is None and one.updated_at > young for one in view.targets
    )
    return status_out(view).model_dump_json(by_alias=True), view.row.status in ENDED and not unnamed
