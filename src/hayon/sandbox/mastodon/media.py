"""Media of the simulated instance: upload, look, describe, delete while unattached.

Source: mastodon app/controllers/api/v{1,2}/media_controller.rb, app/models/media_attachment.rb.
"""

import math
from dataclasses import asdict
from typing import Any

from starlette.datastructures import UploadFile

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.mastodon.entities import IMAGES, VIDEOS, media_json
from hayon.sandbox.mastodon.instance import instance_of
from hayon.sandbox.mastodon.limits import InstanceLimits
from hayon.sandbox.mastodon.wire import caller, charge, error, invalid, not_found, parameters, text_of
from hayon.sandbox.model import Media
from hayon.sandbox.sniffing import measure, sniff

PROCESSING_FAILED = "Error processing thumbnail for uploaded media"


async def upload_media(call: Call) -> Answer:
    """POST /api/v2/media: 200 for a picture, 202 for what is still being processed."""
    account, _ = caller(call, "write:media")
    charge(call, ("mastodon.media", account.account_id))
    given = await parameters(call)
    file = given.get("file")
    if not isinstance(file, UploadFile):
        raise invalid("File can't be blank")
    content = await file.read()
    await file.close()
    mime_type = sniff(content)
    digest = call.world.files.digest(content)
    width, height = _measured(call, content, digest, mime_type)
    slow, failed = call.met.find("slow_media"), call.met.find("failed_media")
    wait = slow or failed
    video = mime_type in VIDEOS
    media = Media(
        media_id=instance_of(call.world).next_id(),
        account_id=account.account_id,
        mime_type=mime_type or "",
        size=len(content),
        digest=call.world.files.put(content, digest),
        width=width,
        height=height,
        description=_description(call, given),
        focus=_focus(given),
        uploaded_at=call.now,
        ready_at=call.now + (wait.seconds if wait else 1.0 if video else 0.0),
        failed=failed is not None,
    )
    call.world.happen(("media", asdict(media)))
    return Answer(media_json(call, media), 202 if wait or video else 200)


async def get_media(call: Call) -> Answer:
    """GET /api/v1/media/:id: 206 while processing, 404 once attached."""
    charge(call)
    return _as_it_stands(call, _own(call))


async def update_media(call: Call) -> Answer:
    """PUT /api/v1/media/:id: another description or focus, while unattached."""
    charge(call)
    media = _own(call)
    given = await parameters(call)
    facts = {
        "media_id": media.media_id,
        "description": _description(call, given) if "description" in given else media.description,
        "focus": _focus(given) if "focus" in given else media.focus,
    }
    call.world.happen(("media_changed", facts))
    return _as_it_stands(call, media)


async def delete_media(call: Call) -> Answer:
    """DELETE /api/v1/media/:id, while unattached (since 4.4)."""
    charge(call)
    caller(call, "write:media")
    media = instance_of(call.world).find_media(call.request.path_params["id"])
    if media and media.status_id is not None:
        raise error(422, "Media attachment is currently used by a status")
    call.world.happen(("media_gone", {"media_id": _own(call).media_id}))
    return Answer({})


def _own(call: Call) -> Media:
    account, _ = caller(call, "write:media")
    media = instance_of(call.world).find_media(call.request.path_params["id"])
    if media is None or media.account_id != account.account_id or media.status_id is not None:
        raise not_found()
    return media


def _as_it_stands(call: Call, media: Media) -> Answer:
    if call.now < media.ready_at:
        return Answer(media_json(call, media), 206)
    if media.failed:
        raise error(422, PROCESSING_FAILED)
    return Answer(media_json(call, media))


def _measured(call: Call, content: bytes, digest: str, mime_type: str | None) -> tuple[int | None, int | None]:
    limits = call.world.limits.of(InstanceLimits)
    if not content:
        raise invalid("File can't be blank")
    if mime_type in VIDEOS:
        if len(content) > limits.video_size:
            raise invalid(f"File file size must be less than {limits.video_size // 2**20} MB")
        return None, None
    if mime_type not in IMAGES:
        raise invalid("File content type is invalid, File is invalid")
    if len(content) > limits.image_size:
        raise invalid(f"File file size must be less than {limits.image_size // 2**20} MB")
    if mime_type in ("image/heic", "image/heif"):
        return None, None
    picture = measure(content, digest)
    if picture is None:
        # a picture of a good kind whose bytes are broken passes the type check and dies in the thumbnailer
        raise error(500, PROCESSING_FAILED)
    if picture.width * picture.height > limits.image_pixels:
        raise error(422, f"{picture.width}x{picture.height} images are not supported")
    return picture.width, picture.height


def _description(call: Call, given: dict[str, Any]) -> str | None:
    description = (text_of(given, "description") or "").strip() or None
    most = call.world.limits.of(InstanceLimits).description_characters
    if description and len(description) > most:
        raise invalid(f"Description is too long (maximum is {most} characters)")
    return description


def _focus(given: dict[str, Any]) -> tuple[float, float] | None:
    text = text_of(given, "focus")
    if not text:
        return None
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) <= 1 else None
