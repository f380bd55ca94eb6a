"""Who may do what on which Page of the simulated Facebook. Every Page has a person of its own; others may be given roles.

Source: Meta's pages "User Accounts" (tasks), "Business Owned Pages", "Business Client Pages".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hayon.sandbox.ground import Ground
from hayon.sandbox.model import Account, Platform

ALL_TASKS = ("ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE")
FIRST_BUSINESS = 900_000_000_000_000


@dataclass(slots=True)
class Role:
    """What a person may do on a Page. A person is known by the Page they are the owner of."""

    person: str
    page: str
    tasks: list[str]
    business: str = ""
    """The business through which they may; such a Page does not stand among their own."""
    owned: bool = True
    """The business owns the Page, else it works for it."""


class Roles:
    """All roles in one world."""

    def __init__(self, world: Ground) -> None:
        self._world = world
        self._given: dict[tuple[str, str], Role] = {}
        self._businesses: list[str] = []
        self.effects: Mapping[str, Callable[[dict[str, Any]], None]] = {"facebook.role": self._on_role}

    def of(self, account: Account) -> list[Role]:
        """Those of the owner of this Page: on it first, all tasks unless something else was said."""
        own = (account.account_id, account.account_id)
        held = {own: Role(*own, list(ALL_TASKS)), **self._given}
        return [one for (person, _), one in held.items() if person == account.account_id and one.tasks]

    def pages_of(self, account: Account) -> list[Account]:
        """The Pages that this person may tick."""
        return [self._world.get_account(Platform.FACEBOOK, one.page) for one in self.of(account)]

    def business_id(self, name: str) -> str:
        """A number as text."""
        return str(FIRST_BUSINESS + self._businesses.index(name))

    def business_named(self, node: str) -> str | None:
        """The business with this id."""
        return next((name for name in self._businesses if self.business_id(name) == node), None)

    def _on_role(self, facts: dict[str, Any]) -> None:
        role = Role(**facts)
        self._given[role.person, role.page] = role
        if role.business and role.business not in self._businesses:
            self._businesses.append(role.business)
