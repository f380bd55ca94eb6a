"""Photos of the simulated Facebook: uploaded as bytes or really fetched from their address, a post each or unpublished.

Source: Meta's page "Page Photos".
"""

from typing import Any

from hayon.sandbox.fetching import Failure, NotFetched, fetch
from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.meta.calls import id_of
from hayon.sandbox.meta.facebook.landing import landed, new_post
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.meta.facebook.memory import Photo
from hayon.sandbox.meta.facebook.wire import (
    POST,
    READ,
    check_standing,
    check_still_there,
    done,
    facebook_of,
    own_page,
    own_photo,
    wrong,
)
from hayon.sandbox.meta.graph import Upload, parameters, text_of, truth_of
from hayon.sandbox.sniffing import measure, sniff

KINDS = ("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff")


async def upload_photo(call: Call) -> Answer:
    """POST /{page}/photos: a post, or with published=false a photo that nobody sees and that something may show later."""
    given = await parameters(call)
    account = own_page(call, POST, READ)
    check_standing(account)
    digest, mime_type, width, height = await _brought(call, given)
    check_still_there(call, account)
    memory = facebook_of(call.world)
    number = memory.next_number()
    published = truth_of(given, "published") is not False
    photo = Photo(
        photo_id=id_of(number),
        number=number,
        account_id=account.account_id,
        digest=digest,
        mime_type=mime_type,
        width=width,
        height=height,
        caption=text_of(given, "caption") or text_of(given, "message") or text_of(given, "name") or "",
        alt_text=text_of(given, "alt_text_custom") or "",
        published=published,
        created_at=call.now,
    )
    if not published:
        call.world.happen(memory.photo_event(photo))
        return Answer({"id": photo.photo_id})
    post = new_post(call, account, "photos", photo.caption, photos=[photo.photo_id])
    line = landed(call, account, post, "upload_photo", media_ids=[photo.digest])
    call.world.happen(memory.photo_event(photo), memory.post_event(post), line)
    return Answer({"id": photo.photo_id, "post_id": post.full_id})


async def delete_photo(call: Call) -> Answer:
    """DELETE /{photo}: from the post that shows it too; a post of this photo alone goes with it."""
    account, photo = own_photo(call, POST)
    entry = call.world.entry(account, "delete_photo", photo.photo_id, call.request_id, text=photo.caption)
    call.world.happen(facebook_of(call.world).gone("photo", photo.photo_id), entry)
    return done()


async def _brought(call: Call, given: dict[str, Any]) -> tuple[str, str, int, int]:
    """The file's digest and kind, the photo's sides."""
    most = call.world.limits.of(FacebookLimits).photo_size
    source, address = given.get("source"), text_of(given, "url")
    if isinstance(source, Upload):
        kind, size = sniff(source.content), len(source.content)
        digest = call.world.files.digest(source.content)
        picture = measure(source.content, digest) if kind in KINDS else None
        if kind is None or (kind in KINDS and picture is None):
            raise _broken()
        if picture is None or size > most:
            raise _unreadable()
        return call.world.files.put(source.content, digest), kind, picture.width, picture.height
    if not address:
        raise wrong(2069019, "Missing Or Invalid Image File", "(#324) Requires upload file", code=324)
    seconds = call.world.limits.of(FacebookLimits).fetch_seconds
    got = await fetch(call.world.files, address, KINDS, most_bytes=most, most_seconds=seconds)
    if isinstance(got, NotFetched):
        raise _unreadable() if got.failure in (Failure.TYPE, Failure.TOO_LARGE) else _broken()
    if got.width is None or got.height is None:
        raise _broken()
    return got.digest, got.mime_type, got.width, got.height


def _broken() -> Exception:
    return wrong(
        2069019,
        "Missing Or Invalid Image File",
        "The image could not be read. Please check that the file is a valid picture, or that its address can be reached.",
        code=324,
    )


def _unreadable() -> Exception:
    return wrong(
        1366046,
        "Can't Read Files",
        "Your photos couldn't be uploaded. Photos should be smaller than 4 MB and saved as JPG, PNG, GIF or TIFF files.",
        code=1,
    )
