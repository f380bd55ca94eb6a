"""Stories of the simulated Page: a photo as a story, and the list of them. Those of videos come by `filming.py`.

Source: Meta's page "Facebook Stories API".
"""

from typing import Any

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.meta.facebook.landing import landed, new_post
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.meta.facebook.memory import Photo, Post
from hayon.sandbox.meta.facebook.paths import path_of
from hayon.sandbox.meta.facebook.wire import POST, READ, already_shown, check_standing, done, facebook_of, own_page
from hayon.sandbox.meta.graph import invalid, list_of, need, parameters
from hayon.sandbox.meta.nodes import asked, page, shown
from hayon.sandbox.model import Account

STATES = {"PUBLISHED", "ARCHIVED"}


async def publish_photo_story(call: Call) -> Answer:
    """POST /{page}/photo_stories: an unpublished photo that stands in no post."""
    given = await parameters(call)
    account = own_page(call, POST, READ)
    check_standing(account)
    memory = facebook_of(call.world)
    photo = memory.find_photo(account, need(given, "photo_id"))
    if photo is None:
        raise invalid(f"The photo {given['photo_id']} does not exist")
    if photo.used_by:
        _check_repeat(call, account, photo)
    post = new_post(call, account, "photo_story", "", photos=[photo.photo_id])
    call.world.happen(memory.post_event(post), landed(call, account, post, "publish_photo_story"))
    return done(post_id=post.post_id)


async def list_stories(call: Call) -> Answer:
    """GET /{page}/stories, newest first; those older than a day stand in the archive."""
    account = own_page(call, READ)
    given = await parameters(call)
    fields, wanted = asked(given), {str(one).upper() for one in list_of(given, "status")}
    if wanted - STATES:
        raise invalid("Param status must be one of {ARCHIVED, PUBLISHED}")
    held = [
        post
        for post in facebook_of(call.world).list_posts(account)
        if post.story and post.live(call.now) and (not wanted or _state(call, post) in wanted)
    ]

    def told(post: Post) -> dict[str, Any]:
        whole = {
            "id": None,
            "post_id": post.post_id,
            "status": _state(call, post),
            "creation_time": str(int(_begun_at(post))),
            "media_type": "VIDEO" if post.video_id else "PHOTO",
            "media_id": post.video_id or post.photos[0],
            "url": f"{call.base_url}{path_of(post)}",
        }
        return shown("Stories", whole, fields, tuple(whole))

    return Answer(page(call, given, held, order=lambda post: post.number, at=_begun_at, show=told))


def _begun_at(post: Post) -> float:
    return post.published_at or post.created_at


def _state(call: Call, post: Post) -> str:
    lifetime = call.world.limits.of(FacebookLimits).story_lifetime
    return "ARCHIVED" if call.now >= _begun_at(post) + lifetime else "PUBLISHED"


def _check_repeat(call: Call, account: Account, photo: Photo) -> None:
    memory = facebook_of(call.world)
    story = next((memory.posts[one] for one in photo.used_by if memory.posts[one].story), None)
    if story is None:
        raise invalid("A photo that was published in a post cannot be used as a story")
    if double := call.met.find("double_on_repeat"):
        call.world.faults.strike(double)
        return
    call.world.happen(landed(call, account, story, "publish_photo_story", repeat=True))
    raise already_shown()
