"""What every media store is, wherever it keeps its files; which files are taken, and how keys look. Holds no file itself."""

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

from hayon.errors import Invalid, NotFound, Problem

KINDS = {
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp",
    "video/mp4": "mp4", "video/quicktime": "mp4", "video/webm": "webm",
}  # fmt: skip
"""What is taken in, and the ending of its keys. A QuickTime film is kept as an MP4."""
TAKEN = "JPEG, PNG, GIF and WebP pictures and MP4, MOV and WebM videos can be posted."
OTHER_SPELLINGS = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "video/x-m4v": "video/mp4"}
"""What some browsers call kinds that are taken."""
LARGEST_PICTURE = 50_000_000
LARGEST_VIDEO = 1_000_000_000
LARGEST_UPLOAD = max(LARGEST_PICTURE, LARGEST_VIDEO)
"""In bytes. What a platform takes is its own rule; this is what may be taken in at all."""
GRANT_LASTS = timedelta(minutes=15)
NOTE = "generation"
"""Where the note stands, at the root of the folder or bucket."""
LONGEST_NOTE = 1_000
"""In bytes. What is longer is none of ours."""

Keep = Callable[[str], Awaitable[bool]]
"""Says of a key whether anybody still refers to it."""

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ENDING = "|".join(dict.fromkeys(KINDS.values()))
_WORD = "[0-9a-f]{16}"
_KEY = re.compile(
    rf"(?P<stem>temp/{_UUID}/{_UUID}|posts/{_UUID}/{_UUID}/[1-9][0-9]{{0,3}})(?P<word>\.{_WORD})?\.({_ENDING})"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file really is. Size in bytes; width and height in pixels, as it is shown.

    The last four are a video's: pictures a second on average, and codecs in FFmpeg's words (h264, hevc, vp9, aac, opus);
    `audio_codec` is None where it is silent. `animated` is a picture's.
    """

    mime: str
    size: int
    width: int
    height: int
    animated: bool = False
    duration_seconds: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    frame_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to upload one file: a request that needs no other permission, good until `expires_at`.

    Sent with exactly these headers and a body of exactly the granted size.
    """

    key: str
    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Served:
    """A file to hand out: what it is, how many bytes, and the bytes."""

    key: str
    mime: str
    size: int
    stream: AsyncIterator[bytes]


class MediaStore(Protocol):
    """Files under keys: `temp/{userId}/{uuid}.ext` for uploads, `posts/{userId}/{postId}/{n}.ext` for posts' own copies.

    Beside a file may be renditions of it, made by ourselves: 16 hex digits stand before their ending
    (`temp/{userId}/{uuid}.{word}.jpg`). They are files like all others, and go when the file goes whose they are.
    An upload is not there for anybody before it is completed; what is there never changes but for being replaced whole.
    Every method raises NotFound for a key that does not look like one.
    """

    async def upload_grant(self, user_id: UUID, mime: str, size: int, public_url: str, now: datetime) -> Grant:
        """A place for one new file of this person, this type and this size. Raises Invalid where no such file is taken."""
        ...

    async def receive(
        self,
        token: str,
        stream: AsyncIterable[bytes],
        content_type: str | None,
        content_length: int | None,
        now: datetime,
    ) -> str:
        """Takes an upload sent to a grant's address (the token is its last part) and returns its key. May be repeated.

        Raises Forbidden for a token that is not good (any more), Invalid for another type or size than was granted,
        Conflict where the upload was completed already. Stores whose uploads go straight to them raise NotFound.
        """
        ...

    async def put(self, key: str, stream: AsyncIterable[bytes], largest: int = LARGEST_UPLOAD) -> None:
        """Takes an upload without a grant, from our own hands.

        Raises Invalid where it has more than `largest` bytes, or more than its kind may have.
        """
        ...

    async def keep(self, key: str, content: bytes) -> None:
        """Stores a finished file that we made ourselves, a rendition say: it is there at once. May be repeated."""
        ...

    async def complete(self, key: str, mime: str) -> Measured:
        """Verifies what arrived, strips location and camera data, and from then on it is there. May be repeated.

        Raises NotFound where nothing arrived, Invalid where it is not an undamaged picture or video of the declared type.
        """
        ...

    async def read(self, key: str) -> bytes:
        """The whole file, in memory: for pictures. Raises NotFound."""
        ...

    def open_stream(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The file in pieces, from byte `start` to before byte `stop` (both within it, as slices are), or to its end.

        Raises NotFound when the first piece is asked for.
        """
        ...

    async def size(self, key: str) -> int:
        """In bytes. Raises NotFound."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether it is there, and complete."""
        ...

    async def copy(self, source: str, to: str) -> None:
        """Puts a copy under another key, replacing what was there. May be repeated, even when the source has gone since.

        Raises NotFound where neither is there.
        """
        ...

    async def delete(self, key: str) -> None:
        """Removes the file, its renditions and what arrived for it. May be repeated."""
        ...

    def public_url(self, key: str, lasts: timedelta, public_url: str, now: datetime) -> str:
        """An address at which anybody can fetch the file for so long, for platforms that fetch by themselves."""
        ...

    async def serve(self, token: str, now: datetime) -> Served:
        """The file of an address made by `public_url`. Raises Forbidden for a token that is not good, NotFound.

        Who wants a part of it asks `open_stream` for that part of `key`, and leaves `stream` alone.
        """
        ...

    async def read_note(self) -> str | None:
        """The one small text of ours that stands beside the files (see `write_note`); None where there is none."""
        ...

    async def write_note(self, words: str) -> None:
        """Replaces that text, whole or not at all. It is no file of anybody's: no key names it, and no sweep takes it."""
        ...

    async def sweep(self, older_than: timedelta, keep: Keep) -> int:
        """Removes uploads older than this that nobody refers to, and drafts that broke off. How many files.

        Renditions are not asked about: each goes with its upload, or alone where that has gone already.
        """
        ...


def temp_key(user_id: UUID, mime: str) -> str:
    """A new key for an upload of this person. Raises Invalid for a type that is not taken."""
    if mime not in KINDS:
        raise Invalid([Problem("mimeType", "kind", f"{mime or 'A file without a type'} is not taken. {TAKEN}")])
    return f"temp/{user_id}/{uuid4()}.{KINDS[mime]}"


def mime_of(key: str) -> str:
    """The type that a key's ending stands for. Raises NotFound for what is no key."""
    _parts(key)
    return next(mime for mime, ending in KINDS.items() if ending == key.rsplit(".", 1)[1])


def stem_of(key: str) -> str:
    """What a file's key and the keys of its renditions have in common. Raises NotFound for what is no key."""
    return _parts(key)["stem"]


def is_rendition(key: str) -> bool:
    """Whether this is the key of a rendition. Raises NotFound for what is no key."""
    return _parts(key)["word"] is not None


def largest_of(mime: str) -> int:
    """How many bytes a file of this type may have to be taken in."""
    return LARGEST_VIDEO if mime.startswith("video/") else LARGEST_PICTURE


def plain_mime(content_type: str) -> str:
    """A content type without parameters, in its usual spelling."""
    mime = content_type.split(";", maxsplit=1)[0].strip().lower()
    return OTHER_SPELLINGS.get(mime, mime)


def unfit(rule: str, message: str) -> Invalid:
    """The error for a file that cannot be taken."""
    return Invalid([Problem("file", rule, message)])


def _parts(key: str) -> re.Match[str]:
    found = _KEY.fullmatch(key)
    if found is None:
        raise NotFound("There is no such file.")
    return found
