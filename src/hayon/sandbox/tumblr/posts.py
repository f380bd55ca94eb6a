"""Posts of the simulated Tumblr: create, fetch, edit, delete. Only what becomes visible stands in the ledger as a post.

A draft that is published has a new id and remembers the old one, under which nothing is found any more. A video is
transcoded first, under an id of its own. Nothing leaves the queue by itself here, and no post is dated or reblogged.
Source: tumblr/docs api.md; staff in TMTumblrSDK#146 on ids and transcoding.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.journal import Event
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.tumblr.blog import VISIBLE, Block, Post, id_of, tumblr_of
from hayon.sandbox.tumblr.daily import Costs, pay
from hayon.sandbox.tumblr.entities import post_json, text_of
from hayon.sandbox.tumblr.keys import new_text
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.tumblr.media import Desk
from hayon.sandbox.tumblr.npf import Surroundings, content_of, is_address, layout_of, trimmed
from hayon.sandbox.tumblr.oauth import blog, caller, owner
from hayon.sandbox.tumblr.wire import done, error, invalid, not_found, not_simulated, parameters

STATES = {"published": "published", "private": "private", "draft": "draft", "queue": "queued"}
FIELDS = frozenset({"content", "layout", "state", "tags", "slug", "source_url", "interactability_reblog"})
TOLD = {
    "published": "Posted to {}",
    "private": "Posted to {}",
    "draft": "Saved as a draft on {}",
    "queued": "Added to the queue of {}",
    "transcoding": "Your video is being processed. It will appear on {} when it is done",
}


async def create_post(call: Call) -> Answer:
    """POST /v2/blog/{blog}/posts."""
    account = owner(call)
    wanted = _wanted(call, account, *await parameters(call))
    post = _new(call, account, wanted, genesis_id=None)
    return _landed(call, account, post, wanted, "createPost", status=201)


async def get_post(call: Call) -> Answer:
    """GET /v2/blog/{blog}/posts/{id}."""
    reader, author = caller(call), blog(call)
    post, own = _found(call, author), reader.account_id == author.account_id
    if not own and not (post.state == "published" and tumblr_of(call.world).is_there(post)):
        raise not_found()
    if call.request.query_params.get("post_format", "npf") != "npf":
        raise invalid("This post can only be had as npf")
    return done(post_json(call, author, post, own=own))


async def edit_post(call: Call) -> Answer:
    """PUT /v2/blog/{blog}/posts/{id}: all of it again. What was a draft or queued has another id once it is visible."""
    account = owner(call)
    given, files = await parameters(call)
    memory, asked = tumblr_of(call.world), call.request.path_params["id"]
    twice = call.met.find("double_on_repeat") if (account.account_id, asked) in memory.published else None
    if twice:
        call.world.faults.strike(twice)
        wanted = _wanted(call, account, given, files)
        return _landed(call, account, _new(call, account, wanted, genesis_id=asked), wanted, "editPost")
    before = _found(call, account)
    if memory.is_transcoding(before):
        raise error(403, "The video of this post is still being transcoded", 8010)
    wanted = _wanted(call, account, given, files)
    if before.state in VISIBLE and wanted.state not in VISIBLE:
        raise invalid(f"A post that was published cannot be set to '{wanted.state}'")
    if wanted.desk.video is None and (before.state == wanted.state or before.state in VISIBLE):
        after = replace(
            before,
            state=wanted.state,
            content=wanted.content,
            layout=wanted.layout,
            tags=wanted.tags,
            slug=wanted.slug or before.slug,
            source_url=wanted.source_url,
            reblogs=wanted.reblogs,
        )
        return _landed(call, account, after, wanted, "editPost", overwrote=before.state in VISIBLE)
    genesis_id = before.genesis_id or (None if before.state in VISIBLE else before.post_id)
    after = _new(call, account, wanted, genesis_id=genesis_id, slug=before.slug)
    gone = memory.gone(before, published=after.state in VISIBLE)
    return _landed(call, account, after, wanted, "editPost", gone, overwrote=before.state in VISIBLE)


async def delete_post(call: Call) -> Answer:
    """POST /v2/blog/{blog}/post/delete."""
    account = owner(call)
    given, _ = await parameters(call)
    memory = tumblr_of(call.world)
    post = memory.find_post(str(given.get("id")))
    if post is None or post.account_id != account.account_id:
        raise not_found()
    events = [memory.gone(post)]
    if post.state in VISIBLE and not post.failed:
        text = text_of(post.content)
        events.append(call.world.entry(account, "deletePost", post.post_id, call.request_id, text=text))
    call.world.happen(*events)
    return done({"id": str(given["id"])})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request says that the post shall be."""

    state: str
    content: list[Block]
    layout: list[Block]
    tags: list[str]
    slug: str
    source_url: str | None
    reblogs: str
    desk: Desk


