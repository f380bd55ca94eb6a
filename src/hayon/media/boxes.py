"""Is a video file whole, open and by itself? Walks the boxes of MP4 and QuickTime, the elements of WebM; decodes nothing.

It comes before any library opens the file, and reads headers and a few small boxes only.
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from hayon.errors import Invalid
from hayon.media.contract import unfit

_MOST_BOXES = 1_000_000
_DEEPEST = 8
_LARGEST_READ = 65_536
# Boxes that hold boxes, on the way to what is looked for (ISO/IEC 14496-12, section 6.2.3)
_HOLDING = frozenset((b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl"))
# A movie that points to other movies, and a header that has to be unpacked first (QuickTime File Format, "Movie Atoms")
_POINTING, _PACKED = b"rmra", b"cmov"
_SELF_CONTAINED = 1
# Protected sample entries (ISO/IEC 14496-12, section 8.12; drmi and drms are Apple's)
_PROTECTED = frozenset((b"encv", b"enca", b"encs", b"enct", b"drmi", b"drms"))

# Matroska element ids (RFC 9559, section 5.1)
_EBML, _DOC_TYPE, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x4282, 0x18538067, 0x1F43B675
_ENCRYPTION = 0x5035
_TRACKS, _TRACK, _ENCODINGS, _ENCODING = 0x1654AE6B, 0xAE, 0x6D80, 0x6240
_MASTERS = frozenset((_TRACKS, _TRACK, _ENCODINGS, _ENCODING))


class _Part(NamedTuple):
    """A box or an element: what it is, where its content begins and where it ends; None where it does not say."""

    kind: bytes | int
    start: int
    end: int | None


def check_film(file: BinaryIO) -> None:
    """Of an MP4 or QuickTime file. Raises Invalid where it breaks off, is locked, or lies in other files."""
    size, seen = file.seek(0, os.SEEK_END), set()
    for box in _boxes(file, 0, size, _Count()):
        seen.add(box.kind)
    if b"moov" not in seen:
        raise broken_off()


def check_webm(file: BinaryIO) -> None:
    """Of a WebM file. Raises Invalid where it breaks off or is locked, or is another kind of Matroska."""
    size, count = file.seek(0, os.SEEK_END), _Count()
    head = _element(file, 0, size)
    if head is None or head.kind != _EBML or head.end is None:
        raise broken_off()
    named = [_read(file, part) for part in _elements(file, head.start, head.end, count) if part.kind == _DOC_TYPE]
    if named != [b"webm"]:
        raise unfit("kind", "This is a Matroska video, but not a WebM. Save it as an MP4 or a WebM and upload that.")
    body = _element(file, head.end, size)
    if body is None or body.kind != _SEGMENT:
        raise broken_off()
    place, end = body.start, size if body.end is None else body.end
    while place < end:
        part = _element(file, place, end)
        if part is None:
            raise broken_off()
        count.up()
        if part.kind == _TRACKS and part.end is not None:
            _refuse_locked_tracks(file, part, count)
        if part.end is None and part.kind != _CLUSTER:
            raise broken_off()
        # a cluster that does not say how long it is lasts until the next one: its parts are looked at as if beside it
        place = part.start if part.end is None else part.end


def broken_off() -> Invalid:
    """The error for a video that is not whole."""
    return unfit("truncated", "This video is not all there: the file breaks off. Upload the whole file.")


def elsewhere() -> Invalid:
    """The error for a file that would have us open another."""
    return unfit(
        "refers_elsewhere",
        "This video refers to other files for its pictures or its sound. Export it as one file of its own.",
    )


def _locked() -> Invalid:
    return unfit(
        "encrypted", "This video is encrypted (copy protected) and cannot be read. Upload one without protection."
    )


class _Count:
    """A bound on the parts of one file, so that a heap of tiny ones costs no time."""

    def __init__(self) -> None:
        self._left = _MOST_BOXES

    def up(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise unfit("too_complex", "This video is made of far too many parts. Export it anew and upload that.")


def _boxes(file: BinaryIO, start: int, end: int, count: _Count, depth: int = 0) -> Iterator[_Part]:
    """The boxes from start to end. What is in those that hold boxes is looked at, but not given out."""
    place = start
    while place < end:
        box = _box(file, place, end, at_top=depth == 0)
        if box is None:
            return
        count.up()
        if box.kind == _POINTING:
            raise elsewhere()
        if box.kind == _PACKED:
            raise unfit("kind", "The table of contents of this video is compressed. Export it anew as an MP4.")
        if box.kind == b"dref":
            _refuse_other_files(_read(file, box))
        if box.kind == b"stsd":
            _refuse_locked_entries(_read(file, box))
        if box.kind in _HOLDING and depth < _DEEPEST:
            for _ in _boxes(file, box.start, box.end or end, count, depth + 1):
                pass
        yield box
        place = box.end or end


def _box(file: BinaryIO, place: int, end: int, *, at_top: bool) -> _Part | None:
    """None for the end, or what may stand there instead: a zero, and padding."""
    file.seek(place)
    head = file.read(16)[: end - place]
    if not head[:8].strip(b"\0") or (not at_top and len(head) < 8):
        return None
    if len(head) < 8:
        raise broken_off()
    length, kind = struct.unpack_from(">I4s", head)
    start = place + 8
    if length == 0 and at_top:  # up to the end of the file
        return _Part(kind, start, end)
    if length == 1 and len(head) == 16:
        length, start = struct.unpack_from(">Q", head, 8)[0], place + 16
    if length < start - place or place + length > end:
        raise broken_off()
    return _Part(kind, start, place + length)


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a full box that counts them, each with its type and its content."""
    place = 8
    while place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        yield kind, content[place + 8 : place + max(8, length)]
        place += max(8, length)


