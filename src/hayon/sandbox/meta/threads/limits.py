"""What the simulated Threads allows: sizes, lifetimes, quotas and rates. Numbers only.

Source: Meta's pages "Threads: Posts", "Threads Reference: Publishing", "Threads Overview". The seconds of processing are
this sandbox's own; the real ones are not told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hayon.sandbox.limits import DAY, MEBIBYTE, Rate

# 4800 calls for each impression of the last day, of which ten are given to everybody
RATES: Mapping[str, Rate] = {"threads.calls": Rate(48_000, DAY)}


@dataclass(frozen=True, slots=True)
class ThreadsLimits:
    """Bytes and seconds unless the name says otherwise."""

    characters: int = 500
    links: int = 5
    tag_characters: int = 50
    alt_characters: int = 1_000
    image_size: int = 8 * MEBIBYTE
    image_ratio: float = 10.0
    video_size: int = 1_024 * MEBIBYTE
    video_seconds: float = 300
    video_width: int = 1_920
    video_bits: int = 25_000_000
    """In a second."""
    fewest_children: int = 2
    most_children: int = 20
    posts_per_day: int = 250
    replies_per_day: int = 1_000
    deletes_per_day: int = 100
    refused_tags: frozenset[str] = frozenset()
    """Topic tags that are not permitted; which they are is not told, so a world may say."""
    image_seconds: float = 1.0
    video_processing_seconds: float = 3.0
    carousel_seconds: float = 1.0
    unfound_seconds: float = 1.0
    """So long after it was made, publishing does not find a container, whatever its status says."""
    fetch_seconds: float = 20.0
    video_fetch_seconds: float = 300.0
