"""What a world's platforms allow: sizes, lifetimes and rates, as one value; and the meter that counts the rates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

MEBIBYTE = 2**20
HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Rate:
    """So many points in so many seconds. `aligned` windows begin at multiples of their length, others at first use."""

    points: int
    window_seconds: int
    aligned: bool = False


REAL_RATES: Mapping[str, Rate] = {
    # atproto: packages/pds/src/rate-limits.ts and the methods that name them
    "bluesky.write.hour": Rate(5_000, HOUR),
    "bluesky.write.day": Rate(35_000, DAY),
    "bluesky.upload": Rate(1_000, DAY),
    "bluesky.session.five": Rate(30, 300),
    "bluesky.session.day": Rate(300, DAY),
    "bluesky.any": Rate(3_000, 300),
    # mastodon: config/initializers/rack_attack.rb, app/lib/rate_limiter.rb
    "mastodon.token": Rate(300, 300, aligned=True),
    "mastodon.account": Rate(1_500, 300, aligned=True),
    "mastodon.address": Rate(300, 300, aligned=True),
    "mastodon.media": Rate(30, 1_800, aligned=True),
    "mastodon.delete": Rate(30, 1_800, aligned=True),
    "mastodon.statuses": Rate(300, 3 * HOUR, aligned=True),
    "mastodon.apps": Rate(5, 600, aligned=True),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Every number a simulated platform enforces. Bytes and seconds unless the name says otherwise."""

    name: str = "real"
    rates: Mapping[str, Rate] = field(default_factory=lambda: REAL_RATES)

    # Bluesky. The image limit is the one that every PDS accepts; those updated since April 2026 take 2,000,000.
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

    # Mastodon
    characters: int = 500
    characters_per_url: int = 23
    media_per_status: int = 4
    image_size: int = 16 * MEBIBYTE
    image_pixels: int = 33_177_600
    video_size: int = 99 * MEBIBYTE
    description_characters: int = 10_000
    key_seconds: float = 3_600
    key_wait_seconds: float = 10
    media_keep_seconds: float = DAY

    @classmethod
    def named(cls, name: str) -> Self:
        """`real`: as the platforms come. `none`: the same without any rate limit, for load. ValueError otherwise."""
        if name == "real":
            return cls()
        if name == "none":
            return cls(name="none", rates={})
        raise ValueError(f"there is no limits profile {name!r}; there are 'real' and 'none'")


@dataclass(frozen=True, slots=True)
class Reading:
    """Where one bucket stands after a call."""

    limit: int
    remaining: int
    reset_at: float
    window_seconds: int
    allowed: bool


class Meter:
    """Counts points per rate and key. A call that is refused costs nothing more."""

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._rates = rates
        self._used: dict[tuple[str, str], tuple[float, int]] = {}

    def take(self, name: str, key: str, now: float, points: int = 1) -> Reading | None:
        """Count `points`; None when this rate is off in this world."""
        rate = self._rates.get(name)
        if rate is None:
            return None
        ends_at, used = self._used.get((name, key), (0.0, 0))
        if now >= ends_at:
            window = rate.window_seconds
            ends_at, used = (now - now % window + window if rate.aligned else now + window), 0
        allowed = used + points <= rate.points
        used = used + points if allowed else used
        self._used[name, key] = (ends_at, used)
        if len(self._used) > 20_000:
            self._used = {held: window for held, window in self._used.items() if window[0] > now}
        remaining = rate.points - used if allowed else 0
        return Reading(rate.points, remaining, ends_at, rate.window_seconds, allowed)

    def forget(self) -> None:
        """Begin anew, all buckets full."""
        self._used.clear()


def tightest(readings: list[Reading]) -> Reading | None:
    """The reading a platform shows in its headers: the refused one, else the one with the least left."""
    return min(readings, key=lambda reading: (reading.allowed, reading.remaining), default=None)
