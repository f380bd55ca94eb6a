"""Takes location, camera and comment out of picture files without touching a pixel. Writes no file, decodes nothing.

Each function returns the file rebuilt from the parts that are needed to show it, up to its proper end: what hangs
behind it (a phone's little film, a second picture) goes too. All raise ValueError where the file breaks off or has
more parts than any picture needs.
"""

import re
import struct
from collections.abc import Iterator

# Image data, palette, transparency, colour, pixel shape and animation (PNG specification, third edition, chunk types)
_PNG_KEPT = frozenset(
    (
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV",
        b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
    )
)  # fmt: skip
_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))  # WebP container specification
_WEBP_EXIF_AND_XMP = 0x0C
_MOST_PARTS = 200_000
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_GIF_KEPT = frozenset((b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"))


class TooManyParts(ValueError):
    """A file that costs more time to look through than any picture is worth."""


def strip(mime: str, content: bytes) -> bytes:
    """The same picture with nothing in it that is not needed to show it."""
    try:
        return b"".join(_WAYS[mime](content))
    except (struct.error, IndexError) as error:
        raise ValueError("the file breaks off") from error


def count_scans(mime: str, content: bytes) -> int:
    """How many times over the picture is drawn; only a progressive JPEG is more than once. Minds no damage.

    Raises TooManyParts.
    """
    if mime == "image/jpeg":
        return _count_jpeg_scans(content)
    try:
        for _ in _WAYS[mime](content):
            pass
    except TooManyParts:
        raise
    except (ValueError, struct.error, IndexError):
        pass
    return 1


def _count_jpeg_scans(content: bytes) -> int:
    """Goes from marker to marker as decoders do: over whatever stands where none is due, up to the end marker."""
    found, place = 0, 2
    for _ in _parts():
        marker = _MARKER.search(content, place)
        if marker is None or content[marker.start() + 1] == 0xD9:
            return found
        found += content[marker.start() + 1] == 0xDA
        place = marker.end() + max(2, int.from_bytes(content[marker.end() : marker.end() + 2]))
    return found


def _parts() -> Iterator[int]:
    yield from range(_MOST_PARTS)
    raise TooManyParts("more parts than any picture needs")


def _jpeg(content: bytes) -> Iterator[bytes]:
    """Segments (ITU-T T.81, annex B); of the application's own, only JFIF, colour profile and Adobe's colour transform."""
    yield content[:2]
    place = 2
    for _ in _parts():
        while content[place + 1] == 0xFF:  # fill
            place += 1
        if content[place] != 0xFF:
            raise ValueError("no marker where one is due")
        marker = content[place + 1]
        if marker == 0xD9:
            yield content[place : place + 2]
            return
        (length,) = struct.unpack_from(">H", content, place + 2)
        segment = content[place : place + 2 + length]
        if length < 2 or len(segment) < 2 + length:
            raise ValueError("the file breaks off")
        place += 2 + length
        if not _is_talk(marker, segment[4:]):
            yield segment
        if marker == 0xDA:
            end = _end_of_scan(content, place)
            yield content[place:end]
            place = end


def _is_talk(marker: int, told: bytes) -> bool:
    if marker == 0xE2:
        return not told.startswith(b"ICC_PROFILE\0")
    if marker == 0xE0:
        return not told.startswith(b"JFIF\0")
    return marker == 0xFE or (0xE1 <= marker <= 0xEF and not (marker == 0xEE and told.startswith(b"Adobe")))


def _end_of_scan(content: bytes, place: int) -> int:
    """Where the next marker is that does not belong to the scan's own data (stuffing, restarts, fill)."""
    marker = _MARKER.search(content, place)
    if marker is None:
        raise ValueError("the file breaks off")
    return marker.start()


def _png(content: bytes) -> Iterator[bytes]:
    yield content[:8]
    place = 8
    for _ in _parts():
        length, kind = struct.unpack_from(">I4s", content, place)
        chunk = content[place : place + 12 + length]
        if len(chunk) < 12 + length:
            raise ValueError("the file breaks off")
        place += len(chunk)
        if kind in _PNG_KEPT:
            yield chunk
        if kind == b"IEND":
            return


def _webp(content: bytes) -> Iterator[bytes]:
    (length,) = struct.unpack_from("<I", content, 4)
    if len(content) < 8 + length:
        raise ValueError("the file breaks off")
    kept, place, parts = [], 12, _parts()
    while place < 8 + length:
        next(parts)
        kind, size = struct.unpack_from("<4sI", content, place)
        chunk = content[place : place + 8 + size]
        place += 8 + size + size % 2
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes((chunk[8] & ~_WEBP_EXIF_AND_XMP,)) + chunk[9:]
        if kind in _WEBP_KEPT:
            kept.append(chunk + b"\0" * (size % 2))
    body = b"WEBP" + b"".join(kept)
    yield b"RIFF" + struct.pack("<I", len(body)) + body


def _gif(content: bytes) -> Iterator[bytes]:
    """Blocks (GIF89a specification); of the application's own, only those that loop an animation or give colours."""
    place = 13 + _table(content[10])
    yield content[:place]
    for _ in _parts():
        start, kind = place, content[place]
        if kind == 0x3B:
            yield content[place : place + 1]
            return
        if kind == 0x2C:
            place = _end_of_blocks(content, place + 11 + _table(content[place + 9]))
            yield content[start:place]
        elif kind == 0x21:
            label = content[place + 1]
            place = _end_of_blocks(content, place + 2)
            if label in (0xF9, 0x01) or (label == 0xFF and content[start + 3 : start + 14] in _GIF_KEPT):
                yield content[start:place]
        else:
            raise ValueError("no block where one is due")


def _table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_blocks(content: bytes, place: int) -> int:
    while content[place]:
        place += 1 + content[place]
    return place + 1


_WAYS = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp, "image/gif": _gif}
