"""Looking for a post of which only the words are sure, since a backup was restored: by its drafts and marker, then by its words."""

from collections.abc import Mapping
from typing import Any

from hayon.outgoing import Outgoing
from hayon.platforms.contract import Found, Look, Parcel, Unclear
from hayon.platforms.tumblr.calls import Api, id_of, moment_of
from hayon.platforms.tumblr.drafting import marker_of
from hayon.platforms.tumblr.looking import LIVE, SKEW, find_live, receipt_of, search
from hayon.platforms.tumblr.npf import compose


async def look_without_handles(parcel: Parcel, api: Api, outgoing: Outgoing) -> Look:
    """Found for the post that a draft from before the backup became, or that has our marker, or the only one that says this.

    Never Absent: another draft may have been made since.
    """
    if parcel.first_sent_at is None:
        return Unclear("It is not known when the post was sent, so nothing can be concluded from what is live.")
    kept, since = parcel.checkpoint, parcel.first_sent_at - SKEW
    marker = marker_of(parcel, kept.get("givenUp", 0))
    live, _ = await find_live(api, outgoing, drafts=set(kept.get("draftIds", [])), slug=marker, since=since)
    exact = live is not None and live.get("state") in LIVE
    if not exact:
        words = _words_of(compose(parcel.content.text, title=parcel.content.options.get("title", "")))
        seen: set[str] = set()

        def says_it(post: Mapping[str, Any]) -> bool:
            alike = post.get("state") in LIVE and _words_of(post.get("content")) == words
            return alike and (moment_of(post) or since) >= since and id_of(post) not in seen

        if not words:
            return Unclear("Posts without words cannot be told from one another.")
        live, whole = await search(api, outgoing, says_it, since)
        if live is None:
            return Unclear(
                "Tumblr lists no post since then that says this; that proves nothing." if whole else _TOO_LITTLE
            )
        seen.add(id_of(live) or "")
        another, whole = await search(api, outgoing, says_it, since)
        if another is not None or not whole:
            return Unclear("More than one post of the blog says this." if another else _TOO_LITTLE)
    receipt = receipt_of(live or {}, parcel.now)
    return (
        Found(receipt, exact=exact) if receipt else Unclear("The post is live, but has no number that could be kept.")
    )


_TOO_LITTLE = "The blog has more posts since then than Hayon looks through."


def _words_of(content: Any) -> str:
    """What the blocks of text say, however they are cut."""
    blocks = [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []
    return " ".join(" ".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text").split())
