"""How a world's platforms are limited: their sizes and rates, as one value; and the meter that counts the rates.

The numbers themselves stand with each platform.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

MEBIBYTE = 2**20
HOUR = 3600
DAY = 24 * HOUR

Sizes = TypeVar("Sizes")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many points in so many seconds. `aligned` windows begin at multiples of their length, others at first use."""

    points: int
    window_seconds: int
    aligned: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What differs from the platforms' own numbers in a world: nothing, unless it is said."""

    name: str = "real"
    rated: bool = True
    """Whether the platforms' own rates hold."""
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """Rates that hold in place of the platforms' own of the same name."""
    sizes: Mapping[type[Any], Any] = field(default_factory=dict)
    """Sizes that hold in place of the platforms' own, each under its class."""

    @classmethod
    def named(cls, name: str) -> Self:
        """`real`: as the platforms come. `none`: the same without any rate limit, for load. ValueError otherwise."""
        if name == "real":
            return cls()
        if name == "none":
            return cls(name="none", rated=False)
        raise ValueError(f"there is no limits profile {name!r}; there are 'real' and 'none'")

    def of(self, kind: type[Sizes]) -> Sizes:
        """A platform's sizes; `kind` is their class, whose defaults are the platform's own numbers."""
        held: Sizes | None = self.sizes.get(kind)
        return kind() if held is None else held

    def having(self, *sizes: object) -> Self:
        """The same with these sizes in place of what held before."""
        return replace(self, sizes={**self.sizes, **{type(one): one for one in sizes}})


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
