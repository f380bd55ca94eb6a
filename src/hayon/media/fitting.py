"""Makes a picture fit a platform's limit of bytes or pixels. The same bytes in give the same bytes out."""

from functools import partial
from io import BytesIO

from PIL import Image, ImageCms, ImageOps

from hayon.errors import Invalid, Rejected
from hayon.media.metadata import strip
from hayon.media.pictures import in_workshop, open_picture

# Where bytes have to be saved, no side is longer than this: beyond it, more pixels look worse than fewer.
_LONGEST_SIDE = 2560
_SMALLEST_SIDE = 32
_QUALITIES = (90, 84, 76)
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


async def shrink(
    content: bytes, mime: str, largest_bytes: int, largest_side: int | None = None
) -> tuple[bytes, str, int, int]:
    """The picture as (bytes, mime, width, height), no larger than told; untouched where it fits already.

    What has to be made smaller becomes a JPEG, or a PNG where it is see-through, in sRGB, upright and without any
    talk. Repeating it gives the same bytes as long as the libraries stay the same, so a repeated upload is the same
    blob. Raises Rejected where it cannot be read or cannot be made to fit.
    """
    return await in_workshop(partial(_shrink, content, mime, largest_bytes, largest_side))


def _shrink(content: bytes, mime: str, largest_bytes: int, largest_side: int | None) -> tuple[bytes, str, int, int]:
    try:
        with open_picture(content) as picture:
            width, height = picture.size
            fits = len(content) <= largest_bytes and (largest_side is None or max(width, height) <= largest_side)
            upright = picture.getexif().get(0x0112, 1) == 1
            if fits and upright:
                return content, mime, width, height
            if getattr(picture, "is_animated", False) and picture.format != "MPO":
                raise Rejected("An animation cannot be made smaller here. Make it smaller and upload that.")
            longest = min(largest_side or _LONGEST_SIDE, _LONGEST_SIDE)
            picture.draft("RGB", (longest, longest))
            ready = _ready(picture)
            if (fitted := _fitted(ready, longest, largest_bytes)) is not None:
                return fitted
    except Invalid as error:
        raise Rejected(str(error)) from None
    raise Rejected(f"This picture cannot be made to fit into {largest_bytes:,} bytes. Choose another.")


def _fitted(picture: Image.Image, longest: int, largest_bytes: int) -> tuple[bytes, str, int, int] | None:
    """The largest version that fits, in the best quality that fits."""
    see_through = picture.mode == "RGBA"
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    side = max(picture.size)
    while side >= _SMALLEST_SIDE:
        smaller = picture.copy()
        smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
        worst = _few_colours(smaller) if see_through else _jpeg(smaller, _QUALITIES[-1])
        if len(worst) <= largest_bytes:
            better = [_png] if see_through else [partial(_jpeg, quality=quality) for quality in _QUALITIES[:-1]]
            made = next((one for one in (way(smaller) for way in better) if len(one) <= largest_bytes), worst)
            return made, "image/png" if see_through else "image/jpeg", *smaller.size
        # bytes grow about as pixels do; a step too long would give away size, one too short only costs time
        side = min(int(side * 0.9), int(side * (largest_bytes / len(worst)) ** 0.5 * 1.1))
    return None


def _ready(picture: Image.Image) -> Image.Image:
    """Upright, sRGB, RGB or (where anything shines through) RGBA."""
    profile = picture.info.get("icc_profile")
    turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith("I"):  # sixteen bits of grey
        turned = turned.convert("I").point(lambda value: value / 256).convert("L")
    if turned.mode in ("P", "PA", "LA", "La", "RGBa", "RGBA") or "transparency" in turned.info:
        turned = turned.convert("RGBA")
    if profile and turned.mode in ("RGB", "RGBA", "CMYK", "L"):
        turned = _in_srgb(turned, profile)
    if turned.mode == "RGBA" and turned.getchannel("A").getextrema()[0] != 255:
        return turned
    return turned if turned.mode == "RGB" else turned.convert("RGB")


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        given = ImageCms.ImageCmsProfile(BytesIO(profile))
        changed = ImageCms.profileToProfile(picture, given, _SRGB, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that does not fit the picture: shown without it
        return picture
    return picture if changed is None else changed


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    return _saved(picture, "JPEG", "image/jpeg", quality=quality, optimize=True)


def _png(picture: Image.Image) -> bytes:
    return _saved(picture, "PNG", "image/png", optimize=True)


def _few_colours(picture: Image.Image) -> bytes:
    return _png(picture.quantize(256, method=Image.Quantize.FASTOCTREE))


def _saved(picture: Image.Image, form: str, mime: str, **options: object) -> bytes:
    written = BytesIO()
    picture.save(written, form, **options)
    return strip(mime, written.getvalue())
