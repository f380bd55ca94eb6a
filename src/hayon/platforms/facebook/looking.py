"""Reconcile: is what was to be published with these handles live? Reads only, and says Absent only where it saw enough.

Pictures and videos settle it: Facebook gave each an id before the post was sent, and hangs it on one post at most. Words
alone never prove an absence, since a request that was lost may still be carried out, and nobody can ask for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hayon.domain.model import Receipt
from hayon.errors import Unavailable, Unreachable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Absent, Found, Look, Parcel, Unclear, unproven
from hayon.platforms.facebook.addresses import public_url, shown_at
from hayon.platforms.facebook.films import FilmState
from hayon.platforms.facebook.limits import Kind
from hayon.platforms.facebook.listing import (
    FIELDS,
    STAMP,
    feed_since,
    has_media,
    is_hidden,
    same_words,
    says_the_same,
    stories_since,
    targets_in,
)
from hayon.platforms.facebook.photos import KEPT_FOR
from hayon.platforms.meta.graph import GONE, Graph
from hayon.platforms.meta.reading import id_in, moment_of

STORIES_SHOWN_FOR = timedelta(hours=20)
"""How long a story is surely listed: a day, and longer only where the Page keeps an archive (page "Facebook Stories API")."""


async def look(parcel: Parcel, handles: Mapping[str, Any], graph: Graph, outgoing: Outgoing, app_id: str) -> Look:
    """What Facebook says of these handles. `app_id` is ours where it is known: posts of another app are not ours.

    An error raised here says nothing about the post, not even that a host is out of reach.
    """
    if parcel.first_sent_at is None:
        return Unclear("It is not known when the post was sent, so nothing can be concluded from what is live.")
    looking = _Looking(parcel, handles, parcel.first_sent_at, graph, outgoing)
    try:
        match Kind(handles["kind"]):
            case Kind.POST if handles.get("photoIds"):
                return await looking.by_photos(handles["photoIds"])
            case Kind.POST:
                return await looking.by_words(app_id)
            case Kind.DRAFT:
                return await looking.by_draft(handles["draftId"])
            case Kind.REEL | Kind.VIDEO:
                return await looking.by_video(handles["videoId"])
            case Kind.PHOTO_STORY:
                return await looking.by_story(handles["photoIds"][0])
            case Kind.VIDEO_STORY:
                return await looking.by_story(handles["videoId"], film=True)
    except Unreachable as error:
        error.proves_absence = False  # it proves that the question was not sent, not that the post was not
        raise


async def look_without_handles(
    parcel: Parcel, handles: Mapping[str, Any], graph: Graph, outgoing: Outgoing, app_id: str
) -> Look:
    """After a backup was restored: by the ids of before, if `handles` have any; then a post by its words, for other files
    may have been handed over since. Videos and stories are found by their ids only.
    """
    known, kind = {"photoIds", "videoId", "draftId"} & handles.keys(), Kind(handles["kind"])
    if known:
        by_id = {**handles, "kind": str(Kind.DRAFT)} if "draftId" in handles else handles
        found = await look(parcel, by_id, graph, outgoing, app_id)
        if isinstance(found, Found):
            return found
    if kind is not Kind.POST or not handles.get("message"):
        return Unclear("Facebook cannot be asked for a post whose ids are not known, unless it has words.")
    by_words = {name: value for name, value in handles.items() if name not in known}
    return unproven(await look(parcel, by_words, graph, outgoing, app_id))


@dataclass(frozen=True, slots=True)
class _Looking:
    """One look after one call."""

    parcel: Parcel
    handles: Mapping[str, Any]
    sent_at: datetime
    graph: Graph
    outgoing: Outgoing

    async def by_photos(self, photo_ids: list[str]) -> Look:
        """By the ids of the pictures, which hang on one post at most. What the pictures say themselves must agree."""
        listing = await feed_since(self.sent_at, self.handles["pageId"], self.graph, self.outgoing)
        holders = [one for one in listing.entries if targets_in(one) & set(photo_ids)]
        if len(holders) > 1:
            return Unclear(f"{len(holders)} posts of the Page carry these pictures.")
        if holders:
            return self._found_post(holders[0], exact=True)
        if not listing.whole:
            return _SAW_TOO_LITTLE
        return await self._ask_photo(photo_ids)

    async def _ask_photo(self, photo_ids: list[str]) -> Look:
        body = await self._read(photo_ids[0], "page_story_id")
        if body is None:
            uploaded_at = moment_of(self.handles.get("photosUploadedAt"))
            if uploaded_at is None or self.parcel.now - uploaded_at < KEPT_FOR:
                return Unclear("Facebook lists no such post, but does not show its pictures either.")
            return Absent("Facebook lists no post with these pictures, and has thrown them away.")
        story_id = id_in(body, "page_story_id")
        if story_id is None:
            return Absent("Facebook lists no post with these pictures.")
        post = await self._read(story_id, FIELDS)
        if post is not None and targets_in(post) & set(photo_ids):
            return self._found_post(post, exact=True)
        return Unclear("Facebook lists no such post, but says that its pictures stand in one.")

    async def by_words(self, app_id: str) -> Look:
        """By the words and the link, which must be those of exactly one post since then. None proves nothing."""
        listing = await feed_since(self.sent_at, self.handles["pageId"], self.graph, self.outgoing)
        alike = [
            one for one in listing.entries
            if not is_hidden(one) and self._says_it(one) and _made_by(one, app_id)
        ]  # fmt: skip
        if len(alike) > 1:
            return Unclear(f"{len(alike)} posts of the Page say exactly this.")
        if not listing.whole:
            return _SAW_TOO_LITTLE
        if not alike:
            return Unclear("Facebook lists no such post, but a post that is only words may still appear.")
        return self._found_post(alike[0], exact=False)

    def _says_it(self, post: Mapping[str, Any]) -> bool:
        """With pictures or without, as the parcel; a picture's own address is no link that was sent."""
        if not self.parcel.media:
            return not has_media(post) and says_the_same(post, self.handles)
        return bool(targets_in(post)) and same_words(post.get("message"), self.handles.get("message"))

    async def by_draft(self, draft_id: str) -> Look:
        """By the id that the post had before it was shown."""
        post = await self._read(draft_id, "id,is_published,permalink_url,created_time")
        if post is None:
            return Unclear("Facebook does not show the prepared post; it may have been deleted.")
        if post.get("is_published") is True:
            return self._found_post({**post, "id": draft_id}, exact=True)
        return Absent("Facebook has the post, but does not show it.") if is_hidden(post) else _SAYS_NOTHING

    async def by_video(self, video_id: str) -> Look:
        """By the id of the video, which Facebook asks after itself."""
        body = await self._read(video_id, "status,published,post_id,permalink_url")
        look = _verdict(body)
        if look is not None or body is None:
            return look or _SAYS_NOTHING
        url = shown_at(self.parcel.account, body) or public_url(self.parcel.account, video_id)
        return Found(Receipt(video_id, url, self.sent_at), exact=True)

    async def by_story(self, media_id: str, *, film: bool = False) -> Look:
        """By the id of the picture or video in the list of stories; of a video, also by what it says itself."""
        page, account = self.handles["pageId"], self.parcel.account
        listing = await stories_since(self.sent_at, page, self.graph, self.outgoing)
        for story in listing.entries:
            if id_in(story, "media_id") == media_id:
                made_at = moment_of(story.get("creation_time")) or self.sent_at
                remote_id = id_in(story, "post_id") or media_id
                return Found(Receipt(remote_id, shown_at(account, story, "url"), made_at), exact=True)
        if not listing.whole:
            return _SAW_TOO_LITTLE
        body = await self._read(media_id, "status,published,post_id,permalink_url") if film else None
        look = _verdict(body) if film else Absent("Facebook lists no story with this picture.")
        if look is None and body is not None:
            return Found(Receipt(id_in(body, "post_id") or media_id, None, self.sent_at), exact=True)
        if isinstance(look, Absent) and self.parcel.now - self.sent_at > STORIES_SHOWN_FOR:
            return Unclear("Facebook lists no such story, but it shows stories for a day only.")
        return look or _SAYS_NOTHING

    async def _read(self, remote_id: str, fields: str) -> Mapping[str, Any] | None:
        """What Facebook says of a thing; None where it says that there is none, which alone proves nothing."""
        try:
            return await self.graph.ask(self.outgoing, self.graph.get(remote_id, fields=fields))
        except Unavailable as error:
            if error.code != GONE:
                raise
            return None

    def _found_post(self, post: Mapping[str, Any], *, exact: bool) -> Look:
        remote_id, account = id_in(post), self.parcel.account
        if remote_id is None or is_hidden(post):
            return Unclear("Facebook has the post, but does not show it.")
        url = shown_at(account, post) or public_url(account, remote_id)
        return Found(Receipt(remote_id, url, moment_of(post.get(STAMP)) or self.sent_at), exact=exact)


def _verdict(body: Mapping[str, Any] | None) -> Look | None:
    """What the state of a video proves; None where it is live."""
    state = FilmState.of(body or {})
    if state.published:
        return None
    if state.failed:
        said = f' ("{state.words}")' if state.words else ""
        return Absent(f"Facebook failed over the video{said}, so it is not live.")
    if state.working:
        return Unclear("Facebook is still at work on the video.")
    return Absent("Facebook has the video, but has not published it.") if state.hidden else _SAYS_NOTHING


def _made_by(post: Mapping[str, Any], app_id: str) -> bool:
    """Whether a post may be ours; where either side does not say which app made it, it may."""
    application = post.get("application")
    made_by = id_in(application) if isinstance(application, Mapping) else None
    return not app_id or made_by is None or made_by == app_id


_SAW_TOO_LITTLE = Unclear("The Page made more posts since then than Hayon looks through.")
_SAYS_NOTHING = Unclear("Facebook does not say what became of it.")
