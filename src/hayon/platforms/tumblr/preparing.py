"""Everything repeatable before a Tumblr post: who is mentioned, and a draft with all its files that nobody sees.

The checkpoint holds: `mentions` {name: uuid or null}; `creating` (a draft was asked for); `draftIds`, the numbers the
draft has had, and `draftedAt`; `transcoding`; `media`, each block's as Tumblr stored it; `failures` of uploads; `givenUp`,
how many drafts were left behind. A lost answer is settled by the draft's slug, so it makes no second draft.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hayon.domain.model import Json
from hayon.errors import CredentialExpired, NotYet, PlatformError, RateLimited, Rejected, Unavailable, Unreachable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Parcel, ParcelMedia, SaveCheckpoint
from hayon.platforms.tumblr.answers import UPLOAD_FAILED, Doing
from hayon.platforms.tumblr.calls import Api, id_of, misread, response_in, url_of
from hayon.platforms.tumblr.drafting import (
    as_uploads,
    body_of,
    fields_of,
    fitted,
    live_slug,
    live_state,
    marker_of,
    stored_in,
)
from hayon.platforms.tumblr.looking import DIRECT, DRAFT, SKEW, find_draft, find_live, get_post
from hayon.platforms.tumblr.npf import find_names

TRANSCODING = "transcoding"
LOOK_AGAIN_SECONDS = 30.0
TRANSCODING_LASTS = timedelta(hours=1)
"""How long a video may be nowhere before Tumblr is taken to have dropped it."""
FAILURES_BORNE = 3
"""How many unknown upload errors make it the file's fault."""
LARGEST_DIRECT = 20_000_000
"""Bytes of files that go along with the one call in the direct way: it has to end within its deadline."""
NAMES_ASKED = 10
"""Blogs that are looked up for one post: each costs a call of the thousand that the whole app has in an hour."""


