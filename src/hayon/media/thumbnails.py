"""Small pictures of pictures and videos, for lists and previews. Where they are kept is decided elsewhere."""

from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from hayon.errors import NotFound
from hayon.media.contract import unfit
from hayon.media.metadata import strip
from hayon.media.pictures import in_workshop, open_picture
from hayon.media.sniffing import SNIFFED, sniff
from hayon.media.videos import take_still

LONGEST_SIDE, PORTRAIT_SIDE = 320, 128
LARGEST_PORTRAIT = 16_000_000
"""In pixels of the picture that it is drawn from."""
_GROUND = "white"


async def thumbnail(source: Path | bytes) -> bytes:
    """A JPEG whose longest side has 320 pixels, or fewer where the picture has; of a video, one of its first pictures.

    A video is named by its file; a picture may be given by its bytes. Of an animation it shows the first picture, and
    what is see-through is put on white. Raises NotFound, or Invalid where it cannot be read.
    """
    if isinstance(source, bytes):
        return await in_workshop(partial(_small, source))

    def look() -> bytes | None:
        try:
            with source.open("rb") as file:
                start = file.read(SNIFFED)
                return None if (sniff(start) or "").startswith("video/") else _small(start + file.read())
        except FileNotFoundError:
            raise NotFound("There is no such file.") from None

    made = await in_workshop(look)
    return await take_still(source) if made is None else made


async def portrait(content: bytes) -> bytes:
    """A square JPEG of the middle of a picture, 128 pixels a side: somebody's face in a list. Raises Invalid.

    It is drawn unasked, so that it may take less than a picture that somebody uploads.
    """

    def work() -> bytes:
        with open_picture(content) as picture:
            if picture.width * picture.height > LARGEST_PORTRAIT:
                raise unfit("too_many_pixels", f"A face has no more than {LARGEST_PORTRAIT:,} pixels.")
        return _small(content, PORTRAIT_SIDE, square=True)

    return await in_workshop(work)


def _small(content: bytes, side: int = LONGEST_SIDE, *, square: bool = False) -> bytes:
    with open_picture(content) as picture:
        profile = picture.info.get("icc_profile") if picture.mode == "RGB" else None
        picture.draft("RGB", (2 * side, 2 * side))
        small = ImageOps.exif_transpose(picture)
        if small.mode.startswith("I"):  # sixteen bits of grey
            small = small.convert("I").point(lambda value: value / 256).convert("L")
        if small.mode in ("P", "PA", "LA", "La", "RGBa", "RGBA") or "transparency" in small.info:
            small = small.convert("RGBA")
        if square:
            small = ImageOps.fit(small, (side, side), Image.Resampling.LANCZOS)
        else:
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
        if small.mode == "RGBA":
            ground = Image.new("RGB", small.size, _GROUND)
            ground.paste(small, mask=small.getchannel("A"))
            small = ground
        written = BytesIO()
        small.convert("RGB").save(written, "JPEG", quality=80, optimize=True, icc_profile=profile)
    return strip("image/jpeg", written.getvalue())
