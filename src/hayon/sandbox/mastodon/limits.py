"""What the simulated instance allows: sizes, lifetimes and rates. Numbers only."""

from collections.abc import Mapping
from dataclasses import dataclass

from hayon.sandbox.limits import DAY, HOUR, MEBIBYTE, Rate

# mastodon: config/initializers/rack_attack.rb, app/lib/rate_limiter.rb
RATES: Mapping[str, Rate] = {
    "mastodon.token": Rate(300, 300, aligned=True),
    "mastodon.account": Rate(1_500, 300, aligned=True),
    "mastodon.address": Rate(300, 300, aligned=True),
    "mastodon.media": Rate(30, 1_800, aligned=True),
    "mastodon.delete": Rate(30, 1_800, aligned=True),
    "mastodon.statuses": Rate(300, 3 * HOUR, aligned=True),
    "mastodon.apps": Rate(5, 600, aligned=True),
}


@dataclass(frozen=True, slots=True)
class InstanceLimits:
    """Bytes and seconds unless the name says otherwise."""

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
