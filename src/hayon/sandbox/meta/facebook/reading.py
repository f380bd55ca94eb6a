"""What the simulated Facebook tells: a Page, a post, a photo, a video and how it stands, and what a Page has posted.

Source: Meta's pages "Page", "Page Feed", "Page Post", "Photo", "Reels Publishing API" (the phases of a video).
"""

from typing import Any

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.meta.calls import caller
from hayon.sandbox.meta.facebook.arriving import expired
from hayon.sandbox.meta.facebook.memory import Photo, Post, Video
from hayon.sandbox.meta.facebook.paths import path_of, path_of_video
from hayon.sandbox.meta.facebook.wire import (
    API,
    APP_ID,
    READ,
    READ_FEED,
    facebook_of,
    own_page,
    own_photo,
    own_post,
    own_video,
    person_id,
)
from hayon.sandbox.meta.graph import moment, need, not_there, parameters
from hayon.sandbox.meta.nodes import Fields, asked, page, shown
from hayon.sandbox.model import Account
from hayon.sandbox.portraits import portrait_url


async def get_me(call: Call) -> Answer:
    """GET /me, a Page or the person whose token this is; or either by its id."""
    account, token = caller(call, API)
    given = await parameters(call)
    node = call.request.path_params["node"]
    person = token.kind == "user"
    if node == person_id(account) or (node == "me" and person):
        if not person:
            raise not_there("GET", node)
        whole: dict[str, Any] = {"id": person_id(account), "name": f"{account.display_name}'s owner"}
        return Answer(shown("User", whole, asked(given), ("name",)))
    if node not in ("me", account.account_id):
        raise not_there("GET", node)
    whole = {
        "id": account.account_id,
        "name": account.display_name,
        "username": account.handle,
        "link": f"{call.base_url}/facebook/{account.account_id}",
        "category": "Community",
        "about": None,
        "is_published": True,
        "fan_count": 0,
        "followers_count": 0,
        "access_token": account.secret,
        "picture": {"data": {"height": 50, "width": 50, "url": portrait_url(call.base_url, account)}},
    }
    return Answer(shown("Page", whole, asked(given), ("name",)))


async def debug_token(call: Call) -> Answer:
    """GET /debug_token: what is in the token `input_token`."""
    caller(call, API)
    given = await parameters(call)
    tokens = facebook_of(call.world).tokens
    token = tokens.find(need(given, "input_token"))
    if token is None:
        return Answer({"data": {"is_valid": False, "error": {"code": 190, "message": "Invalid OAuth access token."}}})
    account = call.world.get_account(API.platform, token.account_id)
    whole = {
        "app_id": APP_ID,
        "type": "PAGE" if token.kind == "page" else "USER",
        "application": account.app_name,
        "is_valid": not token.revoked and tokens.lasts(token),
        "issued_at": int(token.issued_at),
        "expires_at": int(token.expires_at or 0),
        "data_access_expires_at": int(token.issued_at) + 90 * 86_400,
        "scopes": token.scopes,
        "user_id": person_id(account),
    }
    return Answer({"data": whole | ({"profile_id": account.account_id} if token.kind == "page" else {})})


async def get_post(call: Call) -> Answer:
    """GET /{post}."""
    _, post = own_post(call, READ)
    given = await parameters(call)
    return Answer(post_json(call, post, asked(given)))


async def get_photo(call: Call) -> Answer:
    """GET /{photo}."""
    _, photo = own_photo(call, READ)
    given = await parameters(call)
    memory = facebook_of(call.world)
    post = next((memory.posts[one] for one in photo.used_by), None)
    seen = post if post and post.live(call.now) and call.now >= post.shown_at else None
    image = _image(call, photo)
    whole = {
        "id": photo.photo_id,
        "created_time": moment(photo.created_at),
        "name": photo.caption or None,
        "alt_text": photo.alt_text or "May be an image",
        "alt_text_custom": photo.alt_text or None,
        "width": photo.width,
        "height": photo.height,
        "images": [image],
        "picture": image["source"],
        "page_story_id": seen.full_id if seen else None,
        "link": f"{call.base_url}{path_of(seen)}" if seen else None,
        "from": _author(call, photo.account_id),
    }
    return Answer(shown("Photo", whole, asked(given), ("created_time", "name")))


