"""Which kinds of post the matrix plays on which platform: the one file where a platform or a kind is added. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET


@dataclass(frozen=True, slots=True)
class Stage:
    """What must be known of a platform to play on it. In `settings` {sandbox} is the sandbox's address."""

    name: str
    handle: str
    """The handle of the nth account, with {n} in it."""
    connecting: tuple[str, ...]
    """Which parts of what the sandbox shows of an account are given when it is connected."""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of post. `files` are names of `places.py:draw_files`; {page} in words and options is the address of a page.

    `settings` are those under which it is made so, `facts` what else is known of the account.
    """

    platform: str
    name: str
    words: str = "What was seen"
    files: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


STAGES: Mapping[str, Stage] = {
    "bluesky": Stage(
        "Bluesky", "c{n}.example.test", ("identifier", "appPassword"),
        {"HAYON_BLUESKY_URL": "{sandbox}/bluesky", "HAYON_BLUESKY_VIDEO_URL": ""},
    ),
    "threads": Stage("Threads", "c{n}", ("accessToken",), {"HAYON_THREADS_URL": "{sandbox}/threads"}),
    "instagram": Stage("Instagram", "c{n}", ("accessToken",), {"HAYON_INSTAGRAM_URL": "{sandbox}/instagram"}),
    "facebook": Stage("Facebook", "c{n}", ("pageId", "accessToken"), {"HAYON_FACEBOOK_URL": "{sandbox}/facebook"}),
    "mastodon": Stage("Mastodon", "c{n}", ("instanceUrl", "accessToken")),
    "tumblr": Stage(
        "Tumblr", "c{n}", ("blog", "token", "tokenSecret"),
        {"HAYON_TUMBLR_URL": "{sandbox}/tumblr", "HAYON_TUMBLR_APP_ID": CONSUMER_KEY,
         "HAYON_TUMBLR_APP_SECRET": CONSUMER_SECRET},
    ),
}  # fmt: skip

_LINK = "What was read: {page}"
_ONE = ("square-1.jpg",)
_TWO = ("square-1.jpg", "square-2.jpg")
_MANY = ("square-1.jpg", "square-2.jpg", "square-3.jpg", "square-4.jpg", "square-5.jpg")
_FILM = ("film.mp4",)
_MIXED = ("square-1.jpg", "film.mp4")

KINDS: tuple[Kind, ...] = (
    Kind("bluesky", "text"),
    Kind("bluesky", "link", _LINK),
    Kind("bluesky", "picture", files=_ONE),
    Kind("bluesky", "pictures", files=_TWO),
    Kind("bluesky", "gallery", files=_MANY, facts={"gallery": True}),
    Kind("bluesky", "video", files=_FILM),
    Kind("threads", "text"),
    Kind("threads", "link", _LINK),
    Kind("threads", "picture", files=_ONE),
    Kind("threads", "video", files=_FILM),
    Kind("threads", "carousel", files=_MIXED),
    Kind("threads", "resent text", settings={"HAYON_RESEND_CONTAINERS": "true"}),
    Kind("instagram", "picture", files=_ONE),
    Kind("instagram", "carousel", files=_MIXED),
    Kind("instagram", "reel", files=_FILM),
    Kind("instagram", "story", "", _ONE, {"kind": "story"}),
    Kind("instagram", "film story", "", _FILM, {"kind": "story"}),
    Kind("instagram", "resent picture", files=_ONE, settings={"HAYON_RESEND_CONTAINERS": "true"}),
    Kind("facebook", "text"),
    Kind("facebook", "link", options={"link": "{page}"}),
    Kind("facebook", "picture", files=_ONE),
    Kind("facebook", "album", files=_TWO),
    Kind("facebook", "reel", files=_FILM),
    Kind("facebook", "video", files=_FILM, options={"kind": "video"}),
    Kind("facebook", "story", "", _ONE, {"kind": "story"}),
    Kind("facebook", "film story", "", _FILM, {"kind": "story"}),
    Kind("facebook", "drafted text", settings={"HAYON_FACEBOOK_DRAFTS": "true"}),
    Kind("mastodon", "text"),
    Kind("mastodon", "link", _LINK),
    Kind("mastodon", "picture", files=_ONE),
    Kind("mastodon", "pictures", files=_TWO),
    Kind("mastodon", "video", files=_FILM),
    Kind("tumblr", "text"),
    Kind("tumblr", "link", _LINK),
    Kind("tumblr", "picture", files=_ONE),
    Kind("tumblr", "pictures", files=_TWO),
    Kind("tumblr", "video", files=_FILM),
    Kind("tumblr", "mixed", files=_MIXED),
    Kind("tumblr", "direct text", settings={"HAYON_TUMBLR_DIRECT": "true"}),
)

FEW = (
    ("bluesky", "picture", "postgres"),
    ("threads", "text", "sqlite"),
    ("instagram", "reel", "postgres"),
    ("facebook", "album", "sqlite"),
    ("mastodon", "picture", "postgres"),
    ("tumblr", "text", "sqlite"),
)
"""What a quick run plays: each platform, each sort of media, each database."""
