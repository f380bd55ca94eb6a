"""What one user may do in a calendar day, and how much of it is left. Source: tumblr/docs api.md, Rate Limits, /user/limits."""

import math
from dataclasses import dataclass
from typing import Any

from hayon.sandbox.gate import Call
from hayon.sandbox.limits import DAY
from hayon.sandbox.model import Account
from hayon.sandbox.tumblr.limits import RATES
from hayon.sandbox.tumblr.wire import error

TOLD = {
    "posts": "the number of posts you can publish per day",
    "images": "the number of photos you can upload per day",
    "videos": "the number of videos you can upload per day",
    "video_seconds": "the seconds of video you can upload per day",
}
REFUSALS = {
    "posts": (8023, "You have reached your daily post limit"),
    "images": (8004, "You cannot upload more media today"),
    "videos": (8011, "You cannot upload more videos today"),
    "video_seconds": (8011, "You cannot upload more videos today"),
}


@dataclass(frozen=True, slots=True)
class Costs:
    """What a request would use up."""

    posts: int = 0
    images: int = 0
    videos: int = 0
    video_seconds: float = 0.0

    def items(self) -> list[tuple[str, int]]:
        """By their names, whole."""
        return [
            ("posts", self.posts),
            ("images", self.images),
            ("videos", self.videos),
            ("video_seconds", math.ceil(self.video_seconds)),
        ]


def pay(call: Call, account: Account, costs: Costs) -> None:
    """Count all of it, or nothing and the refusal for the first that is used up."""
    for name, points in costs.items():
        reading = _reading(call, account, name)
        if points and reading is not None and reading.remaining < points:
            code, words = REFUSALS[name]
            raise error(403, words, code)
    for name, points in costs.items():
        call.world.meter.take(f"tumblr.user.{name}", account.account_id, call.now, points)


def limits_json(call: Call, account: Account) -> dict[str, Any]:
    """What /user/limits tells; where a world has no such limit, the real one's, never used."""
    told = {}
    for name, description in TOLD.items():
        reading, most = _reading(call, account, name), RATES[f"tumblr.user.{name}"].points
        told[name] = {
            "description": description,
            "limit": reading.limit if reading else most,
            "remaining": reading.remaining if reading else most,
            "reset_at": int(reading.reset_at if reading else call.now - call.now % DAY + DAY),
        }
    return told


def _reading(call: Call, account: Account, name: str) -> Any:
    return call.world.meter.take(f"tumblr.user.{name}", account.account_id, call.now, 0)
