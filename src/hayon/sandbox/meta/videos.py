"""What Meta's platforms look at in a video besides its measures: where its index is, how it is encoded, its frames.

Source: ISO/IEC 14496-12, the boxes moov, mdat, mdhd, stsd, stsz. Nothing is decoded, and only the index is read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hayon.sandbox.meta.containers import Piece

CODECS = (b"avc1", b"avc3", b"hvc1", b"hev1")
"""H.264 and H.265, as sample descriptions name them."""
INDEX_BYTES = 2**26


class Flaw(StrEnum):
    """Why a video is not taken."""

    FORMAT = "format"
    """No whole MP4 or QuickTime file, its index is not at its beginning, or it is encoded otherwise."""
    SHAPE = "shape"
    LENGTH = "length"
    FRAMES = "frames"
    BITS = "bits"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a platform takes. Seconds, pixels, bits per second."""

    shortest: float
    longest: float
    widest: int
    bits: int
    fewest_frames: float = 23.0
    most_frames: float = 60.0
    narrowest_ratio: float = 0.01
    widest_ratio: float = 10.0


@dataclass(frozen=True, slots=True)
class Index:
    """What the index of a video says of its pictures."""

    first: bool
    """It stands before the pictures."""
    codec: bytes
    frames_per_second: float


def flaw_of(path: Path, piece: Piece, bounds: Bounds) -> Flaw | None:
    """Why this file, fetched as `piece`, is not taken; None if it is."""
    index = index_of(path)
    if index is None or not index.first or index.codec not in CODECS:
        return Flaw.FORMAT
    if not piece.width or not piece.height or not piece.seconds:
        return Flaw.FORMAT
    if piece.width > bounds.widest or not bounds.narrowest_ratio <= piece.width / piece.height <= bounds.widest_ratio:
        return Flaw.SHAPE
    if not bounds.shortest <= piece.seconds <= bounds.longest:
        return Flaw.LENGTH
    # whole pictures in a rounded length: 60 a second may come out as a little more
    if not bounds.fewest_frames - 0.5 <= index.frames_per_second <= bounds.most_frames + 0.5:
        return Flaw.FRAMES
    return Flaw.BITS if piece.size * 8 / piece.seconds > bounds.bits else None


def index_of(path: Path) -> Index | None:
    """The index of an MP4 or QuickTime file; None without a whole one."""
    with path.open("rb") as file:
        end, place, pictures_seen = path.stat().st_size, 0, False
        while place + 8 <= end:
            file.seek(place)
            size, kind = struct.unpack(">I4s", file.read(8))
            head = 8
            if size == 1:
                size, head = int.from_bytes(file.read(8), "big"), 16
            elif size == 0:
                size = end - place
            if size < head or place + size > end:
                return None
            if kind == b"moov":
                return (
                    _read(memoryview(file.read(size - head)), first=not pictures_seen) if size < INDEX_BYTES else None
                )
            pictures_seen = pictures_seen or kind == b"mdat"
            place += size
    return None


def _read(moov: memoryview, *, first: bool) -> Index | None:
    try:
        for kind, track in _boxes(moov):
            if kind != b"trak":
                continue
            media = dict(_boxes(dict(_boxes(track))[b"mdia"]))
            if bytes(media[b"hdlr"][8:12]) != b"vide":
                continue
            table = dict(_boxes(dict(_boxes(media[b"minf"]))[b"stbl"]))
            later = media[b"mdhd"][0] == 1
            scale, length = struct.unpack_from(">IQ" if later else ">II", media[b"mdhd"], 20 if later else 12)
            (count,) = struct.unpack_from(">I", table[b"stsz"], 8)
            return Index(first, bytes(table[b"stsd"][12:16]), count * scale / length)
    except (KeyError, IndexError, struct.error, ZeroDivisionError):
        return None
    return None


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if size < 8:
            return
        yield kind, content[place + 8 : place + size]
        place += size
