"""The simulated instance as the sandbox asks for it."""

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute

from hayon.sandbox.cards import Card
from hayon.sandbox.faults import Mishaps
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Rate
from hayon.sandbox.mastodon.cards import find_card
from hayon.sandbox.mastodon.instance import Instance, is_handle
from hayon.sandbox.mastodon.limits import RATES
from hayon.sandbox.mastodon.pages import InstancePages
from hayon.sandbox.mastodon.routes import routes
from hayon.sandbox.model import Account, LedgerEntry, Platform, Standing
from hayon.sandbox.pages import Pages
from hayon.sandbox.site import Credential

OPERATIONS = frozenset(
    [
        "getInstance",
        "verifyCredentials",
        "createApp",
        "token",
        "revoke",
        "uploadMedia",
        "getMedia",
        "updateMedia",
        "deleteMedia",
        "createStatus",
        "getStatus",
        "getSource",
        "deleteStatus",
        "listStatuses",
    ]
)
PUBLISHING = ("createStatus",)
UPLOADING = ("uploadMedia",)
MISHAPS = Mishaps(
    OPERATIONS,
    where={
        "list_late": PUBLISHING,
        "key_at_start": PUBLISHING,
        "crash_on_repeat": PUBLISHING,
        "silent_drop": PUBLISHING,
        "slow_media": UPLOADING,
        "failed_media": UPLOADING,
    },
    why_not={
        "expire_token": "Mastodon's access tokens never expire",
        "status_late": "Mastodon has no containers",
        "double_on_repeat": "a repeat has the Idempotency-Key; key_at_start plays how that fails",
    },
)


class MastodonSite:
    """An instance under `/mastodon/`, its statuses under `/mastodon/@`."""

    platform = Platform.MASTODON
    mishaps = MISHAPS
    rates: Mapping[str, Rate] = RATES
    standings = frozenset({Standing.ACTIVE, Standing.DISABLED})

    def remember(self, world: Ground) -> Instance:
        """An empty instance."""
        return Instance(world)

    def is_handle(self, text: str) -> bool:
        """mastodon: app/models/account.rb, a local name."""
        return is_handle(text)

    def new_account_id(self, handle: str, number: int) -> str:
        """A number as text."""
        return str(109_000_000_000_000_000 + number)

    def new_credential(self) -> Credential:
        """An access token."""
        return Credential(secrets.token_urlsafe(32))

    def connection(self, account: Account, origin: str) -> dict[str, Any]:
        """An access token, what it was issued to, and where it is good."""
        return {"instanceUrl": f"{origin}mastodon", "accessToken": account.secret, "appName": account.app_name}

    def is_post(self, entry: LedgerEntry) -> bool:
        """A status that was created."""
        return entry.operation == "createStatus"

    def find_card(self, world: Ground, key: str) -> Card | None:
        """By the status's id."""
        return find_card(world, key)

    def routes(self, world: Ground) -> list[BaseRoute]:
        """The REST API."""
        return routes(world)

    def pages(self, world: Ground, pages: Pages) -> list[BaseRoute]:
        """A status's page and the authorization page."""
        return InstancePages(world, pages).routes()
