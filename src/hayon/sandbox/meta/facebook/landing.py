"""How something comes to stand on a simulated Page: the new post with its times, and its line in the ledger."""

from typing import Any

from hayon.sandbox.gate import Call
from hayon.sandbox.journal import Event
from hayon.sandbox.meta.calls import id_of
from hayon.sandbox.meta.facebook.memory import Facebook, Post
from hayon.sandbox.meta.facebook.wire import facebook_of
from hayon.sandbox.model import Account


def new_post(
    call: Call,
    account: Account,
    kind: str,
    message: str,
    *,
    link: str | None = None,
    photos: list[str] | None = None,
    video_id: str | None = None,
    live_at: float | None = None,
    draft: bool = False,
) -> Post:
    """A post that is live now, or `live_at`, or a draft; the faults this request met say when it is seen."""
    number = facebook_of(call.world).next_number()
    listed, shown = late(call)
    published_at = None if draft else call.now if live_at is None else live_at
    if video_id is not None and live_at is not None:
        # as long as a video is being processed there is nothing to be seen of its post
        listed, shown = max(listed, live_at), max(shown, live_at)
    return Post(
        post_id=id_of(number),
        number=number,
        account_id=account.account_id,
        kind=kind,
        message=message,
        link=link,
        photos=photos or [],
        video_id=video_id,
        created_at=call.now,
        published_at=published_at,
        feed_at=listed,
        listed_at=listed,
        found_at=shown,
        shown_at=shown,
    )


def late(call: Call) -> tuple[float, float]:
    """From when on listings show what lands with this request, and from when on it says so itself."""
    listed, shown = call.met.find("list_late"), call.met.find("status_late")
    return call.now + (listed.seconds if listed else 0.0), call.now + (shown.seconds if shown else 0.0)


def remote_id(post: Post) -> str:
    """What the API calls it: a post by its whole id, a reel or video by the video's, a story by its own part of the id."""
    if post.story:
        return post.post_id
    return post.video_id or post.full_id


def landed(
    call: Call,
    account: Account,
    post: Post,
    operation: str,
    *,
    media_ids: list[str] | None = None,
    repeat: bool = False,
) -> Event:
    """The line of the ledger."""
    memory = facebook_of(call.world)
    return call.world.entry(
        account,
        operation,
        remote_id(post),
        call.request_id,
        key=post.video_id or (post.photos[0] if post.story else None),
        text=post.message,
        media_ids=digests(memory, post) if media_ids is None else media_ids,
        link=post.link,
        repeat=repeat,
    )


def digests(memory: Facebook, post: Post) -> list[str]:
    """The files it shows, in their order."""
    held: list[Any] = [memory.photos[one] for one in post.photos]
    if post.video_id:
        held.append(memory.videos[post.video_id])
    return [one.digest for one in held]
