"""What the simulated Threads tells: a person, a container's status, a post, what one has posted and replied, a token.

Source: Meta's pages "Threads: Media Retrieval", "Threads API Troubleshooting", fbsamples/threads_api (the Postman collection).
"""

from typing import Any

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.meta.calls import caller
from hayon.sandbox.meta.containers import Post, State
from hayon.sandbox.meta.entering import redeem
from hayon.sandbox.meta.graph import moment, need, parameters
from hayon.sandbox.meta.nodes import Fields, asked, page, shown
from hayon.sandbox.meta.renewing import exchange, refresh
from hayon.sandbox.meta.threads.creating import keep_fetching
from hayon.sandbox.meta.threads.wire import (
    API,
    BASIC,
    LOGIN,
    READ_REPLIES,
    own_container,
    own_post,
    own_user,
    threads_of,
)
from hayon.sandbox.portraits import portrait_url


async def get_me(call: Call) -> Answer:
    """GET /me, or one's own id."""
    account = own_user(call)
    given = await parameters(call)
    whole = {
        "id": account.account_id,
        "username": account.handle,
        "name": account.display_name,
        "threads_profile_picture_url": portrait_url(call.base_url, account),
        "threads_biography": "",
        "is_verified": False,
    }
    return Answer(shown("ThreadsUser", whole, asked(given)))


async def get_container(call: Call) -> Answer:
    """GET /{container}: its status, and nothing of its content."""
    container = own_container(call)
    given = await parameters(call)
    keep_fetching(call, container)
    state = threads_of(call.world).state(container)
    failure = container.failure if state is State.ERROR else None
    whole = {"id": container.container_id, "status": str(state), "error_message": failure}
    return Answer(shown("ThreadsMediaContainer", whole, asked(given)))


async def get_media(call: Call) -> Answer:
    """GET /{media}."""
    _, post = own_post(call)
    given = await parameters(call)
    return Answer(media_json(call, post, asked(given)))


async def list_threads(call: Call) -> Answer:
    """GET /{user}/threads: what one has posted, replies left out, newest first."""
    return await _listed(call, replies=False)


async def list_replies(call: Call) -> Answer:
    """GET /{user}/replies: what one has replied."""
    return await _listed(call, replies=True)


async def debug_token(call: Call) -> Answer:
    """GET /debug_token: what is in the token `input_token`."""
    caller(call, API)
    given = await parameters(call)
    tokens = threads_of(call.world).tokens
    token = tokens.find(need(given, "input_token"))
    if token is None:
        return Answer({"data": {"is_valid": False, "error": {"code": 190, "message": "Invalid OAuth access token."}}})
    return Answer(
        {
            "data": {
                "type": "USER",
                "application": call.world.get_account(API.platform, token.account_id).app_name,
                "is_valid": not token.revoked and tokens.lasts(token),
                "issued_at": int(token.issued_at),
                "expires_at": int(token.expires_at or 0),
                "data_access_expires_at": int(token.expires_at or 0),
                "scopes": token.scopes,
                "user_id": token.account_id,
            }
        }
    )


async def exchange_code(call: Call) -> Answer:
    """POST /oauth/access_token."""
    return await redeem(call, LOGIN)


async def exchange_token(call: Call) -> Answer:
    """GET /access_token."""
    return await exchange(call, API, "th_exchange_token")


async def refresh_token(call: Call) -> Answer:
    """GET /refresh_access_token."""
    return await refresh(call, API, "th_refresh_token", BASIC)


def media_json(call: Call, post: Post, fields: Fields) -> dict[str, Any]:
    """A post with the fields that were asked for."""
    memory = threads_of(call.world)
    author = call.world.get_account(API.platform, post.account_id)
    piece = post.pieces[0] if len(post.pieces) == 1 else None
    parent = memory.posts.get(post.reply_to) if post.reply_to else None
    parts = [memory.posts[one] for one in post.children]
    whole: dict[str, Any] = {
        "id": post.media_id,
        "media_product_type": "THREADS",
        "media_type": post.kind,
        "media_url": f"{call.base_url}/media/{piece.digest}" if piece else None,
        "thumbnail_url": f"{call.base_url}/media/{piece.digest}" if piece and piece.video else None,
        "permalink": None if post.parent_id else f"{call.base_url}{path_of(author.handle, post)}",
        "shortcode": post.code,
        "owner": {"id": post.account_id},
        "username": author.handle,
        "text": post.text or None,
        "timestamp": moment(post.published_at),
        "alt_text": (piece.alt_text or None) if piece else None,
        "link_attachment_url": post.options.get("link"),
        "topic_tag": post.options.get("topic_tag"),
        "reply_audience": str(post.options.get("reply_control", "everyone")).upper(),
        "has_replies": lambda _: any(one.reply_to == post.media_id for one in memory.posts.values()),
        "is_quote_post": False,
        "is_reply": post.reply_to is not None,
        "is_reply_owned_by_me": post.reply_to is not None,
        "replied_to": {"id": post.reply_to} if post.reply_to else None,
        "root_post": {"id": _root(call, parent).media_id} if parent else None,
        "children": (lambda within: {"data": [media_json(call, one, within) for one in parts]}) if parts else None,
    }
    return shown("ThreadsMedia", whole, fields)


def path_of(handle: str, post: Post) -> str:
    """Where a post has its page."""
    return f"/threads/@{handle}/post/{post.code}"


async def _listed(call: Call, *, replies: bool) -> Answer:
    account = own_user(call, *([READ_REPLIES] if replies else []))
    given = await parameters(call)
    fields = asked(given)
    held = [one for one in threads_of(call.world).list_posts(account.account_id) if bool(one.reply_to) is replies]
    listed = page(
        call,
        given,
        held,
        order=lambda one: one.number,
        at=lambda one: one.published_at,
        show=lambda one: media_json(call, one, fields),
    )
    return Answer(listed)


def _root(call: Call, post: Post) -> Post:
    """The post that a chain of replies began with."""
    posts = threads_of(call.world).posts
    while post.reply_to and post.reply_to in posts:
        post = posts[post.reply_to]
    return post
