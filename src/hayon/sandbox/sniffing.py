"""What kind of file some bytes are, by their first ones, and how large a picture is."""

import io
import warnings
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
    (b"%PDF", "application/pdf"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's measures in pixels."""

    width: int
    height: int


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
