"""Instagram: what it takes, and what its containers hold: feed posts, reels, stories. Containers and tokens stand beside.

Sources: Meta's pages "Content Publishing", "IG User Media", "IG Container", "Business Login for Instagram".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.marks import Mark, in_order
from hayon.domain.model import Account, Content, Fitting, Media
from hayon.domain.rules import MediaRules, Option, Rules
from hayon.errors import Problem
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Connected, Credential, Parcel, ParcelMedia
from hayon.platforms.meta.containers import Containers, Draft, Plan, too_wide
from hayon.platforms.meta.graph import Graph
from hayon.platforms.meta.login import App
from hayon.platforms.meta.marks import HASHTAG, MENTION, find_mentions, find_tags
from hayon.platforms.meta.reading import flat, id_in
from hayon.platforms.meta.tokens import LongLived, introduced

PLATFORM = "instagram"
NAME = "Instagram"
HASHTAGS, MENTIONS = 30, 20
STORY_SECONDS, STORY_BYTES = (3, 60), 100_000_000
_HOSTS = ("instagram.com", "www.instagram.com")
_POST_PATH = re.compile(
    r"(?:/(?P<handle>[\w.]+))?/(?:p|reel|reels)/(?P<code>[\w-]+)/?|/stories/(?P<teller>[\w.]+)/(?P<story>\d+)/?", re.ASCII
)  # fmt: skip
_OPTIONS = {
    "kind": Option(
        {"type": "string", "enum": ["feed", "reel", "story"]},
        "feed: pictures, or pictures and videos, in the profile. reel: one video. story: one picture or video without text, for "
        "a day. Without it, one video is a reel and everything else goes to the feed.",
    ),
    "coverAtSeconds": Option(
        {"type": "integer"}, "The second of a reel whose picture is its cover. Without it, the first picture."
    ),
    "shareToFeed": Option({"type": "boolean"}, "Whether a reel is also shown in the feed. Without it, Instagram decides."),
    "collaborators": Option(
        {"type": "array", "maxItems": 3, "items": {"type": "string"}},
        "User names that are asked to be authors too; three at most. One that is wrong makes Instagram refuse the post.",
    ),
}  # fmt: skip


class Instagram(Containers, LongLived):
    """Publishes on Instagram for professional accounts (Instagram Login), both faces."""

    platform = PLATFORM
    name = NAME
    making, publishing = "media", "media_publish"
    status_fields = ("status_code", "status")
    text_field = "caption"
    renewal, lengthening = "ig_refresh_token", "ig_exchange_token"
    live, codes_at = "https://graph.instagram.com", "https://api.instagram.com"
    page = "https://www.instagram.com/oauth/authorize"
    scopes = ("instagram_business_basic", "instagram_business_content_publish")
    quota = "content_publishing_limit"

    def __init__(
        self,
        address: str = live,
        version: str = "v25.0",
        *,
        resend: bool = False,
        app_id: str = "",
        app_secret: str = "",
    ) -> None:
        super().__init__(address, version, resend=resend)
        self.app = App(PLATFORM, NAME, app_id, app_secret)

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        """The same for every account. Pictures become JPEGs of a shape it takes; the unit of captions is not documented."""
        return Rules(
            platform=PLATFORM,
            name=NAME,
            text_limit=2_200,
            text_unit="characters",
            count=lambda text, options: len(text),  # noqa: ARG005 - no option changes the count
            images=MediaRules(
                limit=10, mimes=("image/jpeg", "image/png", "image/webp"), bytes_limit=50_000_000,
                alt_text_limit=1_000, animations=False,
            ),
            videos=MediaRules(
                limit=10, mimes=("video/mp4", "video/quicktime"), bytes_limit=300_000_000, min_seconds=3,
                max_seconds=900, min_aspect=0.01, max_aspect=10, min_frame_rate=23, max_frame_rate=60, max_bit_rate=25_000_000,
                video_codecs=("h264", "hevc"), audio_codecs=("aac",),
            ),
            media_limit=10,
            mixed=True,
            media_required=True,
            options=_OPTIONS,
            more=_more,
            marks=_marks,
        )  # fmt: skip

    def fitting(self, options: Mapping[str, Any]) -> Fitting:
        """JPEG, at most 1440 pixels; in the feed between 4:5 and 1.91:1, while a story fills the screen of a telephone."""
        if options.get("kind") == "story":
            return Fitting(("image/jpeg",), 8_000_000, largest_side=1920, srgb=True)
        return Fitting(("image/jpeg",), 8_000_000, largest_side=1440, narrowest=0.8, widest=1.91, srgb=True)

    def plan(self, parcel: Parcel) -> Plan:
        """Videos have no alt text at Instagram, stories neither that nor a caption."""
        options, files = parcel.content.options, parcel.media
        first_look = 10 if any(one.media.is_video for one in files) else 2
        types = ("VIDEO",) if len(files) == 1 and files[0].media.is_video else ("IMAGE",)
        if options.get("kind") == "story":
            return Plan(Draft({"media_type": "STORIES"}, files[0]), (), types, "stories", first_look)
        said = {"caption": parcel.content.text or None, "collaborators": options.get("collaborators") or None}
        if len(files) > 1:
            children = tuple(Draft({**_shown(one), "is_carousel_item": True}, one) for one in files)
            main = Draft({"media_type": "CAROUSEL", **said})
            return Plan(main, children, ("CAROUSEL_ALBUM", "CAROUSEL"), self.making, first_look)
        if files[0].media.is_video:
            cover = options.get("coverAtSeconds")
            reel = {
                "media_type": "REELS",
                "share_to_feed": options.get("shareToFeed"),
                "thumb_offset": None if cover is None else cover * 1000,
            }
            return Plan(Draft({**reel, **said}, files[0]), (), types, self.making, first_look)
        return Plan(Draft({**_shown(files[0]), **said}, files[0]), (), types, self.making, first_look)

    def remote_id_in(self, url: str, account: Account) -> str | None:
        """`url:` and the code in a post's address: the API's own id does not stand there. Most addresses name no author."""
        try:
            named, home = urlsplit(url.strip()), urlsplit(account.host)
        except ValueError:
            return None
        at_home = named.netloc.lower() == home.netloc.lower()
        if named.scheme not in {"http", "https"} or not (at_home or named.netloc.lower() in _HOSTS):
            return None
        found = _POST_PATH.fullmatch(named.path.removeprefix(home.path.rstrip("/") if at_home else ""))
        if found is None:
            return None
        author = found["handle"] or found["teller"]
        if author is not None and author.lower() != account.handle.removeprefix("@").lower():
            return None
        return f"url:{found['code'] or found['story']}"

    async def remove(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> bool:
        """False always: with Instagram Login there is no way to delete."""
        return False

    async def introduce(self, graph: Graph, outgoing: Outgoing) -> tuple[Connected, Mapping[str, Any]]:
        """Both ids are kept: the account is known by `user_id`. How long the token lasts is only told when it is renewed."""
        person = flat(
            await graph.ask(
                outgoing, graph.get("me", fields="id,user_id,username,name,account_type,profile_picture_url")
            )
        )
        app_scoped, kind = id_in(person), person.get("account_type")
        facts = {"id": app_scoped, "accountType": kind if isinstance(kind, str) else None}
        known_by = "user_id" if "user_id" in person else "id"
        return introduced(graph, person, id_field=known_by, picture="profile_picture_url", **facts), {}


_Fault = tuple[str, str, str]
"""Where, which rule, and what to do."""


def _shown(one: ParcelMedia) -> Mapping[str, Any]:
    return {"media_type": "VIDEO"} if one.media.is_video else {"alt_text": one.alt_text or None}


def _marks(text: str, options: Mapping[str, Any]) -> Sequence[Mark]:  # noqa: ARG001 - no option changes it
    """Addresses in a caption lead nowhere."""
    return in_order([*find_mentions(text), *find_tags(text)])


def _more(content: Content, media: Sequence[Media]) -> list[Problem]:
    kind = content.options.get("kind")
    found: list[_Fault] = [
        *_faults_of_text(content.text),
        *(_faults_of_story(content, media) if kind == "story" else ()),
        *_faults_of_reel(content, media),
    ]
    return [*(Problem(*one, PLATFORM) for one in found), *too_wide(content, media, NAME, PLATFORM)]


def _faults_of_text(text: str) -> Iterator[_Fault]:
    for pattern, limit, words in ((HASHTAG, HASHTAGS, "hashtags"), (MENTION, MENTIONS, "mentions")):
        count = len(pattern.findall(text))
        if count > limit:
            yield "text", f"too_many_{words}", f"Instagram takes {limit} {words} in a post; this has {count}."


def _faults_of_story(content: Content, media: Sequence[Media]) -> Iterator[_Fault]:
    if len(content.media) > 1:
        yield "mediaItems", "too_many", f"A story is one picture or one video; this has {len(content.media)}."
    if content.text.strip():
        yield "text", "story_text", "A story shows no text. Write it into the picture, or leave it out for Instagram."
    if content.options.get("collaborators"):
        yield "options.collaborators", "bad_option", "A story has no further authors. Leave the collaborators out."
    shortest, longest = STORY_SECONDS
    for index, one in enumerate(media):
        if one.duration_seconds is not None and not shortest <= one.duration_seconds <= longest:
            words = f"A story's video lasts {shortest} to {longest} s; this one has {one.duration_seconds:.1f} s."
            yield f"mediaItems[{index}]", "story_seconds", words
        if one.is_video and one.size > STORY_BYTES:
            words = f"A story's video has up to {STORY_BYTES:,} bytes; this one has {one.size:,}."
            yield f"mediaItems[{index}]", "too_large", words


def _faults_of_reel(content: Content, media: Sequence[Media]) -> Iterator[_Fault]:
    options = content.options
    video = media[0] if len(content.media) == 1 and media and media[0].is_video else None
    if options.get("kind") == "reel" and video is None and media:
        yield "options.kind", "bad_option", "A reel is one video. Give a single video, or leave the kind out."
    for name in ("coverAtSeconds", "shareToFeed"):
        if name in options and (video is None or options.get("kind") == "story"):
            yield (
                f"options.{name}",
                "bad_option",
                f"Instagram: option {name!r} is for reels, which are one video. Leave it out.",
            )
    cover = options.get("coverAtSeconds")
    if isinstance(cover, int) and not isinstance(cover, bool):
        lasts = video.duration_seconds if video else None
        if cover < 0 or (lasts is not None and cover > lasts):
            yield "options.coverAtSeconds", "bad_option", "Instagram: the cover has to be a second within the video."
