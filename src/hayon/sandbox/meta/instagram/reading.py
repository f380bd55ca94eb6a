"""What the simulated Instagram tells: a person, a container's status, a post, what one has posted, one's stories.

Source: Meta's pages "IG Container", "IG User Media", "IG Media". A container never names the post that came of it.
"""

from typing import Any

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.meta.containers import Container, Post, State
from hayon.sandbox.meta.entering import redeem
from hayon.sandbox.meta.graph import moment, parameters
from hayon.sandbox.meta.instagram.creating import keep_fetching
from hayon.sandbox.meta.instagram.wire import (
    API,
    BASIC,
    LOGIN,
    STORY,
    instagram_of,
    is_over,
    own_container,
    own_post,
    own_user,
    scoped_id,
)
from hayon.sandbox.meta.nodes import Fields, asked, page, shown
from hayon.sandbox.meta.renewing import exchange, refresh
from hayon.sandbox.portraits import portrait_url

SAID = {
    State.IN_PROGRESS: "In Progress: Media is still being processed.",
    State.FINISHED: "Finished: Media has been uploaded and it is ready to be published.",
    State.PUBLISHED: "Published: Media has been published.",
    State.EXPIRED: "Expired: Media was not published within 24 hours.",
}


async def get_me(call: Call) -> Answer:
    """GET /me, or one's own id."""
    account = own_user(call)
    given = await parameters(call)
    whole = {
        "id": scoped_id(account),
        "user_id": account.account_id,
        "username": account.handle,
        "name": account.display_name,
        "account_type": "BUSINESS",
        "profile_picture_url": portrait_url(call.base_url, account),
        "media_count": len(_of(call, account.account_id, stories=False)),
    }
    return Answer(shown("IGUser", whole, asked(given)))


async def get_container(call: Call) -> Answer:
    """GET /{container}: its status, in a word and in a sentence."""
    container = own_container(call)
    given = await parameters(call)
    keep_fetching(call, container)
    state = instagram_of(call.world).state(container)
    whole = {
        "id": container.container_id,
        "status_code": str(state),
        "status": _said(container, state),
        "copyright_check_status": {"status": "completed", "matches_found": False},
    }
    return Answer(shown("ShadowIGMediaBuilder", whole, asked(given)))


async def get_media(call: Call) -> Answer:
    """GET /{media}."""
    _, post = own_post(call)
    given = await parameters(call)
    return Answer(media_json(call, post, asked(given)))


async def list_media(call: Call) -> Answer:
    """GET /{user}/media: what one has posted, stories left out, newest first."""
    return await _listed(call, stories=False)


async def list_stories(call: Call) -> Answer:
    """GET /{user}/stories: those of the last day."""
    return await _listed(call, stories=True)


async def exchange_code(call: Call) -> Answer:
    """POST /oauth/access_token."""
    return await redeem(call, LOGIN)


async def exchange_token(call: Call) -> Answer:
    """GET /access_token."""
    return await exchange(call, API, "ig_exchange_token")


async def refresh_token(call: Call) -> Answer:
    """GET /refresh_access_token."""
    return await refresh(call, API, "ig_refresh_token", BASIC)


def media_json(call: Call, post: Post, fields: Fields) -> dict[str, Any]:
    """A post with the fields that were asked for."""
    memory = instagram_of(call.world)
    author = call.world.get_account(API.platform, post.account_id)
    piece = post.pieces[0]
    cover = post.options.get("cover") or piece.digest
    parts = [memory.posts[one] for one in post.children]
    whole: dict[str, Any] = {
        "id": post.media_id,
        "caption": post.text or None,
        "media_type": post.kind,
        "media_product_type": post.product,
        "media_url": f"{call.base_url}/media/{piece.digest}",
        "thumbnail_url": f"{call.base_url}/media/{cover}" if piece.video else None,
        "permalink": f"{call.base_url}{path_of(author.handle, post)}",
        "shortcode": post.code,
        "owner": {"id": author.account_id},
        "username": author.handle,
        "timestamp": moment(post.published_at),
        "alt_text": (piece.alt_text or None) if not parts else None,
        "comments_count": len(memory.comments.get(post.media_id, [])),
        "like_count": 0,
        "is_comment_enabled": True,
        "is_shared_to_feed": post.options.get("share_to_feed"),
        "children": (lambda within: {"data": [media_json(call, one, within) for one in parts]}) if parts else None,
    }
    return shown("IGMedia", whole, fields)


def path_of(handle: str, post: Post) -> str:
    """Where a post has its page."""
    if post.product == STORY:
        return f"/instagram/stories/{handle}/{post.media_id}"
    return f"/instagram/{'reel' if post.product == 'REELS' else 'p'}/{post.code}"


def _said(container: Container, state: State) -> str:
    """The sentence of a container's status; of a failed one it is the only place that tells why."""
    return SAID.get(state) or f"Error: Media upload has failed with error code {container.failure}"


def _of(call: Call, account_id: str, *, stories: bool) -> list[Post]:
    listed = instagram_of(call.world).list_posts(account_id)
    return [one for one in listed if (one.product == STORY) is stories and not is_over(one, call.now)]


async def _listed(call: Call, *, stories: bool) -> Answer:
    account = own_user(call)
    given = await parameters(call)
    fields = asked(given)
    listed = page(
        call,
        given,
        _of(call, account.account_id, stories=stories),
        order=lambda one: one.number,
        at=lambda one: one.published_at,
        show=lambda one: media_json(call, one, fields),
    )
    return Answer(listed)
