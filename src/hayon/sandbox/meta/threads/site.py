"""The simulated Threads as the sandbox asks for it."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute, Route

from hayon.sandbox.cards import Card
from hayon.sandbox.faults import Mishaps
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Rate
from hayon.sandbox.meta.containers import ContainerMemory
from hayon.sandbox.meta.dialogs import Dialog
from hayon.sandbox.meta.renewing import APP_SECRET, THREADS_APP_ID
from hayon.sandbox.meta.threads.cards import find_by_code, find_card
from hayon.sandbox.meta.threads.limits import RATES
from hayon.sandbox.meta.threads.routes import TABLE, routes
from hayon.sandbox.meta.threads.wire import LOGIN, SCOPES
from hayon.sandbox.meta.tokens import Tokens, new_text
from hayon.sandbox.model import Account, LedgerEntry, Platform, Standing
from hayon.sandbox.pages import Pages
from hayon.sandbox.site import Credential

PREFIX = "THAA"
FIRST_ACCOUNT = 24_500_000_000_000_000
NO_KEY = "Threads has no idempotency key"
MISHAPS = Mishaps(
    frozenset(endpoint.operation for _, _, endpoint in TABLE),
    where={
        "expire_token": (),
        "list_late": ("threads_publish",),
        "status_late": ("threads_publish",),
        "double_on_repeat": ("threads_publish",),
        "slow_media": ("create_container",),
        "failed_media": ("create_container",),
    },
    why_not={
        "key_at_start": NO_KEY,
        "crash_on_repeat": NO_KEY,
        "silent_drop": "nothing of the kind was seen of Threads",
    },
)


class ThreadsSite:
    """Threads under `/threads/`, its posts under `/threads/@`."""

    platform = Platform.THREADS
    mishaps = MISHAPS
    rates: Mapping[str, Rate] = RATES
    standings = frozenset({Standing.ACTIVE, Standing.RESTRICTED, Standing.DISABLED})

    def remember(self, world: Ground) -> ContainerMemory:
        """An empty Threads."""
        return ContainerMemory(world, Platform.THREADS, Tokens(world, Platform.THREADS, PREFIX, SCOPES))

    def is_handle(self, text: str) -> bool:
        """An Instagram username, which it is too."""
        return re.fullmatch(r"[A-Za-z0-9_.]{1,30}", text) is not None

    def new_account_id(self, handle: str, number: int) -> str:
        """A number over 2^53, as text."""
        return str(FIRST_ACCOUNT + number)

    def new_credential(self) -> Credential:
        """A long-lived access token."""
        return Credential(new_text(PREFIX))

    def connection(self, account: Account, origin: str) -> dict[str, Any]:
        """Where the API is, whose token, and what a short token is exchanged with."""
        return {
            "graphUrl": f"{origin}threads",
            "userId": account.account_id,
            "accessToken": account.secret,
            "appId": THREADS_APP_ID,
            "appSecret": APP_SECRET,
        }

    def is_post(self, entry: LedgerEntry) -> bool:
        """A container that was published."""
        return entry.operation == "threads_publish"

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
            Route("/threads/oauth/authorize", dialog.ask, methods=["GET"]),
            Route("/threads/oauth/authorize", dialog.allow, methods=["POST"]),
            pages.permalink(
                "/threads/@{handle}/post/{code}", lambda parts: find_by_code(world, parts["handle"], parts["code"])
            ),
        ]
