"""What kind of file some bytes are, by their first ones, how large a picture is, and how large and long a video."""

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

ISO_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"qt  ": "video/quicktime",
}
STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"OggS", "application/ogg"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF", "application/pdf"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's measures in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A video's measures in pixels as it is shown, and its length."""

    width: int
    height: int
    seconds: float


def sniff(content: bytes) -> str | None:
    """The MIME type of the bytes, if they are of a known kind."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        return ISO_BRANDS.get(content[8:12], "video/mp4")
    return next((kind for start, kind in STARTS if content.startswith(start)), None)


def measure(content: bytes, digest: str) -> Picture | None:
    """The measures of a picture whose bytes are whole; None if they are no picture or a broken one.

    Remembered by digest, since under load the same picture comes a thousand times.
    """
    if digest not in _MEASURED:
        if len(_MEASURED) > 1_000:
            _MEASURED.clear()
        _MEASURED[digest] = _measured(content)
    return _MEASURED[digest]


_MEASURED: dict[str, Picture | None] = {}


def _measured(content: bytes) -> Picture | None:
    from PIL import Image  # late: only a picture needs it, and it is heavy

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                width, height = picture.size
                if width * height <= 40_000_000:
                    picture.load()
                return Picture(width, height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def clip_of(content: bytes) -> Clip | None:
    """The measures of an MP4 or QuickTime video from its `moov` box; None without one that says how large it is.

    Source: ISO/IEC 14496-12, the boxes moov, mvhd, trak, tkhd. Nothing is decoded.
    """
    try:
        moov = next(inside for kind, inside in _boxes(memoryview(content)) if kind == b"moov")
        within = list(_boxes(moov))
        seconds = _length(next(inside for kind, inside in within if kind == b"mvhd"))
        for _, track in (one for one in within if one[0] == b"trak"):
            width, height = _frame(next(inside for kind, inside in _boxes(track) if kind == b"tkhd"))
            if width and height:
                return Clip(width, height, seconds)
    except (StopIteration, struct.error, ZeroDivisionError):
        return None
    return None


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", content, place + 8), 16
        elif size == 0:
            size = len(content) - place
        if size < head:
            return
        yield kind, content[place + head : place + size]
        place += size


def _length(mvhd: memoryview) -> float:
    later = mvhd[0] == 1 if len(mvhd) else False
    scale, length = struct.unpack_from(">IQ", mvhd, 20) if later else struct.unpack_from(">II", mvhd, 12)
    return float(length / scale)


def _frame(tkhd: memoryview) -> tuple[int, int]:
    # the box ends with a matrix of nine numbers and the two sides, in fixed point; a quarter turn has no first number
    across, _, _, _, _, _, _, _, _, width, height = struct.unpack_from(">9i2I", tkhd, len(tkhd) - 44)
    sides = (width >> 16, height >> 16)
    return sides if across else (sides[1], sides[0])
