"""What a platform on the Graph remembers of logins: where its application is at home, and the codes not used yet. No HTTP."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hayon.sandbox.limits import HOUR
from hayon.sandbox.model import Platform
from hayon.sandbox.redirecting import leads_home

CODE_SECONDS = HOUR


@dataclass(slots=True)
class Code:
    """What one person allowed. `pages` are the Pages they ticked, where there are such things."""

    account_id: str
    redirect_uri: str
    scopes: list[str]
    issued_at: float
    pages: list[str] | None = None


@dataclass(slots=True)
class Logins:
    """The logins of one platform in one world. Codes live an hour and in memory alone."""

    platform: Platform
    redirect_uris: list[str] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)

    @property
    def effects(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """A redirect address was registered."""
        return {f"{self.platform}.redirect": self._on_redirect}

    def leads_home(self, uri: str) -> bool:
        """Whether people may be sent back there: Facebook lets an application in development use any address on its own machine."""
        return leads_home(uri, self.redirect_uris)

    def new_code(self, code: Code) -> str:
        """Its text."""
        text = f"AQ{secrets.token_urlsafe(90)}"
        self.codes[text] = code
        return text

    def _on_redirect(self, facts: dict[str, Any]) -> None:
        if facts["uri"] not in self.redirect_uris:
            self.redirect_uris.append(facts["uri"])
