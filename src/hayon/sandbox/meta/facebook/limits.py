"""What the simulated Facebook allows a Page: sizes, lifetimes, rates. Numbers only.

Source: Meta's pages "Page Feed", "Page Photos", "Reels Publishing API", "Facebook Stories API", "Rate Limits". The limit of
a message and the number of photos are what clients use; the seconds of processing are this sandbox's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hayon.sandbox.limits import DAY, HOUR, MEBIBYTE, Rate

# a Page's token: 4800 calls for each engaged user of the last day, as many as Threads gives to everybody; a person's
# token: 200 an hour for each user of the application, of whom there is one
RATES: Mapping[str, Rate] = {"facebook.calls": Rate(48_000, DAY), "facebook.user_calls": Rate(200, HOUR)}


@dataclass(frozen=True, slots=True)
class FacebookLimits:
    """Bytes and seconds unless the name says otherwise."""

    characters: int = 63_206
    photos_per_post: int = 10
    photo_size: int = 4 * MEBIBYTE
    """As the words of error 1366046 have it; Meta's newer pages say 10 MB."""
    photo_lifetime: float = DAY
    """So long an unpublished photo is kept that nothing uses."""
    draft_lifetime: float = 30 * DAY
    schedule_shortest: float = 600
    schedule_longest: float = 29 * DAY
    video_size: int = 1_024 * MEBIBYTE
    smallest_video: int = 1_024
    chunk_size: int = 4 * MEBIBYTE
    """The parts that `/videos` asks for."""
    upload_lifetime: float = DAY
    narrowest: int = 540
    lowest: int = 960
    fewest_frames: float = 24
    most_frames: float = 60
    reel_shortest: float = 3
    reel_longest: float = 90
    story_shortest: float = 3
    story_longest: float = 60
    video_longest: float = 4 * HOUR
    reels_per_day: int = 30
    story_lifetime: float = DAY
    processing_seconds: float = 2.0
    fetch_seconds: float = 20.0
    video_fetch_seconds: float = 300.0