async def get_video(call: Call) -> Answer:
    """GET /{video}: how it stands, and what became of it."""
    _, video = own_video(call, READ)
    given = await parameters(call)
    post = facebook_of(call.world).posts.get(video.post_id or "")
    seen = post if post and post.live(call.now) and call.now >= post.shown_at else None
    path = path_of_video(video)
    whole = {
        "id": video.video_id,
        "title": video.title or None,
        "description": video.description or None,
        "created_time": moment(video.started_at),
        "updated_time": moment(video.finished_at or video.started_at),
        "length": video.seconds,
        "published": seen is not None,
        "post_id": seen.post_id if seen else None,
        "permalink_url": f"{call.base_url}{path}" if path else None,
        "source": f"{call.base_url}/media/{video.digest}" if video.digest else None,
        "status": status_of(call, video, live=seen is not None),
        "from": _author(call, video.account_id),
    }
    return Answer(shown("Video", whole, asked(given), ("description", "updated_time")))


async def list_feed(call: Call) -> Answer:
    """GET /{page}/feed: posts and drafts, without reels and stories."""
    account = own_page(call, READ, READ_FEED)
    return await _listed(call, _feed(call, account))


async def list_published_posts(call: Call) -> Answer:
    """GET /{page}/published_posts."""
    account = own_page(call, READ, READ_FEED)
    return await _listed(call, [post for post in _feed(call, account) if _listed_live(call, post)])


async def list_scheduled_posts(call: Call) -> Answer:
    """GET /{page}/scheduled_posts."""
    account = own_page(call, READ, READ_FEED)
    waiting = [post for post in _feed(call, account) if post.published_at and not post.live(call.now)]
    return await _listed(call, waiting)


async def list_reels(call: Call) -> Answer:
    """GET /{page}/video_reels: the published ones."""
    account = own_page(call, READ)
    given = await parameters(call)
    fields, memory = asked(given), facebook_of(call.world)
    held = [one for one in memory.list_posts(account) if one.kind == "reel" and _listed_live(call, one)]

    def told(post: Post) -> dict[str, Any]:
        video = memory.videos[str(post.video_id)]
        whole = {
            "id": video.video_id,
            "description": video.description or None,
            "title": video.title or None,
            "created_time": moment(video.started_at),
            "updated_time": moment(video.finished_at or video.started_at),
            "permalink_url": f"{call.base_url}{path_of(post)}",
            "post_id": post.post_id,
            "published": True,
            "length": video.seconds,
        }
        return shown("Video", whole, fields, ("description", "updated_time"))

    return Answer(page(call, given, held, order=lambda one: one.number, at=lambda one: one.created_at, show=told))


def post_json(call: Call, post: Post, fields: Fields, *, listed: bool = False) -> dict[str, Any]:
    """A post with the fields that were asked for."""
    account = call.world.get_account(API.platform, post.account_id)
    live = _listed_live(call, post) if listed else post.live(call.now) and call.now >= post.shown_at
    waits = post.published_at is not None and not post.live(call.now) and not post.video_id
    whole: dict[str, Any] = {
        "id": post.full_id,
        "message": post.message or None,
        "created_time": moment(post.created_at),
        "updated_time": moment(post.created_at),
        "is_published": live,
        "scheduled_publish_time": int(post.published_at) if waits and post.published_at else None,
        "permalink_url": f"{call.base_url}{path_of(post)}",
        "from": _author(call, post.account_id),
        "status_type": _status_type(post),
        "full_picture": _picture(call, post),
        "application": lambda within: shown("Application", {"id": APP_ID, "name": account.app_name}, within, ("name",)),
        "attachments": (lambda within: _attachments(call, post, within)) if post.kind != "status" else None,
    }
    return shown("Post", whole, fields, ("created_time", "message"))


