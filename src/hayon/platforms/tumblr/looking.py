"""What became of a draft, or of a post: reads only, and says Absent only where it saw that nothing can be live.

A draft gets another number when it is published, and then answers 404 under the old one; the owner is shown the old one
as `genesis_post_id` (tumblr/docs: api.md, "/posts", footnote). A draft that still stands was not published.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from hayon.domain.model import Json, Receipt
from hayon.errors import Unreachable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Absent, Found, Look, Parcel, Unclear
from hayon.platforms.tumblr.calls import LARGEST_LISTING, Api, id_of, misread, moment_of, response_in, url_of

SKEW = timedelta(minutes=5)
"""How far a post may seem to be older than the call that made it."""
PAGE = 20
"""The most that Tumblr lists at once."""
PAGES = 5
LIVE = frozenset({"published", "private"})
DIRECT = "direct"
DRAFT = "draft"


async def look(parcel: Parcel, handles: Mapping[str, Any], api: Api, outgoing: Outgoing) -> Look:
    """Found for the post that our draft became, or that has our slug; nothing else is ever taken for it.

    An error raised here says nothing about the post, not even that a host is out of reach.
    """
    try:
        if handles["way"] == DIRECT:
            return await _look_for_slug(parcel, handles, api, outgoing)
        return await _look_at_draft(parcel, handles, api, outgoing)
    except Unreachable as error:
        error.proves_absence = False  # it proves that the question was not sent, not that the post was not
        raise


async def find_draft(api: Api, slug: str, outgoing: Outgoing) -> str | None:
    """The number of the newest draft that has this slug, among the last few pages of them; None where there is none."""
    before = ""
    for _ in range(PAGES):
        query = {"npf": "true"} | ({"before_id": before} if before else {})
        posts = await _list(api, api.of_blog("posts", "draft"), query, outgoing)
        for post in posts:
            if post.get("slug") == slug and (number := id_of(post)):
                return number
        last = id_of(posts[-1]) if posts else None
        if last is None or len(posts) < PAGE:
            return None
        before = last
    return None


async def get_post(api: Api, number: str, outgoing: Outgoing) -> Json | None:
    """The post or draft under this number; None where there is none."""
    return await api.read(outgoing, api.get(api.of_blog("posts", number), {"post_format": "npf"}, LARGEST_LISTING))


async def find_live(
    api: Api, outgoing: Outgoing, *, drafts: Collection[str], slug: str = "", since: datetime | None = None
) -> tuple[Json | None, bool]:
    """The listed post that was one of these drafts, or has this slug; and whether all since then were seen.

    Without `since` only the newest pages are looked through.
    """

    def is_ours(post: Mapping[str, Any]) -> bool:
        genesis = post.get("genesis_post_id")
        return (genesis is not None and str(genesis) in drafts) or (bool(slug) and post.get("slug") == slug)

    return await search(api, outgoing, is_ours, since)


async def search(
    api: Api, outgoing: Outgoing, is_ours: Callable[[Mapping[str, Any]], bool], since: datetime | None
) -> tuple[Json | None, bool]:
    """The newest listed post that is so, and whether all since then were seen (or, without `since`, all there are)."""
    for page in range(PAGES):
        query = {"npf": "true", "limit": str(PAGE), "offset": str(page * PAGE)}
        posts = await _list(api, api.of_blog("posts"), query, outgoing)
        ours = next((post for post in posts if is_ours(post)), None)
        if ours is not None:
            return ours, True
        # a pinned post comes first however old it is, so only the last of a page says how far back it goes
        oldest = moment_of(posts[-1]) if posts else None
        if not posts or (since and oldest and oldest < since):
            return None, True
    return None, False


async def locate(api: Api, number: str, outgoing: Outgoing) -> str | None:
    """The public address of the post that has this number, or had it before it was published; None where it has none."""
    post = await get_post(api, number, outgoing)
    if post is None:
        post, _ = await find_live(api, outgoing, drafts={number})
    return url_of(post) if post and post.get("state") in LIVE else None


def receipt_of(post: Mapping[str, Any], otherwise: datetime) -> Receipt | None:
    """The receipt in a post as it is listed; None where it has no number. `otherwise` dates one without a date."""
    number = id_of(post)
    return Receipt(number, url_of(post), moment_of(post) or otherwise) if number else None


async def _look_at_draft(parcel: Parcel, handles: Mapping[str, Any], api: Api, outgoing: Outgoing) -> Look:
    post = await get_post(api, handles["draftId"], outgoing)
    if post is not None:
        state = post.get("state")
        if state == DRAFT:
            return Absent("Tumblr still has it as a draft.")
        if state in LIVE:
            return _found(post, parcel)
        return Unclear(f"Tumblr has it, but neither as a draft nor as a post ({str(state)[:30]}).")
    made_at = datetime.fromisoformat(handles["draftedAt"])
    since = min(made_at, parcel.first_sent_at or made_at) - SKEW
    drafts = {handles["draftId"], *handles["draftIds"]}
    live, whole = await find_live(api, outgoing, drafts=drafts, slug=handles["slug"], since=since)
    if live is not None:
        return _found(live, parcel)
    if not whole:
        return _saw_too_little()
    return Unclear(
        "Tumblr no longer has the draft, and lists no post that it became: it may be listed late, or was deleted."
    )


async def _look_for_slug(parcel: Parcel, handles: Mapping[str, Any], api: Api, outgoing: Outgoing) -> Look:
    if parcel.first_sent_at is None:
        return Unclear("It is not known when the post was sent, so nothing can be concluded from what is live.")
    since = parcel.first_sent_at - SKEW
    live, whole = await find_live(api, outgoing, drafts=(), slug=handles["slug"], since=since)
    if live is not None:
        return _found(live, parcel)
    return Absent("Tumblr lists no post with the address chosen for this one.") if whole else _saw_too_little()


async def _list(api: Api, path: str, query: Mapping[str, str], outgoing: Outgoing) -> list[Json]:
    answer = await api.ask(outgoing, api.get(path, query, LARGEST_LISTING))
    posts = (response_in(answer) or {}).get("posts")
    if not isinstance(posts, list) or not all(isinstance(post, dict) for post in posts):
        raise misread(answer)
    return posts


def _found(post: Mapping[str, Any], parcel: Parcel) -> Look:
    receipt = receipt_of(post, parcel.now)
    return Found(receipt, exact=True) if receipt else Unclear("The post is live, but has no number that could be kept.")


def _saw_too_little() -> Unclear:
    return Unclear("The blog has more posts since then than Hayon looks through.")
