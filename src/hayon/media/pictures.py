"""What a file really is, and a clean copy of it. Judges by content alone; what a platform takes is asked elsewhere."""

import asyncio
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from hayon.errors import HayonError, Invalid, NotFound, Problem
from hayon.media.metadata import strip

KINDS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}
"""What is taken in, and the ending of its keys."""
LARGEST_PIXELS = 64_000_000
"""A phone's largest usual picture has 50 million; one of 64 takes about 200 MB of memory to look at."""
LARGEST_FILM = 300_000_000
"""Pixels of all pictures of an animation together."""

Image.MAX_IMAGE_PIXELS = LARGEST_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
_NAMES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_OTHERS = (
    (4, b"ftyphei", "a HEIC photo"), (4, b"ftypmif1", "a HEIC photo"), (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftyp", "a video"), (0, b"\x1aE\xdf\xa3", "a video"), (0, b"%PDF", "a PDF document"), (0, b"BM", "a BMP picture"),
    (0, b"II*\0", "a TIFF picture"), (0, b"MM\0*", "a TIFF picture"), (0, b"<svg", "an SVG drawing"), (0, b"<", "a web page"),
)  # fmt: skip
_ORIENTATION = 0x0112
# Few threads on purpose: they bound how many large pictures are in memory at once.
_WORKSHOP = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file really is. Size in bytes; width and height in pixels, as it is shown."""

    mime: str
    size: int
    width: int
    height: int
    animated: bool = False


async def measure(path: Path) -> Measured:
    """Measures a picture file. Raises NotFound, or Invalid for all but undamaged JPEG, PNG, GIF and WebP of bearable size."""

    def look() -> Measured:
        try:
            return measure_bytes(path.read_bytes())
        except FileNotFoundError:
            raise NotFound("There is no such file.") from None

    return await in_workshop(look)


async def in_workshop(work: Callable[[], T]) -> T:
    """Runs work on pictures in a thread of its own."""
    return await asyncio.get_running_loop().run_in_executor(_WORKSHOP, work)


def measure_bytes(content: bytes) -> Measured:
    """As `measure`, of what is in memory. Decodes every picture of the file, so that a cut one is noticed."""
    with open_picture(content) as picture:
        mime, animated = _NAMES[picture.format or ""], getattr(picture, "is_animated", False)
        width, height = picture.size
        if picture.getexif().get(_ORIENTATION, 1) >= 5:
            width, height = height, width
        _decode_all(picture)
    return Measured(mime, len(content), width, height, animated and mime != "image/jpeg")


def clean(content: bytes, declared: str) -> tuple[bytes, Measured]:
    """The picture without location, camera and comment, upright, and its measures.

    Pixels are touched only where it has to be turned upright. Raises Invalid as `measure` does, and where it is
    another kind than declared.
    """
    with open_picture(content) as picture:
        mime = _NAMES[picture.format or ""]
        if mime != declared:
            raise unfit("kind", f"This was announced as {declared}, but is {mime}. Upload it as what it is.")
        turned = picture.getexif().get(_ORIENTATION, 1) in range(2, 9)
        if turned and (mime == "image/jpeg" or not getattr(picture, "is_animated", False)):
            content = _turned(picture, mime)
        content = strip(mime, content)
    return content, measure_bytes(content)


@contextmanager
def open_picture(content: bytes) -> Iterator[Image.Image]:
    """Opens a picture, its size checked before a pixel is decoded. Whatever breaks while it is open becomes Invalid."""
    try:
        with Image.open(BytesIO(content), formats=("JPEG", "PNG", "GIF", "WEBP")) as picture:
            _bear(picture)
            yield picture
    except HayonError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except UnidentifiedImageError:
        raise unfit("kind", f"This is {_guess(content)}. JPEG, PNG, GIF and WebP pictures can be posted.") from None
    except Exception:  # noqa: BLE001 - a stranger's file may break a decoder in any way
        raise unfit("damaged", "This picture is damaged or not all there. Save it anew and upload that.") from None


def unfit(rule: str, message: str) -> Invalid:
    """The error for a file that cannot be taken."""
    return Invalid([Problem("file", rule, message)])


def _bear(picture: Image.Image) -> None:
    if picture.width * picture.height > LARGEST_PIXELS:
        raise _too_large()


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
    frames: int = getattr(picture, "n_frames", 1)
    if frames * picture.width * picture.height > LARGEST_FILM:
        raise unfit(
            "too_long", "This animation is too large: too many pictures for its size. Make it shorter or smaller."
        )
    for number in range(frames):
        picture.seek(number)
        _bear(picture)
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


def _guess(content: bytes) -> str:
    start = content.lstrip()[:64] if content[:1].isspace() else content[:64]
    for place, mark, name in _OTHERS:
        if start[place:].startswith(mark):
            return name
    return "no picture" if content else "an empty file"
