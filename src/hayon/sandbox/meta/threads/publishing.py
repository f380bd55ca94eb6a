"""What cannot be taken back on the simulated Threads: publishing a container, deleting a post; and the quotas of both.

Meta tells neither what a second publishing of one container does nor with which code. Here it is refused like a container
that is not there, or under the fault `double_on_repeat` makes a second copy.
"""

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.journal import Event
from hayon.sandbox.limits import DAY
from hayon.sandbox.meta.calls import id_of
from hayon.sandbox.meta.containers import Container, Post, State
from hayon.sandbox.meta.graph import invalid, need, parameters
from hayon.sandbox.meta.nodes import asked, shown
from hayon.sandbox.meta.threads.creating import keep_fetching
from hayon.sandbox.meta.threads.limits import ThreadsLimits
from hayon.sandbox.meta.threads.text import promoted
from hayon.sandbox.meta.threads.wire import (
    DELETE,
    PUBLISH,
    check_standing,
    own_post,
    own_user,
    threads_of,
    unfound,
    used_up,
)
from hayon.sandbox.model import Account

POST_KINDS = {"TEXT": "TEXT_POST", "IMAGE": "IMAGE", "VIDEO": "VIDEO", "CAROUSEL": "CAROUSEL_ALBUM"}


async def publish(call: Call) -> Answer:
    """POST /{user}/threads_publish: the container `creation_id` becomes a post."""
    given = await parameters(call)
    # from here to the effect nothing waits: what was found stays true
    account = own_user(call, PUBLISH)
    creation_id = need(given, "creation_id")
    check_standing(account)
    memory, limits = threads_of(call.world), call.world.limits.of(ThreadsLimits)
    container = memory.find_container(account, creation_id)
    if container is None:
        raise unfound(creation_id)
    if container.published_as:
        double = call.met.find("double_on_repeat")
        if not double:
            call.world.happen(_line(call, account, container, container.published_as, repeat=True))
            raise unfound(creation_id)
        call.world.faults.strike(double)
    else:
        keep_fetching(call, container)
        early = call.now < container.created_at + limits.unfound_seconds
        if early or memory.state(container) is not State.FINISHED:
            raise unfound(creation_id)
    if container.is_item:
        raise invalid("A carousel item cannot be published by itself")
    counted_as = "reply" if container.options["reply_to"] else "post"
    most = limits.replies_per_day if counted_as == "reply" else limits.posts_per_day
    if memory.uses.within_day(counted_as, account.account_id, call.now) >= most:
        raise used_up("posts" if counted_as == "post" else "replies")
    post, parts = _post(call, container)
    late = call.met.find("status_late")
    shown_at = call.now + (late.seconds if late else 0.0)
    line = _line(call, account, container, post.media_id)
    call.world.happen(memory.published(post, parts, shown_at, counted_as), line)
    return Answer({"id": post.media_id})


async def delete(call: Call) -> Answer:
    """DELETE /{media}."""
    account, post = own_post(call, DELETE)
    memory = threads_of(call.world)
    if post.parent_id:
        raise invalid("A part of a carousel cannot be deleted by itself")
    most = call.world.limits.of(ThreadsLimits).deletes_per_day
    if memory.uses.within_day("delete", account.account_id, call.now) >= most:
        raise used_up("deletes")
    entry = call.world.entry(account, "delete_media", post.media_id, call.request_id, text=post.text)
    call.world.happen(memory.deleted(post.media_id), entry)
    return Answer({"success": True, "deleted_id": post.media_id})


async def publishing_limit(call: Call) -> Answer:
    """GET /{user}/threads_publishing_limit."""
    account = own_user(call, PUBLISH)
    given = await parameters(call)
    limits, uses = call.world.limits.of(ThreadsLimits), threads_of(call.world).uses
    whole: dict[str, object] = {"id": None}
    for name, what, most in (
        ("", "post", limits.posts_per_day),
        ("reply_", "reply", limits.replies_per_day),
        ("delete_", "delete", limits.deletes_per_day),
    ):
        whole[f"{name}quota_usage"] = uses.within_day(what, account.account_id, call.now)
        whole[f"{name}config"] = {"quota_total": most, "quota_duration": DAY}
    return Answer({"data": [shown("ThreadsPublishingLimit", whole, asked(given), ("quota_usage",))]})


def _line(call: Call, account: Account, container: Container, media_id: str, *, repeat: bool = False) -> Event:
    memory = threads_of(call.world)
    pieces = [memory.containers[child_id].piece for child_id in container.children] or [container.piece]
    return call.world.entry(
        account,
        "threads_publish",
        media_id,
        call.request_id,
        key=container.container_id,
        text=container.text,
        media_ids=[piece.digest for piece in pieces if piece],
        repeat=repeat,
    )


def _post(call: Call, container: Container) -> tuple[Post, list[Post]]:
    memory = threads_of(call.world)
    children = [memory.containers[child_id] for child_id in container.children]
    late = call.met.find("list_late")
    options = dict(container.options)
    text, tag = (container.text, options["topic_tag"]) if options["topic_tag"] else promoted(container.text)
    options["topic_tag"] = tag
    first = memory.next_number()
    numbers = [memory.next_number() for _ in children]

    def made(number: int, of: Container, *, parent_id: str | None) -> Post:
        return Post(
            media_id=id_of(number),
            number=number,
            account_id=container.account_id,
            container_id=of.container_id,
            kind=POST_KINDS[of.kind],
            product="THREADS",
            text="" if parent_id else text,
            pieces=[one.piece for one in ([of] if parent_id or not children else children) if one.piece],
            children=[] if parent_id else [id_of(one) for one in numbers],
            options={} if parent_id else options,
            published_at=call.now,
            listed_at=call.now + (late.seconds if late else 0.0),
            reply_to=None if parent_id else options["reply_to"],
            parent_id=parent_id,
        )

    post = made(first, container, parent_id=None)
    parts = [made(number, child, parent_id=post.media_id) for number, child in zip(numbers, children, strict=True)]
    return post, parts