def _refuse_other_files(content: bytes) -> None:
    """Data references (ISO/IEC 14496-12, section 8.7.2): one flag says that it is this very file."""
    for _, told in _entries(content):
        if len(told) > 4 and not told[3] & _SELF_CONTAINED:
            raise elsewhere()


def _refuse_locked_entries(content: bytes) -> None:
    if any(kind in _PROTECTED for kind, _ in _entries(content)):
        raise _locked()


def _refuse_locked_tracks(file: BinaryIO, master: _Part, count: _Count, depth: int = 0) -> None:
    for part in _elements(file, master.start, master.end or master.start, count):
        if part.kind == _ENCRYPTION:
            raise _locked()
        if part.kind in _MASTERS and depth < _DEEPEST:
            _refuse_locked_tracks(file, part, count, depth + 1)


def _elements(file: BinaryIO, start: int, end: int, count: _Count) -> Iterator[_Part]:
    place = start
    while place < end:
        part = _element(file, place, end)
        if part is None or part.end is None:
            raise broken_off()
        count.up()
        yield part
        place = part.end


def _element(file: BinaryIO, place: int, end: int) -> _Part | None:
    """An element (RFC 8794, sections 4 and 5); None where no whole one is there."""
    file.seek(place)
    head = file.read(12)[: end - place]
    if not head or not head[0]:
        return None
    id_length = 9 - head[0].bit_length()
    if id_length > 4 or len(head) <= id_length or not head[id_length]:
        return None
    size_length = 9 - head[id_length].bit_length()
    start = place + id_length + size_length
    if len(head) < id_length + size_length:
        return None
    kind = int.from_bytes(head[:id_length])
    all_ones = (1 << 7 * size_length) - 1
    size = int.from_bytes(head[id_length : id_length + size_length]) & all_ones
    if size == all_ones:  # it does not say
        return _Part(kind, start, None)
    return _Part(kind, start, start + size) if start + size <= end else None


def _read(file: BinaryIO, part: _Part) -> bytes:
    file.seek(part.start)
    return file.read(min(_LARGEST_READ, (part.end or part.start) - part.start))
