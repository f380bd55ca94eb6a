"""Real pictures, drawn for tests: photos full of camera data, animations, bombs."""

import random
import struct
import zlib
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, PngImagePlugin

CAMERA = "Kamera-4711"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><Geheim-4711/></x:xmpmeta>'
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SECRETS = (CAMERA.encode(), b"Geheim-4711", b"xmpmeta")


def photo(width: int = 96, height: int = 64, mode: str = "RGB", seed: int = 1) -> Image.Image:
    """Something with edges, areas and fine detail; the top left corner is red."""
    size = (width // 4, height // 4)
    dice = random.Random(seed)  # noqa: S311 - detail that can be drawn again, no secret
    small = Image.frombytes("RGB", size, dice.randbytes(size[0] * size[1] * 3))
    picture = small.resize((width, height), Image.Resampling.BICUBIC)
    picture.paste((255, 0, 0), (0, 0, width // 3, height // 3))
    if mode in ("RGBA", "LA"):
        picture = picture.convert(mode)
        picture.putalpha(Image.linear_gradient("L").resize((width, height)))
        return picture
    if mode == "I;16":
        return picture.convert("I").point(lambda value: value * 256).convert("I;16")
    return picture.convert(mode)


def camera_data(orientation: int = 1) -> Image.Exif:
    """What a phone writes: its name, how it was held, and where."""
    exif = Image.Exif()
    exif[0x010F] = CAMERA
    exif[0x0112] = orientation
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)}
    return exif


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    written = BytesIO()
    picture.save(written, form, **options)
    return written.getvalue()


def talkative(form: str, orientation: int = 1, picture: Image.Image | None = None) -> bytes:
    """A picture file with everything in it that should not get out."""
    picture = picture or photo()
    options: dict[str, Any] = {"exif": camera_data(orientation), "icc_profile": SRGB}
    if form == "PNG":
        said = PngImagePlugin.PngInfo()
        said.add_text("Comment", "Geheim-4711")
        said.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return saved(picture, form, pnginfo=said, **options)
    if form == "JPEG":
        return saved(picture, form, comment=b"Geheim-4711", xmp=XMP, quality=92, **options)
    return saved(picture, form, xmp=XMP, quality=92, **options)


def animation(form: str = "GIF", frames: int = 4, size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    pictures = [photo(*size, seed=number).convert("P" if form == "GIF" else "RGB") for number in range(frames)]
    return saved(pictures[0], form, save_all=True, append_images=pictures[1:], duration=80, loop=0, **options)


def png_bomb(side: int) -> bytes:
    """Black, of this side, honest and small: one bit a pixel."""
    rows = zlib.compress(bytes(((side + 7) // 8 + 1) * side), 9)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


async def stream(content: bytes, piece: int = 1000, seen: list[int] | None = None) -> AsyncIterator[bytes]:
    """The content in pieces; `seen` notes how many bytes were asked for."""
    for start in range(0, len(content), piece):
        if seen is not None:
            seen.append(start)
        yield content[start : start + piece]


def corner(content: bytes) -> str:
    """In which corner the red is: "top left" …"""
    picture = Image.open(BytesIO(content)).convert("RGB")
    width, height = picture.size
    spots = {
        "top left": (3, 3),
        "top right": (width - 4, 3),
        "bottom left": (3, height - 4),
        "bottom right": (width - 4, height - 4),
    }
    found = [name for name, spot in spots.items() if _is_red(picture.getpixel(spot))]
    assert len(found) == 1, found
    return found[0]


def _is_red(pixel: Any) -> bool:
    colour: Sequence[int] = pixel
    return colour[0] > 200 and colour[1] < 60 and colour[2] < 60
