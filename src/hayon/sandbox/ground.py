"""What a simulated platform sees of the world it stands in, and what it keeps there. The world itself is elsewhere."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from hayon.sandbox.faults import FaultPlan
from hayon.sandbox.journal import Event, Files
from hayon.sandbox.limits import Limits, Meter
from hayon.sandbox.model import Account, LedgerEntry, Platform


class WorldError(ValueError):
    """The world cannot do this; the message says why."""


class Memory(Protocol):
    """What one platform remembers in one world. A reset makes a new one; the journal's events fill it again."""

    @property
    def effects(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """What each kind of its events does to it. No two platforms have a kind of the same name."""
        ...

    def issue(self, account: Account) -> None:
        """The account is new, or has a new credential: `account.secret`."""
        ...

    def withdraw(self, account: Account) -> None:
        """The account's credential has been revoked, with what was derived from it."""
        ...


OneMemory = TypeVar("OneMemory")


class Ground(Protocol):
    """Clock, accounts, ledger, files, faults, limits: what every platform stands on."""

    limits: Limits
    meter: Meter
    faults: FaultPlan
    files: Files
    latency: dict[Platform, float]
    requests: deque[dict[str, Any]]
    accounts: dict[tuple[Platform, str], Account]
    feed: list[tuple[Platform, str]]
    """What has landed and still stands, oldest first: a key that its platform's `find_card` knows."""
    signing_key: bytes
    generation: int
    """Goes up with every reset: what waited for an earlier one is void."""

    def memory(self, platform: Platform, kind: type[OneMemory]) -> OneMemory:
        """What this platform remembers, which is of this kind."""
        ...

    def now(self) -> float:
        """The world's time in unix seconds."""
        ...

    async def reach(self, at: float) -> None:
        """Return when the world's clock shows `at`."""
        ...

    def add_account(self, platform: str, handle: str, display_name: str = "", *, app_name: str = "Hayon") -> Account:
        """Make an account; WorldError where that cannot be."""
        ...

    def find_account(self, platform: str, name: str) -> Account | None:
        """By id or handle."""
        ...

    def get_account(self, platform: str, name: str) -> Account:
        """By id or handle; WorldError where there is none."""
        ...

    def revoke(self, account: Account) -> None:
        """Revoke the account's credential."""
        ...

    def expire_access(self, account: Account) -> None:
        """Let every access token issued so far be expired."""
        ...

    def entry(self, account: Account, operation: str, remote_id: str, request_id: int, **facts: Any) -> Event:
        """The event that writes one line into the ledger; it belongs into the batch of its effect."""
        ...

    def happen(self, *events: Event) -> None:
        """Let a batch of events take effect at once."""
        ...

    def landings(self, platform: Platform, remote_id: str) -> list[LedgerEntry]:
        """The ledger's lines about one post: how it landed, and the repeats that were recognised."""
        ...

    def next_request_id(self) -> int:
        """A number for the next request."""
        ...
