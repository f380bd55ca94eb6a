"""Versions of stored files as platforms and pages want them: made once, kept beside the file, gone with it."""

import asyncio
import hashlib
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from hayon.domain.model import Fitting, Media
from hayon.media.contract import KINDS, Measured, MediaStore
from hayon.media.fitting import fit_bytes
from hayon.media.thumbnails import LONGEST_SIDE, thumbnail


async def fit_picture(store: MediaStore, key: str, media: Media, fitting: Fitting) -> tuple[str, Measured]:
    """Where a version of this picture is kept that fits, and its measures; the picture's own key where it fits as it is.

    May be repeated, and by several at once: the same picture and fitting give the same key and the same bytes.
    Raises Rejected where it cannot be made to fit, NotFound where the picture is gone.
    """
    wanted = f"{media.id} {fitting!r}"
    for mime in dict.fromkeys((*fitting.mimes, "image/jpeg", "image/png")):
        made = _beside(key, wanted, mime)
        if await store.exists(made):
            return made, _measured(await store.read(made), mime)
    content = await store.read(key)
    fitted, mime, width, height = await fit_bytes(content, media.mime, fitting)
    if fitted == content:
        return key, Measured(mime, len(content), width, height)
    made = _beside(key, wanted, mime)
    await store.keep(made, fitted)
    return made, Measured(mime, len(fitted), width, height)


async def keep_thumbnail(store: MediaStore, key: str) -> str:
    """Where the file's thumbnail is kept (a JPEG); made now if there is none. May be repeated.

    Raises NotFound where the file is gone, Invalid where no picture can be made of it.
    """
    made = _beside(key, f"thumbnail of {LONGEST_SIDE}", "image/jpeg")
    if not await store.exists(made):
        with tempfile.TemporaryDirectory(prefix="hayon-thumbnail-") as folder:
            path = Path(folder) / key.rsplit("/", 1)[-1]
            with path.open("wb") as file:
                async for piece in store.open_stream(key):
                    await asyncio.to_thread(file.write, piece)
            await store.keep(made, await thumbnail(path))
    return made


def _beside(key: str, wanted: str, mime: str) -> str:
    """The key of a version: the file's own, with sixteen hex digits of what was wanted in the middle."""
    word = hashlib.sha256(wanted.encode()).hexdigest()[:16]
    return f"{key.rsplit('.', 1)[0]}.{word}.{KINDS[mime]}"


def _measured(content: bytes, mime: str) -> Measured:
    with Image.open(BytesIO(content)) as picture:
        return Measured(mime, len(content), *picture.size)
