"""Time that runs faster: for the database's clock and the platforms' alike, so that what takes them minutes takes seconds here.

Deadlines of calls are on the machine's own clock and stay as they are.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from hayon.delivery import relay
from hayon.delivery.relay import Relay
from hayon.outgoing import boot_seconds
from hayon.store.database import Clock, Tx, database_clock

PACE = 10
"""How many seconds pass there while one passes here."""


def database_time(began: float) -> Clock:
    """The database's clock since `began` (unix seconds, when both were alike)."""
    start = datetime.fromtimestamp(began, UTC)

    def clock(tx: Tx) -> datetime:
        return start + (database_clock(tx) - start) * PACE

    return clock


def world_time(began: float) -> Callable[[], float]:
    """The platforms' clock."""
    return lambda: began + (time.time() - began) * PACE


def hurry() -> None:
    """Lets the relay of this process know: what it compares with those clocks, and for how long it waits."""
    relay.boot_seconds = lambda: boot_seconds() * PACE
    set_timer = Relay._set_timer

    def set_sooner(self: Relay, due_at: datetime, seconds: float) -> None:
        set_timer(self, due_at, seconds / PACE)

    Relay._set_timer = set_sooner
