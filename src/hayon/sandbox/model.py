"""The nouns of a world: accounts, what they uploaded, what they published. Values only; the rules stand elsewhere."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Platform(StrEnum):
    """The names of the platforms, in the order in which they are shown. Those that are simulated stand in `sites.py`."""

    BLUESKY = "bluesky"
    THREADS = "threads"
    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"
    MASTODON = "mastodon"
    TUMBLR = "tumblr"


class Standing(StrEnum):
    """What the platform thinks of an account."""

    ACTIVE = "active"
    RESTRICTED = "restricted"
    TAKENDOWN = "takendown"
    DEACTIVATED = "deactivated"
    DISABLED = "disabled"


@dataclass(slots=True)
class Account:
    """A profile on a platform. Times are unix seconds on the world's clock."""

    platform: Platform
    account_id: str
    """The DID on Bluesky, a number as text on most others."""
    handle: str
    display_name: str
    secret: str
    """The app password on Bluesky, an access token elsewhere; empty once revoked."""
    password: str
    """The account's own, where one may log in with it (Bluesky)."""
    created_at: float
    app_name: str = ""
    """The application that the access token was issued to."""
    standing: Standing = Standing.ACTIVE
    access_generation: int = 0
    """Access tokens of an earlier generation count as expired, where they expire."""
    more: dict[str, str] = field(default_factory=dict)
    """What else belongs to the credential, by names that the platform gives (a token's secret, say)."""


@dataclass(slots=True)
class RefreshToken:
    """One row of a PDS's refresh tokens. `successor` is set by the first rotation and never changes again."""

    jti: str
    did: str
    expires_at: float
    by_app_password: bool
    successor: str | None = None


@dataclass(slots=True)
class Blob:
    """An uploaded blob of one repository; `refs` are the URIs of the records that hold it."""

    did: str
    cid: str
    mime_type: str
    size: int
    digest: str
    uploaded_at: float
    refs: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Record:
    """A record of a Bluesky repository as it stands now."""

    did: str
    collection: str
    rkey: str
    cid: str
    value: dict[str, Any]
    written_at: float

    @property
    def uri(self) -> str:
        """The at:// address."""
        return f"at://{self.did}/{self.collection}/{self.rkey}"


@dataclass(slots=True)
class App:
    """A registered OAuth application of the Mastodon instance."""

    client_id: str
    client_secret: str
    name: str
    website: str | None
    redirect_uris: list[str]
    scopes: str
    created_at: float


@dataclass(slots=True)
class AccessToken:
    """A Mastodon access token. An `account_id` of None is an application's own token."""

    token: str
    account_id: str | None
    client_id: str
    app_name: str
    scopes: str
    created_at: float
    revoked: bool = False


@dataclass(slots=True)
class Media:
    """A media attachment of the Mastodon instance, attached to at most one status."""

    media_id: str
    account_id: str
    mime_type: str
    size: int
    digest: str
    width: int | None
    height: int | None
    description: str | None
    focus: tuple[float, float] | None
    uploaded_at: float
    ready_at: float
    failed: bool = False
    status_id: str | None = None


@dataclass(slots=True)
class Status:
    """A published status. Listings show it from `listed_at` on."""

    status_id: str
    account_id: str
    text: str
    spoiler_text: str
    sensitive: bool
    visibility: str
    language: str | None
    in_reply_to_id: str | None
    media_ids: list[str]
    app_name: str
    app_website: str | None
    created_at: float
    listed_at: float


@dataclass(slots=True)
class LedgerEntry:
    """Something irreversible that took effect, or (`repeat`) that the platform recognised as done before."""

    n: int
    at: str
    platform: Platform
    account: str
    handle: str
    operation: str
    remote_id: str
    key: str | None
    text: str
    repeat: bool
    request_id: int
    media_ids: list[str] = field(default_factory=list)
    link: str | None = None
    """What it links to beside its text."""
    collection: str | None = None
    overwrote: bool = False
    """A putRecord without swapRecord replaced another record."""
    warnings: list[str] = field(default_factory=list)
    """What the platform took and every client will show wrongly (facets off their characters, overlaps)."""
