"""The JSON of blogs and posts, in the Neue Post Format and, best effort as the real one's, as legacy text posts.

Source: tumblr/docs api.md, the tables of /info, /posts and /posts/{post-id}.
"""

from datetime import UTC, datetime
from html import escape
from typing import Any

from hayon.sandbox.gate import Call
from hayon.sandbox.model import Account
from hayon.sandbox.portraits import portrait_url
from hayon.sandbox.tumblr.blog import VISIBLE, Block, Post, tumblr_of

NEITHER = {"content", "layout", "trail"}


def text_of(content: list[Block]) -> str:
    """The words of a post: its text blocks, a blank line between two."""
    return "\n\n".join(block["text"] for block in content if block["type"] == "text")


def blog_json(call: Call, account: Account) -> dict[str, Any]:
    """What is told of a blog wherever one is mentioned."""
    return {
        "name": account.handle,
        "title": account.display_name,
        "description": "",
        "url": f"{call.base_url}/tumblr/{account.handle}/",
        "uuid": account.account_id,
        "updated": updated(call, account),
    }


def blog_info_json(call: Call, account: Account) -> dict[str, Any]:
    """What /info tells."""
    picture = {"width": 64, "height": 64, "url": portrait_url(call.base_url, account)}
    posts = tumblr_of(call.world).list_posts(account.account_id, "published")
    more = {"posts": len(posts), "ask": False, "followed": False, "is_blocked_from_primary": False, "avatar": [picture]}
    return {**blog_json(call, account), **more}


def updated(call: Call, account: Account) -> int:
    """When it was last posted to; 0 if never."""
    latest = tumblr_of(call.world).list_posts(account.account_id, "published")[:1]
    return int(latest[0].published_at) if latest else 0


def address(call: Call, account: Account, post: Post) -> str:
    """Where a browser finds the post: good only once it has its last id."""
    post_id = tumblr_of(call.world).id_of(post)
    return f"{call.base_url}/tumblr/{account.handle}/{post_id}{f'/{post.slug}' if post.slug else ''}"


def post_json(call: Call, account: Account, post: Post, *, own: bool) -> dict[str, Any]:
    """A post by itself, whose id is text; `own` to its blog's owner."""
    memory = tumblr_of(call.world)
    post_id = memory.id_of(post)
    state = "transcoding" if memory.is_transcoding(post) else post.state
    at = post.published_at
    body: dict[str, Any] = {
        "object_type": "post",
        "type": "blocks",
        "original_type": "regular",
        "is_blocks_type": True,
        "is_blocks_post_format": True,
        "blog_name": account.handle,
        "blog": blog_json(call, account),
        "tumblelog_uuid": account.account_id,
        "id": post_id,
        "id_string": post_id,
        "post_url": address(call, account, post),
        "slug": post.slug,
        "date": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S GMT"),
        "timestamp": int(at),
        "state": state,
        "reblog_key": post.reblog_key,
        "tags": post.tags,
        "short_url": address(call, account, post),
        "summary": text_of(post.content)[:100],
        "note_count": 0,
        "interactability_reblog": post.reblogs,
        "content": [shown(call, block) for block in post.content],
        "layout": post.layout,
        "trail": [],
    }
    if post.source_url:
        body |= {"source_url": post.source_url, "source_title": post.source_url.split("/")[2]}
    if state == "queued":
        body["queued_state"] = "queued"
    if own and post.state in VISIBLE and post.genesis_id:
        body["genesis_post_id"] = post.genesis_id
    return body


def listed_json(call: Call, account: Account, post: Post, *, own: bool, npf: bool) -> dict[str, Any]:
    """A post in a list, whose id is a number; without `npf` as a legacy text post."""
    body = post_json(call, account, post, own=own)
    body |= {"id": int(body["id"]), "format": "html"}
    if not npf:
        legacy = {"type": "text", "title": None, "body": _html(body["content"])}
        body = {name: held for name, held in body.items() if name not in NEITHER} | legacy
    return body


def shown(call: Call, block: Block) -> Block:
    """A block as an answer gives it: its media with their addresses."""
    media = block.get("media")
    if isinstance(media, list):
        return {**block, "media": [_media(call, one) for one in media]}
    return {**block, "media": _media(call, media)} if media else block


def _media(call: Call, media: Block) -> Block:
    upload = tumblr_of(call.world).uploads[media["media_key"]]
    return {**media, "url": f"{call.base_url}/media/{upload.digest}", "has_original_dimensions": True}


def _html(content: list[Block]) -> str:
    parts = []
    for block in content:
        match block["type"]:
            case "text":
                parts.append(f"<p>{escape(block['text'])}</p>")
            case "image":
                one = block["media"][0]
                parts.append(
                    f'<figure><img src="{escape(one["url"])}" alt="{escape(block.get("alt_text") or "")}"/></figure>'
                )
            case "video" if "media" in block:
                parts.append(f'<figure><video src="{escape(block["media"]["url"])}"></video></figure>')
            case _:
                parts.append(f'<p><a href="{escape(block["url"])}">{escape(block["url"])}</a></p>')
    return "".join(parts)
