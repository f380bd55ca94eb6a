"""The simulated Tumblr as the sandbox asks for it."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute

from hayon.sandbox.cards import Card
from hayon.sandbox.faults import Mishaps
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Rate
from hayon.sandbox.model import Account, LedgerEntry, Platform, Standing
from hayon.sandbox.pages import Pages
from hayon.sandbox.site import Credential
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.sandbox.tumblr.blog import Tumblr
from hayon.sandbox.tumblr.cards import find_card
from hayon.sandbox.tumblr.keys import new_text
from hayon.sandbox.tumblr.limits import RATES
from hayon.sandbox.tumblr.pages import TumblrPages
from hayon.sandbox.tumblr.routes import routes

OPERATIONS = frozenset(
    [
        "token",
        "exchange",
        "requestToken",
        "accessToken",
        "userInfo",
        "userLimits",
        "blogInfo",
        "createPost",
        "listPosts",
        "listDrafts",
        "listQueue",
        "getPost",
        "editPost",
        "deletePost",
    ]
)
WRITING = ("createPost", "editPost")
NO_KEY = "Tumblr has no idempotency key"
MISHAPS = Mishaps(
    OPERATIONS,
    where={
        "expire_token": (),
        "list_late": WRITING,
        "double_on_repeat": ("editPost",),
        "slow_media": WRITING,
        "failed_media": WRITING,
    },
    why_not={
        "status_late": "Tumblr has no containers",
        "key_at_start": NO_KEY,
        "crash_on_repeat": NO_KEY,
        "silent_drop": "nothing of the kind was seen of Tumblr",
    },
)


class TumblrSite:
    """Tumblr under `/tumblr/v2/`, its posts under `/tumblr/{blog}/`."""

    platform = Platform.TUMBLR
    mishaps = MISHAPS
    rates: Mapping[str, Rate] = RATES
    standings = frozenset({Standing.ACTIVE, Standing.RESTRICTED, Standing.TAKENDOWN})

    def remember(self, world: Ground) -> Tumblr:
        """An empty Tumblr."""
        return Tumblr(world)

    def is_handle(self, text: str) -> bool:
        """The name of a blog: letters, digits and hyphens within; `v2` is where the API is, `oauth` where people let it in."""
        known = re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,32}(?<!-)", text) is not None
        return known and text.lower() not in ("v2", "oauth", "oauth2")

    def new_account_id(self, handle: str, number: int) -> str:
        """The blog's uuid, which is the same for the same name."""
        digest = hashlib.sha256(f"sandbox:{handle.lower()}".encode()).digest()
        return "t:" + base64.urlsafe_b64encode(digest).decode()[:22]

    def new_credential(self) -> Credential:
        """A token of OAuth 1.0a and its secret."""
        return Credential(new_text(50), {"tokenSecret": new_text(50)})

    def connection(self, account: Account, origin: str) -> dict[str, Any]:
        """The blog, its token, the application it was issued to, and where the API is."""
        return {
            "blog": account.handle,
            "token": account.secret,
            "tokenSecret": account.more["tokenSecret"],
            "consumerKey": CONSUMER_KEY,
            "consumerSecret": CONSUMER_SECRET,
            "apiUrl": f"{origin}tumblr",
        }

    def is_post(self, entry: LedgerEntry) -> bool:
        """A post that became visible: at once, or as an edited draft."""
        return entry.operation in WRITING and not entry.overwrote

    def find_card(self, world: Ground, key: str) -> Card | None:
        """By the post's id."""
        return find_card(world, key)

    def routes(self, world: Ground) -> list[BaseRoute]:
        """The API."""
        return routes(world)

    def pages(self, world: Ground, pages: Pages) -> list[BaseRoute]:
        """A post's page, with or without its slug, and the authorization pages."""
        return TumblrPages(world, pages).routes()
