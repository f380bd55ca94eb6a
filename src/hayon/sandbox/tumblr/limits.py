"""What the simulated Tumblr allows: sizes, lifetimes, caps and rates. Numbers only.

Source: tumblr/docs api.md and npf-spec.md; the limits of tags are the site's own. How far a timestamp may be off, how long
a video is transcoded and how long somebody may take to let an application in are this sandbox's numbers; the real ones are
not told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hayon.sandbox.limits import DAY, HOUR, MEBIBYTE, Rate

# the windows of a key begin at its first call, as seen in its headers; what a user may do is counted by calendar days
RATES: Mapping[str, Rate] = {
    "tumblr.address.minute": Rate(300, 60),
    "tumblr.address.hour": Rate(18_000, HOUR),
    "tumblr.address.day": Rate(432_000, DAY),
    "tumblr.key.hour": Rate(1_000, HOUR),
    "tumblr.key.day": Rate(5_000, DAY),
    "tumblr.user.posts": Rate(250, DAY, aligned=True),
    "tumblr.user.images": Rate(250, DAY, aligned=True),
    "tumblr.user.videos": Rate(20, DAY, aligned=True),
    "tumblr.user.video_seconds": Rate(HOUR, DAY, aligned=True),
}


@dataclass(frozen=True, slots=True)
class TumblrLimits:
    """Bytes and seconds unless the name says otherwise; characters are Unicode code points.

    A picture may have 10 MB by the documents; the site itself is said to take 20 by now.
    """

    block_characters: int = 4_096
    alt_characters: int = 4_096
    blocks: int = 1_000
    images: int = 30
    links: int = 10
    videos: int = 10
    own_videos: int = 1
    mentions: int = 50
    inline_links: int = 100
    tags: int = 30
    tag_characters: int = 140
    stored_size: int = 1_000_000
    image_size: int = 10 * MEBIBYTE
    video_size: int = 500 * MEBIBYTE
    video_seconds: float = 600
    queued_posts: int = 1_000
    posts_per_page: int = 20
    access_seconds: float = 2_520
    refresh_seconds: float = 42 * DAY
    clock_seconds: float = 300
    code_seconds: float = 600
    request_token_seconds: float = 600
    transcoding_seconds: float = 3.0
