"""The upkeep of media: posts get copies of their own, and what nobody refers to is thrown away. Never in a delivery's way."""

import asyncio
from datetime import timedelta

from hayon import telemetry
from hayon.errors import DatabaseUnreachable, PlatformError
from hayon.media import MediaStore
from hayon.outgoing import boot_seconds
from hayon.store import media
from hayon.store.database import Database

EVERY_SECONDS = 30.0
SWEEP_EVERY_SECONDS = 3600.0
"""How often the store itself is swept. In a bucket this also keeps wanted files from being thrown away by its own rule."""
FORGOTTEN_AFTER = timedelta(hours=24)
BATCH = 50


class Tending:
    """Repeatable passes over the media of posts: a copy made twice, or a file deleted twice, changes nothing."""

    def __init__(self, database: Database, files: MediaStore) -> None:
        self._database = database
        self._files = files

    async def run(self) -> None:
        """A pass every half minute, and every hour through all that the store holds."""
        swept = -SWEEP_EVERY_SECONDS
        while True:
            try:
                while await self.copy_once() == BATCH:
                    pass
                await self.forget_once()
                if boot_seconds() - swept > SWEEP_EVERY_SECONDS:
                    await self.sweep_once()
                    swept = boot_seconds()
            except DatabaseUnreachable as error:
                telemetry.emit("database.unreachable", level="warning", reason=str(error))
            except (PlatformError, OSError) as error:
                telemetry.emit("media.unreachable", level="warning", reason=str(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def copy_once(self) -> int:
        """Gives handed-in posts their own copies, `posts/{userId}/{postId}/{n}.ext`. How many were looked at."""
        waiting = await self._database.read(media.find_uncopied, BATCH)
        for one in waiting:
            ending = one.source.rsplit(".", 1)[-1]
            key = f"posts/{one.user_id}/{one.post_id}/{one.position}.{ending}"
            await self._files.copy(one.source, key)
            await self._database.write(media.keep_copy, one.post_id, one.media_id, one.position, key)
        return len(waiting)

    async def sweep_once(self) -> int:
        """Throws away files that no row knows: uploads never said to be complete, and what broke off. How many."""

        async def keep(key: str) -> bool:
            return await self._database.read(media.is_known, key)

        return await self._files.sweep(FORGOTTEN_AFTER, keep)

    async def forget_once(self) -> int:
        """Throws away uploads that no post, draft or other, has referred to for a day. How many."""
        forgotten = await self._database.read(media.find_forgotten, FORGOTTEN_AFTER, BATCH)
        for one in forgotten:
            # the row goes first: a file without a row is litter, a row without a file would be a broken promise
            if await self._database.write(media.forget, one.id):
                await self._files.delete(one.key)
        return len(forgotten)
