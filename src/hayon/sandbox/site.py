"""What the sandbox asks of a simulated platform, and nothing of any one: the world, the faults and the pages know only this.

How a platform is added: a folder of its own with

- a memory (`ground.py:Memory`): what the platform remembers in a world, changed by events only;
- its sizes, a frozen dataclass of its own with the real numbers as defaults, read with `world.limits.of(...)`, and its
  table of `Rate`, whose names begin with the platform's;
- its wire: a `gate.py:Manners`, and endpoints that the platform's `Gate` lets requests through to. An application that
  chooses among several doors itself (by the kind of an object, say) lists them under `doors`;
- its cards (`cards.py`) and the pages where a browser finds them;
- a class in the manner of `Site` that names all this.

The class is then written into the tuple of `sites.py`, and the platform's rows into the tables of `docs/using.md`.
A site itself remembers nothing: one object serves every world.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.routing import BaseRoute

from hayon.sandbox.cards import Card
from hayon.sandbox.faults import Mishaps
from hayon.sandbox.ground import Ground, Memory
from hayon.sandbox.limits import Rate
from hayon.sandbox.model import Account, LedgerEntry, Platform, Standing
from hayon.sandbox.pages import Pages


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves that one is the account: the part that is revoked, and whatever else the platform gives with it."""

    secret: str
    more: Mapping[str, str] = field(default_factory=dict)
    """Kept in `Account.more`; what a renewal does not name there stays as it was."""


class Site(Protocol):
    """One simulated platform."""

    @property
    def platform(self) -> Platform:
        """Whose it is; its calls and pages stand under `/{platform}/`."""
        ...

    @property
    def mishaps(self) -> Mishaps:
        """The names of its operations, and which particular faults each of them can meet, or why none can."""
        ...

    @property
    def rates(self) -> Mapping[str, Rate]:
        """How often the real one lets itself be called; names begin with the platform's and a dot."""
        ...

    @property
    def standings(self) -> frozenset[Standing]:
        """What may become of an account here."""
        ...

    def remember(self, world: Ground) -> Memory:
        """An empty memory for this world."""
        ...

    def is_handle(self, text: str) -> bool:
        """Whether an account here could have this handle."""
        ...

    def new_account_id(self, handle: str, number: int) -> str:
        """The id of the platform's account with this handle, its `number`th, so that a reset world feels familiar."""
        ...

    def new_credential(self) -> Credential:
        """A fresh one, for a new account or after a revocation."""
        ...

    def connection(self, account: Account, origin: str) -> dict[str, Any]:
        """What one needs to connect the account, as the control API shows it; `origin` ends with a slash."""
        ...

    def is_post(self, entry: LedgerEntry) -> bool:
        """Whether this line of the ledger is about a post that landed (or was recognised), not a deletion or the like."""
        ...

    def find_card(self, world: Ground, key: str) -> Card | None:
        """The post that stands in the feed under this key, unless it is gone."""
        ...

    def routes(self, world: Ground) -> list[BaseRoute]:
        """The platform's API, all of it through a gate."""
        ...

    def pages(self, world: Ground, pages: Pages) -> list[BaseRoute]:
        """Its posts' own addresses as its answers name them, and where it asks people, for an authorization say."""
        ...
