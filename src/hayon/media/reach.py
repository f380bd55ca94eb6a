"""Can a platform fetch our files? The address of a file for platforms that fetch by themselves, tried out by us first.

Nothing is decided about posts here, and nothing is tried twice.
"""

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from hayon.domain.model import Media
from hayon.errors import PlatformError, Unavailable
from hayon.media.contract import MediaStore
from hayon.outgoing import Named, Outgoing, Request

ADDRESS_LASTS = timedelta(hours=6)
"""Longer than any platform works on a video (Threads and Instagram: minutes), shorter than a day."""
_COMPARED = 1_000_000
"""Bytes of a file that are compared with what its address gives; a picture is compared whole, up to this."""
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")
_MEND = (
    "Set HAYON_PUBLIC_URL to an https address at which the internet reaches this Hayon, or keep media in an S3 bucket."
)


class Reach:
    """Addresses of files in one media store. `base_url` is where people and platforms reach this Hayon."""

    def __init__(self, store: MediaStore, outgoing: Outgoing, base_url: str) -> None:
        self._store = store
        self._outgoing = outgoing
        self._base_url = base_url

    def be_at(self, base_url: str) -> None:
        """Says where this Hayon is reached, where that is known only once it listens. It may then be called there."""
        self._base_url = base_url
        self._outgoing.trust(base_url)

    def url_of(self, key: str, now: datetime) -> str:
        """The address of a file, not tried out."""
        return self._store.public_url(key, ADDRESS_LASTS, self._base_url, now)

    def find_hindrance(self, key: str, platform_host: str, now: datetime) -> str | None:
        """Why a platform at this host cannot fetch the file, as far as the address alone says; None if it may.

        A platform that is itself on a private address or without TLS (a sandbox, a home network) may fetch from one.
        """
        theirs, ours = urlsplit(platform_host), urlsplit(self.url_of(key, now))
        if theirs.scheme != "https" or _is_private(theirs.hostname or ""):
            return None
        if ours.scheme != "https":
            return f"It fetches pictures and videos by https only, and this Hayon is at {ours.scheme}://{ours.netloc}. {_MEND}"
        if _is_private(ours.hostname or ""):
            return f"It cannot reach {ours.hostname}, which is an address of a private network. {_MEND}"
        return None

    async def try_out(self, key: str, media: Media, now: datetime) -> str:
        """The file's address, after it gave us this very file. Raises Unavailable with what is wrong and how to mend it."""
        url = self.url_of(key, now)
        place = urlsplit(url).netloc
        try:
            fault = await self._compare(url, key, media)
        except PlatformError as error:
            fault = error.message
        if fault is not None:
            raise Unavailable(
                f"The platform would fetch the file from {place}, and that does not work: {fault} {_MEND}",
                proves_absence=True,
            )
        return url

    async def _compare(self, url: str, key: str, media: Media) -> str | None:
        async with self._outgoing.stream(Request("GET", url, named=Named.OPERATOR)) as answer:
            if answer.status != 200:
                return f"it answers with HTTP {answer.status}."
            kind = answer.headers.get("content-type", "").partition(";")[0].strip()
            if kind != media.mime:
                return f"it gives {kind or 'a file without a type'} instead of {media.mime}."
            length = answer.headers.get("content-length", str(media.size))
            if length != str(media.size):
                return f"it gives {length} bytes instead of {media.size}."
            theirs = await _digest(answer.pieces)
        if theirs != await _digest(self._store.open_stream(key)):
            return "it gives another file."
        return None


async def _digest(pieces: AsyncIterator[bytes]) -> bytes:
    digest, left = hashlib.sha256(), _COMPARED
    async for piece in pieces:
        digest.update(piece[:left])
        left -= len(piece)
        if left <= 0:
            break
    return digest.digest()


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith(_LOCAL_NAMES)
