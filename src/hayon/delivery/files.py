"""The files of a parcel: the media store as adapters see it. Which file belongs to which post is decided elsewhere."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from hayon.domain.model import Fitting, Media
from hayon.media import MediaStore, Reach, fit_picture
from hayon.outgoing import boot_seconds
from hayon.platforms.contract import ParcelMedia

Renew = Callable[[], Awaitable[None]]
"""Renews the lease of the delivery. Raises LeaseLost if another worker owns the target by now."""
RENEW_EVERY_SECONDS = 10.0


class Files:
    """Gives the files of one media store to parcels."""

    def __init__(self, store: MediaStore, reach: Reach) -> None:
        self._store = store
        self._reach = reach

    def pack(self, media: Media, alt_text: str, key: str, now: datetime, renew: Renew) -> ParcelMedia:
        """The file under this key as a parcel holds it. `now` is the database's time when it was gathered."""
        return _Packed(media, alt_text, key, now, renew, self._store, self._reach)


class _Packed:
    def __init__(
        self, media: Media, alt_text: str, key: str, now: datetime, renew: Renew, store: MediaStore, reach: Reach
    ) -> None:
        self.media = media
        self.alt_text = alt_text
        self._key = key
        self._now = now
        self._renew = renew
        self._store = store
        self._reach = reach

    async def read(self) -> bytes:
        return await self._store.read(self._key)

    async def stream(self) -> AsyncIterator[bytes]:
        renewed = boot_seconds()
        async for piece in self._store.open_stream(self._key):
            yield piece
            if boot_seconds() - renewed > RENEW_EVERY_SECONDS:
                await self._renew()
                renewed = boot_seconds()

    async def fit(self, fitting: Fitting) -> ParcelMedia:
        key, measured = await fit_picture(self._store, self._key, self.media, fitting)
        if key == self._key:
            return self
        media = replace(
            self.media, mime=measured.mime, size=measured.size, width=measured.width, height=measured.height
        )
        return _Packed(media, self.alt_text, key, self._now, self._renew, self._store, self._reach)

    async def address(self) -> str:
        return await self._reach.try_out(self._key, self.media, self._now)
