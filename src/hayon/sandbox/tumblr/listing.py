"""Lists and what is told about users and blogs. Source: tumblr/docs api.md."""

from typing import Any

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.model import Account
from hayon.sandbox.tumblr.blog import Post, tumblr_of
from hayon.sandbox.tumblr.daily import limits_json
from hayon.sandbox.tumblr.entities import blog_info_json, blog_json, listed_json
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.tumblr.oauth import blog, caller, viewer
from hayon.sandbox.tumblr.wire import done, error, not_found


async def user_info(call: Call) -> Answer:
    """GET /v2/user/info."""
    account = caller(call)
    own = {**blog_json(call, account), "primary": True, "followers": 0, "tweet": "N", "type": "public"}
    user = {"name": account.handle, "likes": 0, "following": 0, "default_post_format": "html", "blogs": [own]}
    return done({"user": user})


async def user_limits(call: Call) -> Answer:
    """GET /v2/user/limits."""
    return done({"user": limits_json(call, caller(call))})


async def blog_info(call: Call) -> Answer:
    """GET /v2/blog/{blog}/info, with an application's key or a token."""
    viewer(call)
    return done({"blog": blog_info_json(call, blog(call))})


async def list_posts(call: Call) -> Answer:
    """GET /v2/blog/{blog}/posts: the latest first; private ones only to the owner."""
    reader, author = viewer(call), blog(call)
    query = call.request.query_params
    own = reader is not None and reader.account_id == author.account_id
    states = ("published", "private") if own else ("published",)
    posts = tumblr_of(call.world).list_posts(author.account_id, *states)
    if "id" in query:
        posts = [one for one in posts if one.post_id == query["id"]]
        if not posts:
            raise not_found()
    if "before" in query and "offset" in query:
        raise error(400, "before and offset cannot be used together")
    before, after = _number(call, "before"), _number(call, "after")
    posts = [one for one in posts if before is None or one.published_at < before]
    posts = [one for one in posts if after is None or one.published_at > after]
    for tag in (held for name, held in query.multi_items() if name == "tag" or name.startswith("tag[")):
        posts = [one for one in posts if tag.lower() in (held.lower() for held in one.tags)]
    if query.get("sort") == "asc":
        posts.reverse()
    offset = _number(call, "offset") or 0
    page = posts[offset : offset + _limit(call)]
    told = {
        "blog": blog_info_json(call, author),
        "posts": _told(call, author, page, own=own),
        "total_posts": len(posts),
    }
    return done(told)


async def list_drafts(call: Call) -> Answer:
    """GET /v2/blog/{blog}/posts/draft: the latest first."""
    author = _own(call)
    before_id = _number(call, "before_id") or 0
    drafts = tumblr_of(call.world).list_posts(author.account_id, "draft")
    page = [one for one in drafts if not before_id or int(one.post_id) < before_id][: _limit(call)]
    return done({"posts": _told(call, author, page, own=True)})


async def list_queue(call: Call) -> Answer:
    """GET /v2/blog/{blog}/posts/queue: the next one first."""
    author = _own(call)
    queued = tumblr_of(call.world).list_posts(author.account_id, "queued")[::-1]
    offset = _number(call, "offset") or 0
    return done({"posts": _told(call, author, queued[offset : offset + _limit(call)], own=True)})


def _own(call: Call) -> Account:
    account, author = caller(call), blog(call)
    if account.account_id != author.account_id:
        raise error(403, "You are not a member of this blog")
    return author


def _told(call: Call, author: Account, posts: list[Post], *, own: bool) -> list[dict[str, Any]]:
    npf = call.request.query_params.get("npf", "").lower() in ("true", "1")
    return [listed_json(call, author, one, own=own, npf=npf) for one in posts]


def _limit(call: Call) -> int:
    most, asked = call.world.limits.of(TumblrLimits).posts_per_page, _number(call, "limit")
    return most if asked is None else min(max(asked, 1), most)


def _number(call: Call, name: str) -> int | None:
    text = call.request.query_params.get(name)
    if text is None or text == "":
        return None
    if not text.isdecimal():
        raise error(400, f"{name} must be a number")
    return int(text)
