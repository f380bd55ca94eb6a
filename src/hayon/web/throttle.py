"""How often a client address may try something, counted in this process: a bucket of tries, filled again over time.

Tries at one account are counted in the database, for all processes together (`store/tries.py`).
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from hayon.errors import TooMany
from hayon.store.tries import in_words

NAMES_LIMIT = 10_000


class Throttle:
    """`tries` at once for each name, then one more every `refill_seconds`. Names not seen for long are forgotten first."""

    def __init__(self, tries: int, refill_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._refill_seconds = refill_seconds
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> None:
        """One try. Raises TooMany, saying when to come back."""
        now = self._clock()
        left, since = self._buckets.get(name, (float(self._tries), now))
        left = min(float(self._tries), left + (now - since) / self._refill_seconds)
        if left < 1:
            wait = (1 - left) * self._refill_seconds
            raise TooMany(f"Too many tries. Come back in {in_words(wait)}.", wait)
        self._keep(name, left - 1, now)

    def give_back(self, name: str) -> None:
        """That try was a good one; it does not count."""
        if name in self._buckets:
            left, since = self._buckets[name]
            self._keep(name, left + 1, since)

    def forget(self, name: str) -> None:
        """Every try so far is forgiven."""
        self._buckets.pop(name, None)

    def _keep(self, name: str, left: float, since: float) -> None:
        self._buckets[name] = (left, since)
        self._buckets.move_to_end(name)
        if len(self._buckets) > NAMES_LIMIT:
            self._buckets.popitem(last=False)