def status_of(call: Call, video: Video, *, live: bool) -> dict[str, Any]:
    """The phases of a video, as Meta spells them."""
    whole = bool(video.digest)
    uploading: dict[str, Any] = {"status": "complete" if whole else "in_progress" if video.arrived else "not_started"}
    uploading["bytes_transfered"] = video.arrived
    if video.file_size is not None:
        uploading["source_file_size"] = video.file_size
    processing: dict[str, Any] = {"status": "not_started"}
    publishing: dict[str, Any] = {"status": "not_started"}
    overall = "upload_complete" if whole else "uploading"
    if expired(call, video):
        overall = "expired"
    elif video.flaw:
        overall, processing = "error", {"status": "error", "error": {"message": video.flaw}}
    elif video.finished_at is not None and call.now < video.ready_at:
        overall, processing = "processing", {"status": "in_progress"}
    elif video.finished_at is not None and video.failed:
        message = "Video processing failed."
        overall, processing = "error", {"status": "error", "error": {"message": message}}
        publishing = {"status": "error", "publish_status": "error"}
    elif video.finished_at is not None:
        overall, processing = "ready", {"status": "complete"}
        if live or video.state == "DRAFT":
            publishing = {"status": "complete", "publish_status": "published" if live else "draft"}
            publishing |= {"publish_time": int(video.ready_at)} if live else {}
    return {
        "video_status": overall,
        "uploading_phase": uploading,
        "processing_phase": processing,
        "publishing_phase": publishing,
    }


def _feed(call: Call, account: Account) -> list[Post]:
    held = facebook_of(call.world).list_posts(account)
    return [one for one in held if not one.story and one.kind != "reel"]


def _listed_live(call: Call, post: Post) -> bool:
    return post.live(call.now) and call.now >= post.listed_at


async def _listed(call: Call, held: list[Post]) -> Answer:
    given = await parameters(call)
    fields = asked(given)
    listed = page(
        call,
        given,
        held,
        order=lambda one: one.number,
        at=lambda one: one.created_at,
        show=lambda one: post_json(call, one, fields, listed=True),
    )
    return Answer(listed)


def _author(call: Call, account_id: str) -> dict[str, Any]:
    return {"name": call.world.get_account(API.platform, account_id).display_name, "id": account_id}


def _status_type(post: Post) -> str:
    if post.kind == "link":
        return "shared_story"
    return "added_photos" if post.photos else "added_video" if post.video_id else "mobile_status_update"


def _picture(call: Call, post: Post) -> str | None:
    memory = facebook_of(call.world)
    return f"{call.base_url}/media/{memory.photos[post.photos[0]].digest}" if post.photos else None


def _image(call: Call, photo: Photo) -> dict[str, Any]:
    return {"height": photo.height, "width": photo.width, "source": f"{call.base_url}/media/{photo.digest}"}


def _attachments(call: Call, post: Post, fields: Fields) -> dict[str, Any]:
    """What stands below its text: a link, a photo, an album of photos, a video."""
    memory = facebook_of(call.world)
    usual = ("media", "media_type", "target", "title", "type", "url", "subattachments")

    def told(whole: dict[str, Any], within: Fields) -> dict[str, Any]:
        blank = {"description": None, "media": None, "title": None, "subattachments": None}
        return shown("StoryAttachment", {"id": None, **blank, **whole}, within, usual)

    def photo_json(photo: Photo, within: Fields) -> dict[str, Any]:
        image = _image(call, photo)
        media = {"image": {"height": image["height"], "width": image["width"], "src": image["source"]}}
        address = f"{call.base_url}{path_of(post)}"
        whole = {
            "media_type": "photo",
            "type": "photo",
            "media": media,
            "target": {"id": photo.photo_id, "url": address},
            "url": address,
            "description": photo.caption or None,
        }
        return told(whole, within)

    photos = [memory.photos[one] for one in post.photos]
    address = f"{call.base_url}{path_of(post)}"
    if len(photos) == 1:
        return {"data": [photo_json(photos[0], fields)]}
    whole: dict[str, Any] = {"url": address, "target": {"id": post.post_id, "url": address}}
    if photos:
        whole |= {"media_type": "album", "type": "album", "title": "Photos"}
        whole["subattachments"] = lambda within: {"data": [photo_json(one, within) for one in photos]}
    elif post.link:
        whole = {"media_type": "link", "type": "share", "title": post.link, "url": post.link}
        whole["target"] = {"url": post.link}
    else:
        whole |= {"media_type": "video", "type": "video_inline", "target": {"id": post.video_id, "url": address}}
    return {"data": [told(whole, fields)]}