class Preparation:
    """One walk from a parcel to its handles. Each step saves before the next one begins, and a later walk skips it."""

    def __init__(self, parcel: Parcel, api: Api, save: SaveCheckpoint, outgoing: Outgoing, *, direct: bool) -> None:
        self._parcel = parcel
        self._api = api
        self._save = save
        self._outgoing = outgoing
        self._direct = direct
        self._kept: Json = dict(parcel.checkpoint)
        self._files: list[ParcelMedia] = []

    async def run(self) -> Mapping[str, Any]:
        """Takes every step that is not done yet. Returns the handles: the fields of the one call, and how to ask about it."""
        self._files = await fitted(self._parcel)
        await self._resolve_mentions()
        if self._goes_directly():
            fields = self._fields(as_uploads(self._files), live_state(self._parcel), self._marker)
            return {"way": DIRECT, "blog": self._api.blog, "slug": self._marker, "fields": fields}
        await self._bring_draft()
        return {
            "way": DRAFT,
            "blog": self._api.blog,
            "draftId": self._ids[-1],
            "draftIds": list(self._ids),
            "draftedAt": self._kept["draftedAt"],
            "slug": self._marker,
            "fields": self._fields(self._kept.get("media", []), live_state(self._parcel), live_slug(self._parcel)),
        }

    @property
    def _marker(self) -> str:
        return marker_of(self._parcel, self._kept.get("givenUp", 0))

    @property
    def _ids(self) -> Sequence[str]:
        ids: list[str] = self._kept.get("draftIds", [])
        return ids

    def _goes_directly(self) -> bool:
        """Whether it may go in one call: the operator wants that, no draft was begun, and nothing in it takes long."""
        own_slug, begun = self._parcel.content.options.get("slug"), self._ids or self._kept.get("creating")
        light = sum(one.media.size for one in self._files) <= LARGEST_DIRECT
        return self._direct and light and not (begun or own_slug or any(one.media.is_video for one in self._files))

    async def _keep(self, **steps: Any) -> None:
        self._kept = {**self._kept, **steps}
        await self._save(self._kept)

    def _fields(self, media: Sequence[Any], state: str, slug: str) -> Json:
        return fields_of(self._parcel, media, self._kept.get("mentions", {}), state=state, slug=slug)

    async def _resolve_mentions(self) -> None:
        """Which blog each mentioned name is. Kept once, so that draft and post say the same; None stays text."""
        names = find_names(self._parcel.content.text)[:NAMES_ASKED]
        if names and "mentions" not in self._kept:
            await self._keep(mentions={name: await self._resolve(name) for name in names})

    async def _resolve(self, name: str) -> str | None:
        request = self._api.get(self._api.of_blog("info", blog=name))
        try:
            response = await self._api.read(self._outgoing, request)
        except (RateLimited, CredentialExpired, Unreachable):
            raise
        except PlatformError as error:
            if error.http_status == 401:
                raise
            return None  # a mention is worth no post: it stays text
        blog = (response or {}).get("blog")
        uuid = blog.get("uuid") if isinstance(blog, dict) else None
        return uuid if isinstance(uuid, str) and uuid else None

    async def _bring_draft(self) -> None:
        """A draft that holds everything, made by this walk or an earlier one."""
        if not self._ids and self._kept.get("creating"):
            number = await find_draft(self._api, self._marker, self._outgoing)
            if number is not None:
                await self._keep_draft(number)
        fresh = not self._ids
        if fresh:
            await self._create()
        if self._files or not fresh:
            await self._ask_after()

    async def _create(self) -> None:
        await self._keep(creating=True)
        fields = self._fields(as_uploads(self._files), DRAFT, self._marker)
        request = self._api.post(self._api.of_blog("posts"), **body_of(fields, self._files))
        try:
            answer = await self._api.ask(self._outgoing, request, doing=Doing.DRAFTING, welcome=(200, 201))
        except Unavailable as error:
            if error.code in {f"500.{code}" for code in UPLOAD_FAILED}:
                await self._count_failure(error)
            raise
        response = response_in(answer) or {}
        number = id_of(response)
        if number is None:
            raise misread(answer)
        await self._keep_draft(number, transcoding=response.get("state") == TRANSCODING)
        if self._kept["transcoding"]:
            raise _at_work()

    async def _count_failure(self, error: Unavailable) -> None:
        await self._keep(failures=self._kept.get("failures", 0) + 1)
        if self._kept["failures"] >= FAILURES_BORNE:
            raise Rejected(
                f"Tumblr failed over a picture or video {self._kept['failures']} times. Save it in another format, "
                "or use another one.",
                code=error.code,
                http_status=error.http_status,
            ) from error

    async def _keep_draft(self, number: str, *, transcoding: bool = False) -> None:
        drafted_at = self._kept.get("draftedAt", self._parcel.now.isoformat())
        await self._keep(draftIds=[*self._ids, number], draftedAt=drafted_at, transcoding=transcoding)

    async def _ask_after(self) -> None:
        """Makes sure that the draft stands and is ready, and keeps what Tumblr stored of its files."""
        post = await get_post(self._api, self._ids[-1], self._outgoing)
        if post is None:
            if self._parcel.first_sent_at is not None:
                # A call was made with it, and it may be live by now. Under the same number a repeat is refused, and a
                # look finds the post; a draft made anew would become a second one.
                return
            post = await self._find_again()
        if post.get("state") == TRANSCODING:
            if not self._kept.get("transcoding"):
                await self._keep(transcoding=True)
            raise _at_work()
        first = post.get("genesis_post_id")
        if first is not None and str(first) not in self._ids:
            # what a post will name as its first number may be one that we never learnt: that of a video whose answer was lost
            await self._keep(draftIds=[str(first), *self._ids])
        if self._files:
            await self._keep_media(post)

    async def _keep_media(self, post: Json) -> None:
        media = stored_in(post, self._files)
        if media is not None:
            if media != self._kept.get("media"):
                await self._keep(media=media, transcoding=False)
        elif self._parcel.first_sent_at is None:
            await self._give_up()
            raise Rejected(
                "Tumblr's draft of this post does not hold the pictures and videos that were handed over. Look through the "
                "blog's drafts, then try again."
            )

    async def _find_again(self) -> Json:
        """A draft that has another number by now, as after transcoding; else one made anew, where none can be live."""
        number = await find_draft(self._api, self._marker, self._outgoing)
        if number is None:
            await self._mourn()
            await self._create()
        elif number not in self._ids:
            await self._keep_draft(number)
        post = await get_post(self._api, self._ids[-1], self._outgoing)
        if post is None:
            raise _at_work()
        return post

    async def _mourn(self) -> None:
        """Leaves a draft behind that is nowhere. Raises NotYet while it may still come, Rejected where that is no way on."""
        drafted_at, transcoding = datetime.fromisoformat(self._kept["draftedAt"]), self._kept.get("transcoding")
        if transcoding and self._parcel.now - drafted_at < TRANSCODING_LASTS:
            raise _at_work()
        since = drafted_at - SKEW
        live, _ = await find_live(self._api, self._outgoing, drafts=set(self._ids), slug=self._marker, since=since)
        if live is not None:
            where = url_of(live) or "look at the blog"
            raise Rejected(
                f"The draft of this post was published on Tumblr by other hands ({where}). Nothing more is sent."
            )
        await self._give_up()
        if transcoding:
            raise Rejected(
                "Tumblr took the video, but did not make a draft of it. Export the video anew, or try again."
            )

    async def _give_up(self) -> None:
        kept: Json = {name: self._kept[name] for name in ("mentions", "failures") if name in self._kept}
        self._kept = {**kept, "givenUp": self._kept.get("givenUp", 0) + 1}
        await self._save(self._kept)


def _at_work() -> NotYet:
    return NotYet("Tumblr is still at work on this post.", wait_seconds=LOOK_AGAIN_SECONDS)
