"""Every file that is taken in passes here: looked at, stripped of what is nobody's business, measured. Keeps no file."""

import asyncio
from pathlib import Path

from hayon.errors import NotFound
from hayon.media.contract import LARGEST_PICTURE, TAKEN, Measured, unfit
from hayon.media.pictures import clean, in_workshop, measure_bytes
from hayon.media.sniffing import SNIFFED, guess, sniff
from hayon.media.videos import clean_video, measure_video


async def clean_file(source: Path, declared: str, to: Path) -> Measured:
    """Writes a clean copy of a file that was announced as this type to a new file, and measures the copy.

    Without location and camera data, upright, ready to be fetched: see `pictures.clean` and `videos.clean_video`. Its
    type may be another than declared: a QuickTime film becomes an MP4. Raises NotFound, or Invalid with a problem of the
    field `file` that says what is wrong with it; then there is nothing at `to`. Does not flush what it writes.
    """
    try:
        if await _kind_of(source) == "video":
            return await clean_video(source, declared, to)

        def settle() -> Measured:
            cleaned, measured = clean(_read(source), declared)
            to.write_bytes(cleaned)
            return measured

        return await in_workshop(settle)
    except BaseException:
        _discard(to)
        raise


async def measure_file(path: Path) -> Measured:
    """Measures a picture or video file. Raises NotFound, or Invalid where it is neither, or damaged."""
    if await _kind_of(path) == "video":
        return await measure_video(path)
    return await in_workshop(lambda: measure_bytes(_read(path)))


async def _kind_of(path: Path) -> str:
    """`image` or `video`, by its first bytes. Raises Invalid where it is neither: then no more of it is read."""

    def look() -> bytes:
        with path.open("rb") as file:
            return file.read(SNIFFED)

    try:
        start = await asyncio.to_thread(look)
    except FileNotFoundError:
        raise NotFound("There is no such file.") from None
    mime = sniff(start)
    if mime is None:
        raise unfit("kind", f"This is {guess(start)}. {TAKEN}")
    return mime.split("/")[0]


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LARGEST_PICTURE + 1)
    if len(content) > LARGEST_PICTURE:
        raise unfit("size", f"A picture may have {LARGEST_PICTURE:,} bytes. Save it smaller and upload that.")
    return content
