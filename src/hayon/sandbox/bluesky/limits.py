"""What the simulated PDS allows: sizes, lifetimes and rates. Numbers only."""

from collections.abc import Mapping
from dataclasses import dataclass

from hayon.sandbox.limits import DAY, HOUR, MEBIBYTE, Rate

# atproto: packages/pds/src/rate-limits.ts and the methods that name them
RATES: Mapping[str, Rate] = {
    "bluesky.write.hour": Rate(5_000, HOUR),
    "bluesky.write.day": Rate(35_000, DAY),
    "bluesky.upload": Rate(1_000, DAY),
    "bluesky.session.five": Rate(30, 300),
    "bluesky.session.day": Rate(300, DAY),
    "bluesky.any": Rate(3_000, 300),
}


@dataclass(frozen=True, slots=True)
class PdsLimits:
    """Bytes and seconds unless the name says otherwise.

    The image limit is the one that every PDS accepts; those updated since April 2026 take 2,000,000.
    """

    post_graphemes: int = 300
    post_bytes: int = 3_000
    images: int = 4
    image_bytes: int = 1_000_000
    gallery_images: int = 20
    gallery_image_bytes: int = 2_000_000
    thumb_bytes: int = 1_000_000
    video_bytes: int = 300_000_000
    blob_bytes: int = 5 * MEBIBYTE
    body_bytes: int = 1_000_000
    blob_keep_seconds: float = HOUR
    access_seconds: float = 2 * HOUR
    refresh_seconds: float = 90 * DAY
    rotation_grace_seconds: float = 2 * HOUR
