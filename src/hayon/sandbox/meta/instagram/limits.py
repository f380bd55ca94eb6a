"""What the simulated Instagram allows: sizes, lifetimes, quotas and rates. Numbers only.

Source: Meta's pages "Content Publishing", "IG User Media", "Error Codes". The seconds of processing are this sandbox's own;
the real ones are not told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hayon.sandbox.limits import DAY, MEBIBYTE, Rate

# 4800 calls for each impression of the last day; as many impressions as Threads gives to everybody
RATES: Mapping[str, Rate] = {"instagram.calls": Rate(48_000, DAY)}


@dataclass(frozen=True, slots=True)
class InstagramLimits:
    """Bytes and seconds unless the name says otherwise."""

    caption_characters: int = 2_200
    hashtags: int = 30
    mentions: int = 20
    collaborators: int = 3
    alt_characters: int = 1_000
    image_size: int = 8 * MEBIBYTE
    narrowest: float = 4 / 5
    widest: float = 1.91
    reel_size: int = 300 * MEBIBYTE
    reel_shortest: float = 3
    reel_longest: float = 900
    story_size: int = 100 * MEBIBYTE
    story_shortest: float = 3
    story_longest: float = 60
    video_width: int = 1_920
    video_bits: int = 25_000_000
    """In a second."""
    fewest_children: int = 2
    most_children: int = 10
    publishes_per_day: int = 50
    """Meta's pages say 50 and 100; whoever reads the quota is told this."""
    containers_per_day: int = 400
    image_seconds: float = 1.0
    video_processing_seconds: float = 3.0
    carousel_seconds: float = 1.0
    unready_seconds: float = 0.4
    """So long after its status says FINISHED, publishing may still say that a container is not ready."""
    fetch_seconds: float = 20.0
    video_fetch_seconds: float = 300.0
