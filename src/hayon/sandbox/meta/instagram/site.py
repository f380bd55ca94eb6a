"""The simulated Instagram as the sandbox asks for it."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute, Route

from hayon.sandbox.cards import Card
from hayon.sandbox.faults import Mishaps
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Rate
from hayon.sandbox.meta.dialogs import Dialog
from hayon.sandbox.meta.instagram.cards import find_by_path, find_card
from hayon.sandbox.meta.instagram.limits import RATES
from hayon.sandbox.meta.instagram.routes import TABLE, routes
from hayon.sandbox.meta.instagram.wire import LOGIN, TOKEN_PREFIX, Instagram
from hayon.sandbox.meta.renewing import APP_SECRET, INSTAGRAM_APP_ID
from hayon.sandbox.meta.tokens import new_text
from hayon.sandbox.model import Account, LedgerEntry, Platform, Standing
from hayon.sandbox.pages import Pages
from hayon.sandbox.site import Credential

FIRST_ACCOUNT = 17_841_400_000_000_000
NO_KEY = "Instagram has no idempotency key"
MISHAPS = Mishaps(
    frozenset(endpoint.operation for _, _, endpoint in TABLE),
    where={
        "expire_token": (),
        "list_late": ("media_publish",),
        "status_late": ("media_publish",),
        "double_on_repeat": ("media_publish",),
        "slow_media": ("create_container",),
        "failed_media": ("create_container",),
    },
    why_not={
        "key_at_start": NO_KEY,
        "crash_on_repeat": NO_KEY,
        "silent_drop": "nothing of the kind was seen of Instagram",
    },
)


class InstagramSite:
    """Instagram under `/instagram/`, its posts under `/instagram/p/`, `/instagram/reel/` and `/instagram/stories/`."""

    platform = Platform.INSTAGRAM
    mishaps = MISHAPS
    rates: Mapping[str, Rate] = RATES
    standings = frozenset({Standing.ACTIVE, Standing.RESTRICTED, Standing.DISABLED})

    def remember(self, world: Ground) -> Instagram:
        """An empty Instagram."""
        return Instagram(world)

    def is_handle(self, text: str) -> bool:
        """A username: letters, digits, periods and underscores, at most 30."""
        return re.fullmatch(r"[A-Za-z0-9_.]{1,30}", text) is not None

    def new_account_id(self, handle: str, number: int) -> str:
        """The id of a professional account: a number over 2^53, as text."""
        return str(FIRST_ACCOUNT + number)

    def new_credential(self) -> Credential:
        """A long-lived access token."""
        return Credential(new_text(TOKEN_PREFIX))

    def connection(self, account: Account, origin: str) -> dict[str, Any]:
        """Where the API is, whose token, and what a short token is exchanged with."""
        return {
            "graphUrl": f"{origin}instagram",
            "userId": account.account_id,
            "accessToken": account.secret,
            "appId": INSTAGRAM_APP_ID,
            "appSecret": APP_SECRET,
        }

    def is_post(self, entry: LedgerEntry) -> bool:
        """A container that was published."""
        return entry.operation == "media_publish"

    def find_card(self, world: Ground, key: str) -> Card | None:
        """By the post's id."""
        return find_card(world, key)

    def routes(self, world: Ground) -> list[BaseRoute]:
        """The API."""
        return routes(world)

    def pages(self, world: Ground, pages: Pages) -> list[BaseRoute]:
        """A post's page, and the one that asks people whether an application may post for them."""
        dialog = Dialog(world, pages, LOGIN)
        return [
            Route("/instagram/oauth/authorize", dialog.ask, methods=["GET"]),
            Route("/instagram/oauth/authorize", dialog.allow, methods=["POST"]),
            pages.permalink("/instagram/p/{code}", lambda parts: find_by_path(world, f"/instagram/p/{parts['code']}")),
            pages.permalink(
                "/instagram/reel/{code}", lambda parts: find_by_path(world, f"/instagram/reel/{parts['code']}")
            ),
            pages.permalink(
                "/instagram/stories/{handle}/{id}",
                lambda parts: find_by_path(world, f"/instagram/stories/{parts['handle']}/{parts['id']}"),
            ),
        ]
