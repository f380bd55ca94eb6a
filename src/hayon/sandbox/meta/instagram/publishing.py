"""What cannot be taken back on the simulated Instagram: publishing a container, writing a comment; and the quota.

Meta tells neither what a second publishing of one container does nor with which code. Here it is refused like one that has
expired, or under the fault `double_on_repeat` makes a second copy. Nothing can be deleted with a token of this login.
"""

from typing import Any

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.journal import Event
from hayon.sandbox.limits import DAY
from hayon.sandbox.meta.calls import caller, id_of
from hayon.sandbox.meta.containers import Container, Post, State
from hayon.sandbox.meta.graph import error, invalid, moment, need, not_there, parameters
from hayon.sandbox.meta.instagram.creating import keep_fetching
from hayon.sandbox.meta.instagram.limits import InstagramLimits
from hayon.sandbox.meta.instagram.wire import (
    API,
    COMMENT,
    PUBLISH,
    STORY,
    Comment,
    check_standing,
    expired,
    instagram_of,
    not_found,
    not_ready,
    own_post,
    own_user,
)
from hayon.sandbox.meta.nodes import asked, page, shown
from hayon.sandbox.model import Account

PRODUCTS = {"REELS": "REELS", "STORIES": STORY}


async def publish(call: Call) -> Answer:
    """POST /{user}/media_publish: the container `creation_id` becomes a post."""
    given = await parameters(call)
    # from here to the effect nothing waits: what was found stays true
    account = own_user(call, PUBLISH)
    creation_id = need(given, "creation_id")
    check_standing(account)
    memory, limits = instagram_of(call.world), call.world.limits.of(InstagramLimits)
    container = memory.find_container(account, creation_id)
    if container is None:
        raise not_found(creation_id)
    if container.is_item:
        raise invalid("Carousel items cannot be published on their own")
    if container.published_as:
        double = call.met.find("double_on_repeat")
        if not double:
            call.world.happen(_line(call, account, container, container.published_as, repeat=True))
            raise expired(creation_id)
        call.world.faults.strike(double)
    else:
        keep_fetching(call, container)
        _check_ready(call, container, limits)
    if memory.uses.within_day("publish", account.account_id, call.now) >= limits.publishes_per_day:
        raise error(
            9,
            "Application request limit reached",
            subcode=2207042,
            title="Application request limit reached",
            words="You reached maximum number of posts that is allowed to be published by Content Publishing API.",
        )
    post, parts = _post(call, container)
    late = call.met.find("status_late")
    shown_at = call.now + (late.seconds if late else 0.0)
    line = _line(call, account, container, post.media_id)
    call.world.happen(memory.published(post, parts, shown_at, "publish"), line)
    return Answer({"id": post.media_id})


async def publishing_limit(call: Call) -> Answer:
    """GET /{user}/content_publishing_limit."""
    account = own_user(call, PUBLISH)
    given = await parameters(call)
    used = instagram_of(call.world).uses.within_day("publish", account.account_id, call.now)
    most = call.world.limits.of(InstagramLimits).publishes_per_day
    whole = {"id": None, "quota_usage": used, "config": {"quota_total": most, "quota_duration": DAY}}
    return Answer({"data": [shown("ContentPublishingLimitResponse", whole, asked(given), ("quota_usage",))]})


async def delete_media(call: Call) -> Answer:
    """DELETE /{media}: not with a token of Instagram's own login."""
    caller(call, API)
    raise not_there(call.request.method, call.request.path_params["node"])


async def create_comment(call: Call) -> Answer:
    """POST /{media}/comments. With `fields` it is written all the same, and the answer is an error."""
    given = await parameters(call)
    account, post = own_post(call, COMMENT)
    memory = instagram_of(call.world)
    number = memory.next_number()
    comment = Comment(id_of(number), number, post.media_id, account.account_id, need(given, "message"), call.now)
    entry = call.world.entry(account, "create_comment", comment.comment_id, call.request_id, text=comment.text)
    call.world.happen(memory.commented(comment), entry)
    if "fields" in given:
        raise error(20, "(#20) Unsupported response format", subcode=1772107)
    return Answer({"id": comment.comment_id})


async def list_comments(call: Call) -> Answer:
    """GET /{media}/comments, newest first."""
    _, post = own_post(call, COMMENT)
    given = await parameters(call)
    fields = asked(given)

    def told(one: Comment) -> dict[str, Any]:
        author = call.world.get_account(API.platform, one.account_id)
        whole = {
            "id": one.comment_id,
            "text": one.text,
            "timestamp": moment(one.written_at),
            "username": author.handle,
            "from": {"id": author.account_id, "username": author.handle},
        }
        return shown("IGComment", whole, fields, ("timestamp", "text"))

    held = list(reversed(instagram_of(call.world).comments.get(post.media_id, [])))
    listed = page(call, given, held, order=lambda one: one.number, at=lambda one: one.written_at, show=told, most=50)
    return Answer(listed)


def _check_ready(call: Call, container: Container, limits: InstagramLimits) -> None:
    state = instagram_of(call.world).state(container)
    if state is State.EXPIRED:
        raise expired(container.container_id)
    if state is not State.FINISHED or call.now < container.ready_at + limits.unready_seconds:
        raise not_ready()


def _line(call: Call, account: Account, container: Container, media_id: str, *, repeat: bool = False) -> Event:
    memory = instagram_of(call.world)
    pieces = [memory.containers[child_id].piece for child_id in container.children] or [container.piece]
    return call.world.entry(
        account,
        "media_publish",
        media_id,
        call.request_id,
        key=container.container_id,
        text=container.text,
        media_ids=[piece.digest for piece in pieces if piece],
        repeat=repeat,
    )


def _post(call: Call, container: Container) -> tuple[Post, list[Post]]:
    memory = instagram_of(call.world)
    children = [memory.containers[child_id] for child_id in container.children]
    late = call.met.find("list_late")
    first = memory.next_number()
    numbers = [memory.next_number() for _ in children]

    def made(number: int, of: Container, *, parent_id: str | None) -> Post:
        pieces = [one.piece for one in (children or [container] if of is container else [of]) if one.piece]
        return Post(
            media_id=id_of(number),
            number=number,
            account_id=container.account_id,
            container_id=of.container_id,
            kind="CAROUSEL_ALBUM" if len(pieces) > 1 else "VIDEO" if pieces[0].video else "IMAGE",
            product=PRODUCTS.get(of.kind, "FEED"),
            text=of.text,
            pieces=pieces,
            children=[id_of(one) for one in numbers] if of is container else [],
            options=of.options,
            published_at=call.now,
            listed_at=call.now + (late.seconds if late else 0.0),
            parent_id=parent_id,
        )

    post = made(first, container, parent_id=None)
    parts = [made(number, child, parent_id=post.media_id) for number, child in zip(numbers, children, strict=True)]
    return post, parts
