"""The simulated PDS as the sandbox asks for it."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute

from hayon.sandbox.bluesky.cards import find_card
from hayon.sandbox.bluesky.limits import RATES
from hayon.sandbox.bluesky.pds import POST, Pds, is_handle
from hayon.sandbox.bluesky.routes import routes
from hayon.sandbox.cards import Card
from hayon.sandbox.faults import Mishaps
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Rate
from hayon.sandbox.model import Account, LedgerEntry, Platform, Standing
from hayon.sandbox.pages import Pages
from hayon.sandbox.site import Credential

OPERATIONS = frozenset(
    [
        "createSession",
        "refreshSession",
        "getSession",
        "deleteSession",
        "describeServer",
        "resolveHandle",
        "getProfile",
        "uploadBlob",
        "putRecord",
        "createRecord",
        "getRecord",
        "listRecords",
        "deleteRecord",
    ]
)
NO_KEY = "Bluesky has no idempotency key"
AT_ONCE = "a PDS takes blobs at once"
MISHAPS = Mishaps(
    OPERATIONS,
    where={"expire_token": ()},
    why_not={
        "list_late": "getRecord on a PDS is strongly consistent",
        "status_late": "a PDS has no containers",
        "double_on_repeat": "a record's key names it: a repeat is the same record",
        "key_at_start": NO_KEY,
        "crash_on_repeat": NO_KEY,
        "silent_drop": "a PDS has no such habit",
        "slow_media": AT_ONCE,
        "failed_media": AT_ONCE,
    },
)
PASSWORD_LETTERS = "abcdefghijkmnpqrstuvwxyz234567"  # noqa: S105 - what an app password is made of


class BlueskySite:
    """A PDS under `/bluesky/xrpc/`, its posts under `/bluesky/profile/`."""

    platform = Platform.BLUESKY
    mishaps = MISHAPS
    rates: Mapping[str, Rate] = RATES
    standings = frozenset({Standing.ACTIVE, Standing.TAKENDOWN, Standing.DEACTIVATED})

    def remember(self, world: Ground) -> Pds:
        """An empty PDS."""
        return Pds(world)

    def is_handle(self, text: str) -> bool:
        """atproto: specs/handle."""
        return is_handle(text)

    def new_account_id(self, handle: str, number: int) -> str:
        """A did:plc that is the same for the same handle."""
        digest = hashlib.sha256(f"sandbox:{handle.lower()}".encode()).digest()
        return "did:plc:" + base64.b32encode(digest).decode().lower()[:24]

    def new_credential(self) -> Credential:
        """An app password, in groups of four as Bluesky shows them."""
        return Credential("-".join("".join(secrets.choice(PASSWORD_LETTERS) for _ in range(4)) for _ in range(4)))

    def connection(self, account: Account, origin: str) -> dict[str, Any]:
        """What createSession wants, and where."""
        return {
            "service": f"{origin}bluesky",
            "identifier": account.handle,
            "appPassword": account.secret,
            "password": account.password,
        }

    def is_post(self, entry: LedgerEntry) -> bool:
        """A record of the collection of posts that was written."""
        return entry.operation in ("putRecord", "createRecord") and entry.collection == POST

    def find_card(self, world: Ground, key: str) -> Card | None:
        """By DID and record key."""
        did, _, rkey = key.partition("/")
        return find_card(world, did, rkey)

    def routes(self, world: Ground) -> list[BaseRoute]:
        """XRPC."""
        return routes(world)

    def pages(self, world: Ground, pages: Pages) -> list[BaseRoute]:
        """A post's page, by DID or handle."""
        path = "/bluesky/profile/{name}/post/{rkey}"
        return [pages.permalink(path, lambda part: find_card(world, part["name"], part["rkey"]))]
