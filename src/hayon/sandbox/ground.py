"""What a simulated platform sees of the world it stands in. The world itself is elsewhere."""

from typing import Protocol

from hayon.sandbox.limits import Limits
from hayon.sandbox.model import Account, Platform


class Ground(Protocol):
    """Clock, accounts and limits: what both platforms stand on."""

    limits: Limits
    feed: list[tuple[Platform, str]]

    def now(self) -> float:
        """The world's time in unix seconds."""
        ...

    def find_account(self, platform: str, name: str) -> Account | None:
        """By id or handle."""
        ...

    def get_account(self, platform: str, name: str) -> Account:
        """By id or handle; an error where there is none."""
        ...