def _wanted(call: Call, account: Account, given: dict[str, Any], files: Any) -> _Wanted:
    limits, memory = call.world.limits.of(TumblrLimits), tumblr_of(call.world)
    state = given.get("state", "published")
    if state == "unapproved":
        raise not_simulated("submissions")
    if not isinstance(state, str) or state not in STATES:
        raise invalid(f"'state' cannot be '{state}'")
    desk = Desk(call, account, files)
    around = Surroundings(limits, lambda uuid: _is_blog(call, uuid), desk.place)
    content = content_of(given.get("content"), around)
    desk.close()
    if strange := given.keys() - FIELDS:
        raise not_simulated(f"the field '{min(strange)}'")
    content, layout = trimmed(content, layout_of(given.get("layout", []), content))
    if not content:
        raise invalid("Post cannot be empty")
    if len(json.dumps([content, layout], ensure_ascii=False).encode()) > limits.stored_size:
        raise invalid("The post is too large")
    source, slug, reblogs = given.get("source_url"), given.get("slug"), given.get("interactability_reblog", "everyone")
    if source and not is_address(source):
        raise invalid("'source_url' is no address")
    if slug is not None and not isinstance(slug, str):
        raise invalid("'slug' must be a string")
    if reblogs not in ("everyone", "noone"):
        raise invalid("'interactability_reblog' must be 'everyone' or 'noone'")
    wanted = _Wanted(
        STATES[state],
        content,
        layout,
        _tags(given.get("tags"), limits),
        _slug(slug or ""),
        source or None,
        reblogs,
        desk,
    )
    if desk.video and memory.transcodes_for(account.account_id):
        raise error(403, "There is a video upload still transcoding", 8010)
    return wanted


def _new(call: Call, account: Account, wanted: _Wanted, *, genesis_id: str | None, slug: str = "") -> Post:
    memory, video = tumblr_of(call.world), wanted.desk.video
    early_id, ready_at, failed = None, call.now, None
    if video:
        slow, failed = call.met.find("slow_media"), call.met.find("failed_media")
        length = call.world.limits.of(TumblrLimits).transcoding_seconds
        early_id = id_of(memory.next_number())
        ready_at += failed.seconds if failed else slow.seconds if slow else length
    number, late = memory.next_number(), call.met.find("list_late")
    return Post(
        post_id=id_of(number),
        number=number,
        account_id=account.account_id,
        state=wanted.state,
        content=wanted.content,
        layout=wanted.layout,
        tags=wanted.tags,
        slug=wanted.slug or slug or _slug(text_of(wanted.content))[:50].strip("-"),
        source_url=wanted.source_url,
        reblogs=wanted.reblogs,
        reblog_key=new_text(8),
        genesis_id=genesis_id,
        created_at=call.now,
        published_at=ready_at,
        listed_at=ready_at + (late.seconds if late and wanted.state in VISIBLE else 0.0),
        early_id=early_id,
        ready_at=ready_at,
        failed=failed is not None,
    )


def _landed(
    call: Call,
    account: Account,
    post: Post,
    wanted: _Wanted,
    operation: str,
    *gone: Event,
    status: int = 200,
    overwrote: bool = False,
) -> Answer:
    memory, uploads, video = tumblr_of(call.world), wanted.desk.uploads, wanted.desk.video
    visible = post.state in VISIBLE
    if post.state == "queued" and _queue_is_full(call, account, post):
        raise error(403, "The queue is full", 8022)
    pictures = sum(not one.is_video for one in uploads)
    length = video.seconds or 0.0 if video else 0.0
    pay(call, account, Costs(int(visible and not overwrote), pictures, int(video is not None), length))
    wanted.desk.keep()
    events = [memory.uploaded(one) for one in uploads]
    # the post it was goes first, so that what it becomes finds its place free
    events += [*gone, memory.kept(post)]
    if visible and not post.failed:
        facts = {"text": text_of(post.content), "media_ids": wanted.desk.used, "warnings": wanted.desk.warnings}
        events.append(call.world.entry(account, operation, post.post_id, call.request_id, overwrote=overwrote, **facts))
    call.world.happen(*events)
    state = "transcoding" if memory.is_transcoding(post) else post.state
    return done({"id": memory.id_of(post), "state": state, "display_text": TOLD[state].format(account.handle)}, status)


def _found(call: Call, author: Account) -> Post:
    post = tumblr_of(call.world).find_post(call.request.path_params["id"])
    if post is None or post.account_id != author.account_id:
        raise not_found()
    return post


def _queue_is_full(call: Call, account: Account, post: Post) -> bool:
    others = tumblr_of(call.world).list_posts(account.account_id, "queued")
    return sum(one.post_id != post.post_id for one in others) >= call.world.limits.of(TumblrLimits).queued_posts


def _tags(given: Any, limits: TumblrLimits) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, str):
        raise invalid("'tags' must be a string")
    tags = [tag for tag in (one.strip() for one in given.split(",")) if tag]
    if len(tags) > limits.tags or any(len(tag) > limits.tag_characters for tag in tags):
        raise invalid(f"A post may have {limits.tags} tags of {limits.tag_characters} characters")
    return tags


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _is_blog(call: Call, uuid: str) -> bool:
    account = call.world.find_account(Platform.TUMBLR, uuid)
    return account is not None and account.account_id == uuid
