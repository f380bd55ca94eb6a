"""What a picture really is, and a clean copy of it. Judges by content alone; what a platform takes is asked elsewhere."""

import asyncio
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from time import monotonic
from typing import TypeVar

from PIL import Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from hayon.errors import HayonError, Invalid
from hayon.media.contract import Measured, unfit
from hayon.media.metadata import TooManyParts, count_scans, strip
from hayon.media.sniffing import SNIFFED, guess, sniff

LARGEST_PIXELS = 64_000_000
"""A phone's largest usual picture has 50 million; one of 64 takes about 200 MB of memory to look at."""
LARGEST_FILM = 300_000_000
"""Pixels of all pictures of an animation together."""
MOST_FRAMES = 10_000
"""Pictures of an animation: six minutes of it. More cost time even where they are tiny."""
LONGEST_LOOK_SECONDS = 30.0
"""An animation that takes longer to look at is refused."""
MOST_SCANNED_PIXELS = 16 * LARGEST_PIXELS
"""A progressive JPEG is drawn once over for each of its scans; ten are usual, a bomb has thousands."""

Image.MAX_IMAGE_PIXELS = LARGEST_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
_NAMES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_ORIENTATION = 0x0112
# Few threads on purpose: they bound how many large pictures are in memory at once.
_WORKSHOP = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
T = TypeVar("T")


async def in_workshop(work: Callable[[], T]) -> T:
    """Runs work on pictures in a thread of its own."""
    return await asyncio.get_running_loop().run_in_executor(_WORKSHOP, work)


def measure_bytes(content: bytes) -> Measured:
    """Measures a picture. Decodes every picture of the file, so that a cut one is noticed.

    Raises Invalid for all but undamaged JPEG, PNG, GIF and WebP of bearable size.
    """
    with open_picture(content) as picture:
        mime, animated = _NAMES[picture.format or ""], getattr(picture, "is_animated", False)
        width, height = picture.size
        if picture.getexif().get(_ORIENTATION, 1) >= 5:
            width, height = height, width
        _decode_all(picture)
    return Measured(mime, len(content), width, height, animated and mime != "image/jpeg")


def clean(content: bytes, declared: str) -> tuple[bytes, Measured]:
    """The picture without location, camera and comment, upright, and its measures.

    Pixels are touched only where it has to be turned upright. Raises Invalid as `measure_bytes` does, and where it is
    another kind than declared.
    """
    with open_picture(content) as picture:
        mime = _NAMES[picture.format or ""]
        if mime != declared:
            raise unfit("kind", f"This was announced as {declared}, but is {mime}. Upload it as what it is.")
        stripped = strip(mime, content)
        if picture.getexif().get(_ORIENTATION, 1) in range(2, 9) and (
            mime == "image/jpeg" or not getattr(picture, "is_animated", False)
        ):
            stripped = strip(mime, _turned(picture, mime))
    return stripped, measure_bytes(stripped)


@contextmanager
def open_picture(content: bytes) -> Iterator[Image.Image]:
    """Opens a picture, its size checked before a pixel is decoded. Whatever breaks while it is open becomes Invalid."""
    mime = sniff(content[:SNIFFED]) or ""
    try:
        scans = count_scans(mime, content) if mime.startswith("image/") else 1
        with Image.open(BytesIO(content), formats=("JPEG", "PNG", "GIF", "WEBP")) as picture:
            _bear(picture, scans)
            yield picture
    except HayonError:
        raise
    except TooManyParts:
        raise _too_complex() from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except Exception as error:  # noqa: BLE001 - a stranger's file may break a decoder in any way
        if isinstance(error, UnidentifiedImageError) and not mime.startswith("image/"):
            what = guess(content[:SNIFFED])
            raise unfit("kind", f"This is {what}. JPEG, PNG, GIF and WebP pictures can be posted.") from None
        raise unfit("damaged", "This picture is damaged or not all there. Save it anew and upload that.") from None


def _bear(picture: Image.Image, scans: int = 1) -> None:
    pixels = picture.width * picture.height
    if pixels > LARGEST_PIXELS:
        raise _too_large()
    if pixels * scans > MOST_SCANNED_PIXELS:
        raise _too_complex()


def _too_complex() -> Invalid:
    return unfit("too_complex", "This picture is made of far too many parts. Save it anew and upload that.")


def _too_large() -> Invalid:
    return unfit(
        "too_many_pixels", f"This picture has more than {LARGEST_PIXELS:,} pixels. Make it smaller and upload that."
    )


def _decode_all(picture: Image.Image) -> None:
    """Reads every byte of image data. JPEGs are decoded at an eighth of their size: that reads all, in little memory."""
    picture.draft(None, (max(1, picture.width // 8), max(1, picture.height // 8)))
    if picture.format in ("JPEG", "MPO") or not getattr(picture, "is_animated", False):
        picture.load()
        return
    seen, until = 0, monotonic() + LONGEST_LOOK_SECONDS
    for number in count():  # not n_frames: to know it of a GIF, all of it is looked through
        try:
            picture.seek(number)
        except EOFError:
            return
        _bear(picture)
        seen += picture.width * picture.height
        if seen > LARGEST_FILM or number >= MOST_FRAMES or monotonic() > until:
            raise unfit(
                "too_long", "This animation is too large: too many pictures for its size. Make it shorter or smaller."
            )
        picture.load()


def _turned(picture: Image.Image, mime: str) -> bytes:
    """Upright, saved with as little loss as there can be: a JPEG with its own tables, its colours not halved once more."""
    kept: dict[str, object] = {"icc_profile": picture.info.get("icc_profile")}
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        kept |= {"qtables": picture.quantization, "subsampling": 0, "optimize": True}
    elif mime == "image/webp":
        kept |= {"quality": 95, "method": 4}
    upright = ImageOps.exif_transpose(picture)
    written = BytesIO()
    upright.save(written, picture.format if picture.format != "MPO" else "JPEG", **kept)
    return written.getvalue()
