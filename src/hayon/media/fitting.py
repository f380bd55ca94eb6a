"""Makes a picture what a platform wants: type, bytes, sides, shape, colours. The same bytes in give the same bytes out."""

from functools import partial
from io import BytesIO

from PIL import Image, ImageCms, ImageOps

from hayon.domain.model import Fitting
from hayon.errors import Invalid, Rejected
from hayon.media.metadata import strip
from hayon.media.pictures import in_workshop, open_picture

# Where bytes have to be saved, no side is longer than this: beyond it, more pixels look worse than fewer.
_LONGEST_SIDE = 2560
_SMALLEST_SIDE = 32
_QUALITIES = (90, 84, 76)
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_GROUND = "white"
_SHAPE_TOLERANCE = 0.005
"""How far beyond its bounds a shape may be: sides are whole pixels, so no picture hits a bound exactly."""


async def fit_bytes(content: bytes, mime: str, fitting: Fitting) -> tuple[bytes, str, int, int]:
    """The picture as (bytes, mime, width, height), as the fitting says; untouched where it fits already.

    What has to be changed becomes a JPEG, or a PNG where it is see-through and that is taken, in sRGB, upright and
    without any talk. Repeating it gives the same bytes as long as the libraries stay the same, so a repeated upload is
    the same blob. Raises Rejected where it cannot be read or cannot be made to fit.
    """
    return await in_workshop(partial(_fit, content, mime, fitting))


def _fit(content: bytes, mime: str, fitting: Fitting) -> tuple[bytes, str, int, int]:
    try:
        with open_picture(content) as picture:
            if _fits(picture, content, mime, fitting):
                return content, mime, *picture.size
            if getattr(picture, "is_animated", False) and picture.format != "MPO":
                raise Rejected("An animation cannot be made to fit here. Make it smaller, or use a still picture.")
            longest = min(fitting.largest_side or _LONGEST_SIDE, _LONGEST_SIDE)
            picture.draft("RGB", (longest, longest))
            ready = _shaped(_ready(picture), fitting)
            if (fitted := _fitted(ready, longest, fitting)) is not None:
                return fitted
    except Invalid as error:
        raise Rejected(str(error)) from None
    raise Rejected(f"This picture cannot be made to fit into {fitting.largest_bytes:,} bytes. Choose another.")


def _fits(picture: Image.Image, content: bytes, mime: str, fitting: Fitting) -> bool:
    return (
        mime in fitting.mimes
        and len(content) <= fitting.largest_bytes
        and (fitting.largest_side is None or max(picture.size) <= fitting.largest_side)
        and picture.getexif().get(0x0112, 1) == 1
        and _wanted_shape(picture.size, fitting) == picture.size
        and not (fitting.srgb and (picture.mode not in ("RGB", "L") or "icc_profile" in picture.info))
    )


def _wanted_shape(size: tuple[int, int], fitting: Fitting) -> tuple[int, int]:
    """The nearest size whose shape is allowed and that holds all of the picture."""
    width, height = size
    if fitting.narrowest and width / height < fitting.narrowest - _SHAPE_TOLERANCE:
        return round(height * fitting.narrowest), height
    if fitting.widest and width / height > fitting.widest + _SHAPE_TOLERANCE:
        return width, round(width / fitting.widest)
    return size


def _shaped(picture: Image.Image, fitting: Fitting) -> Image.Image:
    """On a ground of an allowed shape, in the middle of it; without transparency where no wanted type knows it."""
    wanted = _wanted_shape(picture.size, fitting)
    if picture.mode == "RGBA" and ("image/png" not in fitting.mimes or wanted != picture.size):
        ground = Image.new("RGB", picture.size, _GROUND)
        ground.paste(picture, mask=picture.getchannel("A"))
        picture = ground
    if wanted == picture.size:
        return picture
    return ImageOps.pad(picture, wanted, color=_GROUND)


def _fitted(picture: Image.Image, longest: int, fitting: Fitting) -> tuple[bytes, str, int, int] | None:
    """The largest version that fits, in the best quality that fits."""
    see_through, largest_bytes = picture.mode == "RGBA" or "image/jpeg" not in fitting.mimes, fitting.largest_bytes
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
