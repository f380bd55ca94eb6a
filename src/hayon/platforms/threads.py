"""Threads: what it takes, how it counts text, what its containers hold. How containers and tokens work stands beside.

Sources: Meta's pages "Threads Posts", "Threads Reference: Publishing", "Threads API Troubleshooting".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import regex

from hayon.domain.model import Account, Content, Fitting, Media
from hayon.domain.rules import MediaRules, Option, Rules
from hayon.errors import Disconnected, PlatformError, Problem
from hayon.outgoing import Answer, Outgoing
from hayon.platforms.contract import Allowance, Connected, Credential, Parcel
from hayon.platforms.meta.allowances import usage_told
from hayon.platforms.meta.containers import Containers, Draft, Plan, too_wide
from hayon.platforms.meta.graph import Graph
from hayon.platforms.meta.login import App
from hayon.platforms.meta.marks import LINK, addresses_in, card_for_threads, mark_for_threads
from hayon.platforms.meta.reading import flat, moment_of
from hayon.platforms.meta.tokens import LongLived, introduced

PLATFORM = "threads"
LINKS = 5
# Flags stand apart: in a row of them \X takes a time that grows with its square.
_GRAPHEME = regex.compile(r"\p{RI}{2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+|\X")
_EMOJI = regex.compile(r"[\p{Extended_Pictographic}\p{Regional_Indicator}\u20e3]")
_POST_PATH = re.compile(r"/@(?P<handle>[\w.]+)/post/(?P<code>[\w-]+)/?", re.ASCII)
_HOSTS = ("threads.net", "www.threads.net", "threads.com", "www.threads.com")
_OPTIONS = {
    "replyControl": Option(
        {"type": "string", "enum": ["everyone", "accounts_you_follow", "mentioned_only", "followers_only"]},
        "Who may reply: everyone, the accounts you follow, those mentioned, your followers. Without it, as the account is set.",
    ),
    "topicTag": Option(
        {"type": "string", "maxLength": 51},
        "The post's one topic, with or without #; up to 50 characters, no full stop and no &. Without it, the first #tag in the text.",
    ),
    "linkAttachment": Option(
        {"type": "string"}, "The link that is shown as a card under a post without media. Without it, the first one in the text."
    ),
}  # fmt: skip


def length(text: str) -> int:
    """The length of a text: an emoji counts its UTF-8 bytes, everything else its code points.

    The documents say the first and call a package that splits graphemes; that accents and CJK count one is what others saw.
    """
    parts = _GRAPHEME.findall(text) if _EMOJI.search(text) else [text]  # most texts have none, and need not be split
    return sum(len(one.encode()) if _EMOJI.search(one) else len(one) for one in parts)


class Threads(Containers, LongLived):
    """Publishes on Threads, both faces. `address` and `version` of the API are settings; an account keeps its address."""

    platform = PLATFORM
    name = "Threads"
    making, publishing = "threads", "threads_publish"
    status_fields = ("status", "error_message")
    text_field = "text"
    renewal, lengthening = "th_refresh_token", "th_exchange_token"
    live = codes_at = "https://graph.threads.net"
    page = "https://threads.net/oauth/authorize"
    scopes = ("threads_basic", "threads_content_publish", "threads_delete")
    quota = "threads_publishing_limit"

    def __init__(
        self,
        address: str = live,
        version: str = "v1.0",
        *,
        resend: bool = False,
        app_id: str = "",
        app_secret: str = "",
    ) -> None:
        super().__init__(address, version, resend=resend)
        self.app = App(PLATFORM, self.name, app_id, app_secret)

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        """The same for every account. Pictures are made to fit, so there are few limits to them."""
        return Rules(
            platform=PLATFORM,
            name="Threads",
            text_limit=500,
            text_unit="characters (an emoji counts its bytes)",
            count=lambda text, options: length(text),  # noqa: ARG005 - no option changes the count
            images=MediaRules(
                limit=20, mimes=("image/jpeg", "image/png", "image/webp"), bytes_limit=50_000_000,
                alt_text_limit=1_000, animations=False,
            ),
            videos=MediaRules(
                limit=20, mimes=("video/mp4", "video/quicktime"), bytes_limit=1_000_000_000, max_seconds=300,
                min_aspect=0.01, max_aspect=10, min_frame_rate=23, max_frame_rate=60, max_bit_rate=25_000_000, video_codecs=("h264", "hevc"),
                audio_codecs=("aac",), alt_text_limit=1_000,
            ),
            media_limit=20,
            mixed=True,
            speaks_alone=("linkAttachment",),
            options=_OPTIONS,
            more=_more,
            marks=lambda text, options: mark_for_threads(text, topic_named=bool(_bare(options.get("topicTag")))),
            card=card_for_threads,
        )  # fmt: skip

    def fitting(self, options: Mapping[str, Any]) -> Fitting:
        return Fitting(("image/jpeg", "image/png"), 8_000_000, narrowest=0.1, widest=10, srgb=True)

    def plain(self, text: str) -> str:
        """Threads makes the first tag of a text its topic and keeps it without the #, so these are left out."""
        return super().plain(text.replace("#", ""))

    def plan(self, parcel: Parcel) -> Plan:
        options = parcel.content.options
        said = {
            "text": parcel.content.text or None,
            "reply_control": options.get("replyControl"),
            "topic_tag": _bare(options.get("topicTag")) or None,
            "link_attachment": options.get("linkAttachment"),
        }
        files = [
            Draft({"media_type": "VIDEO" if one.media.is_video else "IMAGE", "alt_text": one.alt_text or None}, one)
            for one in parcel.media
        ]
        if not files:
            return Plan(Draft({"media_type": "TEXT", **said}), (), ("TEXT_POST", "TEXT"), self.making, 3)
        if len(files) == 1:
            kind = files[0].form["media_type"]
            return Plan(replace(files[0], form={**files[0].form, **said}), (), (kind,), self.making, 5)
        children = tuple(replace(one, form={**one.form, "is_carousel_item": True}) for one in files)
        types = ("CAROUSEL_ALBUM", "CAROUSEL")
        return Plan(Draft({"media_type": "CAROUSEL", **said}), children, types, self.making, 5)

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        """As elsewhere, but that the calls of an app are counted for each person, within a day ("Threads Overview")."""
        return usage_told(answer, now, app_seconds=86_400, shared=False)

    def remote_id_in(self, url: str, account: Account) -> str | None:
        """`url:` and the code in a post's address: the API's own id does not stand there, and cannot be asked for by it."""
        try:
            named, home = urlsplit(url.strip()), urlsplit(account.host)
        except ValueError:
            return None
        at_home = named.netloc.lower() == home.netloc.lower()
        if named.scheme not in {"http", "https"} or not (at_home or named.netloc.lower() in _HOSTS):
            return None
        found = _POST_PATH.fullmatch(named.path.removeprefix(home.path.rstrip("/") if at_home else ""))
        ours = found is not None and found["handle"].lower() == account.handle.removeprefix("@").lower()
        return f"url:{found['code']}" if found and ours else None

    async def remove(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> bool:
        """DELETE of the post ("Threads: Delete Posts"; the token needs `threads_delete`). False where its id is not known."""
        return ":" not in remote_id and await self.graph(account, credential).remove(outgoing, remote_id)

    async def introduce(self, graph: Graph, outgoing: Outgoing) -> tuple[Connected, Mapping[str, Any]]:
        person = await graph.ask(outgoing, graph.get("me", fields="id,username,name,threads_profile_picture_url"))
        connected = introduced(graph, person, id_field="id", picture="threads_profile_picture_url")
        try:
            about = flat(
                await graph.ask(outgoing, replace(graph, version="").get("debug_token", input_token=graph.token))
            )
        except PlatformError:
            return connected, {}  # it only tells how long the token lasts
        scopes = about.get("scopes")
        if isinstance(scopes, list) and "threads_content_publish" not in scopes:
            raise Disconnected(
                "This access token may not publish on Threads: it lacks threads_content_publish. Make one with that permission.",
                health="error",
            )
        known = {"expiresAt": moment_of(about.get("expires_at")), "obtainedAt": moment_of(about.get("issued_at"))}
        return connected, {name: moment.isoformat() for name, moment in known.items() if moment is not None}


def _bare(tag: Any) -> str:
    return tag.strip().removeprefix("#") if isinstance(tag, str) else ""


def _more(content: Content, media: Sequence[Media]) -> list[Problem]:
    """What does not fit a table: links, the topic, a card beside media, the width of videos."""
    card, tag, found = content.options.get("linkAttachment"), content.options.get("topicTag"), []
    links = set(addresses_in(content.text)) | ({card} if isinstance(card, str) else set())
    if len(links) > LINKS:
        words = f"Threads takes {LINKS} different links in a post; this has {len(links)}."
        found.append(("text", "too_many_links", words))
    if isinstance(card, str) and not LINK.fullmatch(card):
        found.append(
            ("options.linkAttachment", "bad_option", "Threads: the link has to begin with https:// or http://.")
        )
    if isinstance(card, str) and content.media:
        words = "Threads shows a link's card only under a post without media. Leave one of them out."
        found.append(("options.linkAttachment", "bad_option", words))
    if isinstance(tag, str) and (not 0 < len(_bare(tag)) <= 50 or re.search(r"[.&\n]", tag)):
        words = "Threads takes a topic of 1 to 50 characters without full stops and &."
        found.append(("options.topicTag", "bad_option", words))
    return [*(Problem(*one, PLATFORM) for one in found), *too_wide(content, media, "Threads", PLATFORM)]
