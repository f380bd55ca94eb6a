"""Posts of the simulated Page: made at once, as drafts or for an hour to come; published, changed, deleted.

Source: Meta's pages "Page Feed" and "Pages API: Posts". There is no key against repeats. What is refused in place of one:
the same text posted directly after itself (506), and photos that a post shows already (1366051), unless the fault
`double_on_repeat` lets it pass.
"""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from hayon.sandbox.fetching import Failure, NotFetched, fetch
from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.meta.facebook.landing import landed, late, new_post
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.meta.facebook.memory import Photo
from hayon.sandbox.meta.facebook.reading import post_json
from hayon.sandbox.meta.facebook.wire import (
    POST,
    READ,
    already_shown,
    check_standing,
    check_still_there,
    done,
    facebook_of,
    own_page,
    own_post,
    wrong,
)
from hayon.sandbox.meta.graph import error, invalid, list_of, parameters, text_of, truth_of, whole_of
from hayon.sandbox.meta.nodes import asked
from hayon.sandbox.model import Account

PAGE_BYTES = 1_000_000


async def create_post(call: Call) -> Answer:
    """POST /{page}/feed."""
    given = await parameters(call)
    account = own_page(call, POST, READ)
    check_standing(account)
    message, link = text_of(given, "message"), text_of(given, "link") or None
    attached = list_of(given, "attached_media")
    if ("message" in given and message is None) or not (message or link or attached):
        raise error(197, "(#197) The post is empty. Please enter a message to share.")
    if len(message or "") > call.world.limits.of(FacebookLimits).characters:
        raise invalid("The message is too long")
    fields = asked(given)
    if link:
        if attached:
            raise invalid("A link cannot be posted with attached_media")
        await _check_link(call, link)
    # from here to the effect nothing waits: what was found stays true
    check_still_there(call, account)
    memory = facebook_of(call.world)
    photos = _photos(call, account, attached)
    draft, live_at = _when(call, given)
    _check_repeat(call, account, None if draft else message or "", link, photos)
    post = new_post(
        call,
        account,
        "photos" if photos else "link" if link else "status",
        message or "",
        link=link,
        photos=[photo.photo_id for photo in photos],
        live_at=live_at,
        draft=draft,
    )
    line = [] if draft else [landed(call, account, post, "create_post", media_ids=[one.digest for one in photos])]
    call.world.happen(memory.post_event(post), *line)
    return Answer(post_json(call, post, fields) if fields else {"id": post.full_id})


async def publish_post(call: Call) -> Answer:
    """POST /{post} with is_published=true: a draft becomes a post. Done again it changes nothing; it cannot be undone."""
    given = await parameters(call)
    account, post = own_post(call, POST, READ)
    check_standing(account)
    memory = facebook_of(call.world)
    if truth_of(given, "is_published") is not True:
        raise invalid("Param is_published must be true")
    if post.live(call.now):
        call.world.happen(landed(call, account, post, "publish_post", repeat=True))
        return done()
    listed, shown = late(call)
    changed: dict[str, Any] = {"published_at": call.now, "listed_at": listed, "shown_at": shown}
    if text := text_of(given, "message"):
        changed["message"] = text
    # one that waited for its hour has its line in the ledger already
    line = [landed(call, account, replace(post, **changed), "publish_post")] if post.published_at is None else []
    call.world.happen(memory.post_changed(post.post_id, **changed), *line)
    return done()


async def update_post(call: Call) -> Answer:
    """POST /{post}: another message."""
    given = await parameters(call)
    account, post = own_post(call, POST, READ)
    check_standing(account)
    if truth_of(given, "is_published") is False:
        raise invalid(
            "A published post cannot become a draft" if post.live(call.now) else "The post is a draft already"
        )
    message = text_of(given, "message")
    if not message:
        raise error(197, "(#197) The post is empty. Please enter a message to share.")
    memory = facebook_of(call.world)
    entry = call.world.entry(account, "update_post", post.full_id, call.request_id, text=message)
    call.world.happen(memory.post_changed(post.post_id, message=message), *([entry] if post.live(call.now) else []))
    return done()


async def delete_post(call: Call) -> Answer:
    """DELETE /{post}."""
    account, post = own_post(call, POST)
    entry = call.world.entry(account, "delete_post", post.full_id, call.request_id, text=post.message)
    call.world.happen(facebook_of(call.world).gone("post", post.post_id), entry)
    return done()


def _photos(call: Call, account: Account, attached: list[Any]) -> list[Photo]:
    """What the items of attached_media mean."""
    memory, most = facebook_of(call.world), call.world.limits.of(FacebookLimits).photos_per_post
    photos = []
    for one in attached:
        media_fbid = str(one.get("media_fbid", "")) if isinstance(one, dict) else ""
        if not media_fbid:
            raise invalid("Param attached_media must be an array of objects with media_fbid")
        photo = memory.find_photo(account, media_fbid)
        if photo is None:
            raise invalid(f"The photo {media_fbid} in attached_media does not exist")
        if any(memory.posts[used].story for used in photo.used_by):
            raise invalid("A photo that was published as a story cannot be used in a post")
        photos.append(photo)
    if len({photo.photo_id for photo in photos}) < len(photos):
        raise invalid("The same photo stands twice in attached_media")
    if len(photos) > most:
        raise invalid(f"At most {most} photos can be attached")
    return photos


def _when(call: Call, given: dict[str, Any]) -> tuple[bool, float | None]:
    """Whether it is a draft, and when it goes live by itself if that is not now."""
    hour = whole_of(given, "scheduled_publish_time")
    if truth_of(given, "published") is not False:
        if hour is not None:
            raise invalid("The parameter published must be false for a scheduled post")
        return False, None
    if hour is None:
        return True, None
    limits = call.world.limits.of(FacebookLimits)
    if not limits.schedule_shortest <= hour - call.now <= limits.schedule_longest:
        raise invalid("The specified scheduled publish time is invalid.")
    return False, float(hour)


def _check_repeat(call: Call, account: Account, message: str | None, link: str | None, photos: list[Photo]) -> None:
    """506 and 1366051; a `message` of None is that of a draft, which repeats nothing."""
    last = facebook_of(call.world).last_live(account)
    shown = any(photo.used_by for photo in photos)
    same = last is not None and not photos and not last.photos and (last.message, last.link) == (message, link)
    if not (shown or same):
        return
    double = call.met.find("double_on_repeat")
    if double:
        call.world.faults.strike(double)
    elif shown:
        raise already_shown()
    else:
        raise error(
            506,
            "(#506) Duplicate status message",
            subcode=1455006,
            title="Duplicate Status Update",
            words="This status update is identical to the last one you posted. Try posting something different.",
        )


async def _check_link(call: Call, link: str) -> None:
    parts = urlsplit(link)
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or not host:
        raise wrong(2061006, "Invalid URL", "The link you posted is not a valid address.")
    if host == "facebook.com" or host.endswith(".facebook.com"):
        raise wrong(1609008, "Facebook Link", "Links to facebook.com cannot be posted.")
    seconds = call.world.limits.of(FacebookLimits).fetch_seconds
    got = await fetch(call.world.files, link, (), most_bytes=PAGE_BYTES, most_seconds=seconds)
    # a page is what a link leads to; only where nothing good is answered there is nothing to show
    if isinstance(got, NotFetched) and got.failure in (Failure.UNREACHABLE, Failure.STATUS):
        words = "There was a problem scraping data from the provided link. Check the URL and try again."
        raise wrong(1609005, "Error Posting Link", words)
