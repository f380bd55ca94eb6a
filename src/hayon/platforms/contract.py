"""What every platform adapter is: two faces, publishing and connecting, and the values they speak in.

Adapters raise the platform errors of `hayon.errors`, never retry, never sleep, and keep no state of their own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from hayon.domain.model import Account, Content, Fitting, Media, Receipt
from hayon.domain.rules import Rules
from hayon.errors import Unavailable
from hayon.outgoing import Answer, Outgoing, Request

Credential = Mapping[str, Any]
"""The opened secret of an account: what the adapter itself put together when it connected or refreshed."""


class ParcelMedia(Protocol):
    """One file of a parcel, wherever the media store keeps it now."""

    @property
    def media(self) -> Media:
        """What it was measured to be."""
        ...

    @property
    def alt_text(self) -> str:
        """The author's words for those who cannot see it."""
        ...

    async def read(self) -> bytes:
        """All of it. For pictures: a video may be larger than memory."""
        ...

    def stream(self) -> AsyncIterator[bytes]:
        """All of it in pieces. Taking them counts as progress of the delivery: the lease is renewed on the way."""
        ...

    async def fit(self, fitting: Fitting) -> "ParcelMedia":
        """This picture as a platform wants it: itself where it fits already, else a version that is made once and kept.

        Raises Rejected where it cannot be made to fit.
        """
        ...

    async def address(self) -> str:
        """Where a platform can fetch it for some hours. The address was fetched by us first: raises Unavailable, with
        what the operator has to do, where it does not answer with this very file.
        """
        ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """All that an adapter may see of a target.

    `idempotency_key` is chosen when the post is submitted and never changes. `checkpoint` is what this adapter saved for
    this version of the content, empty at first. `now` is the database's time when the parcel was gathered, `first_sent_at`
    that of the first intent of this target (None before there is one). `doubted`: an earlier call of this target may have
    landed, so that no refusal of a later one proves anything. `allow_link_card` is False where the operator
    switched fetching of linked pages off.
    """

    account: Account
    credential: Credential
    content: Content
    media: tuple[ParcelMedia, ...]
    idempotency_key: str
    checkpoint: Mapping[str, Any]
    now: datetime
    first_sent_at: datetime | None = None
    doubted: bool = False
    correlation_id: str = ""
    allow_link_card: bool = True


class SaveCheckpoint(Protocol):
    """Stores where the next try goes on. Raises LeaseLost if another worker owns the target by now."""

    async def __call__(self, checkpoint: Mapping[str, Any]) -> None: ...


Send = Callable[[Request], Awaitable[Answer]]
"""The one way out that publish() gets: it takes exactly one request, and a second one is a programming error."""


class Look(Protocol):
    """What reconcile found: one of Found, Absent, Unclear."""


@dataclass(frozen=True, slots=True)
class Found(Look):
    """It is live; this is its receipt. `exact`: matched by a handle that no other target can share, not by likeness."""

    receipt: Receipt
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Absent(Look):
    """Nothing with these handles is live now. Whether that counts already is not for the adapter to say."""

    message: str = "The platform shows no such post."


@dataclass(frozen=True, slots=True)
class Unclear(Look):
    """The platform's answer allows no conclusion."""

    message: str


def unproven(look: Look) -> Look:
    """What was found, or not, by handles that may not be those that were used: not being found proves nothing."""
    if isinstance(look, Absent):
        return Unclear(
            f"{look.message} Whether it went out after the backup that Hayon was restored from does not follow."
        )
    return look


LONGEST_ID, LONGEST_NAME, LONGEST_ADDRESS = 500, 300, 2_000
"""In characters: more than any platform gives, and less than a database indexes."""


@dataclass(frozen=True, slots=True)
class Connected:
    """What connecting yields: who it is on the platform, the credential to seal, and the limits it told us."""

    remote_id: str
    handle: str
    host: str
    credential: Credential
    display_name: str = ""
    avatar_url: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Anybody may run a server: what it says of a profile is bounded here, once for all platforms. Raises Unavailable."""
        if len(self.remote_id) > LONGEST_ID or len(self.host) > LONGEST_ADDRESS:
            raise Unavailable("The server names a profile by more than anybody could keep. Check its address.")
        object.__setattr__(self, "handle", self.handle[:LONGEST_NAME])
        object.__setattr__(self, "display_name", self.display_name[:LONGEST_NAME])
        avatar = self.avatar_url or ""
        if len(avatar) > LONGEST_ADDRESS or not avatar.startswith(("https://", "http://")):
            object.__setattr__(self, "avatar_url", None)


@dataclass(frozen=True, slots=True)
class Authorization:
    """Where a person is sent to let us in, and what has to be kept (sealed) until they come back: a PKCE verifier, the secret
    of a request token. `registered` is the app we made at that host on the way, to be kept for all who connect there."""

    url: str
    kept: Mapping[str, Any] = field(default_factory=dict)
    registered: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of something an account, or the app of all accounts of a platform, may still do, as the platform told it.

    `name` says of what: "posts" is counted at the commit call, anything else is for people to see. `left` of `limit`; `seconds`
    the length of the window it is counted in, which slides where `resets_at` is None and else begins anew at that time.
    """

    name: str
    left: int
    limit: int | None = None
    seconds: int | None = None
    resets_at: datetime | None = None
    of_app: bool = False


class Publishing(Protocol):
    """The face that delivery sees. Every method may raise a PlatformError."""

    platform: str
    """The word for it in addresses, database and code, for example "bluesky"."""
    settles_within: timedelta | None
    """How long after our deadline a request may still take effect, plus how long a listing may lag. None: never settles,
    an absence proves nothing."""
    fetches_media: bool
    """Whether the platform fetches pictures and videos from an address of ours: then that address must be public."""
    has_quota: bool
    """Whether `allowances` has an endpoint to ask; only then it is asked before a call, and the dry run counts days."""

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        """The limits that hold for an account with these facts; the platform's defaults for no facts."""
        ...

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        """What the headers of an answer tell about how much is left; nothing where they do not. Never raises."""
        ...

    def remote_id_in(self, url: str, account: Account) -> str | None:
        """The platform's id of the post at this address, which a person named; None if it is no post of that account."""
        ...

    async def prepare(self, parcel: Parcel, save: SaveCheckpoint, outgoing: Outgoing) -> Mapping[str, Any]:
        """Everything repeatable: uploads, look-ups, keys. Returns the handles: all that publish uses and reconcile asks about.

        Saves a checkpoint after each step worth keeping and before the next. Raises NotYet instead of waiting.
        """
        ...

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any], send: Send) -> Receipt:
        """Makes the one irreversible call, with these handles and nothing fetched on the way, and reads its answer."""
        ...

    async def reconcile(self, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
        """Reads only: is what was to be published with these handles live?

        Empty handles: a backup was restored, and what was sent since is not known. Then it is looked for by what the parcel
        knows (key, checkpoint, words), from `first_sent_at` on; never Absent, for other handles may have been used.
        """
        ...

    def settles(self, handles: Mapping[str, Any]) -> timedelta | None:
        """`settles_within` for a call with these handles, where one way of publishing settles and another does not."""
        ...

    async def locate(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> str | None:
        """Reads only: the public address of a post whose receipt names none; None where the platform does not tell (yet)."""
        ...

    async def remove(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> bool:
        """Deletes a post of this account. True also where it is gone already; False where the platform offers no way."""
        ...


class Connecting(Protocol):
    """The face that accounts see."""

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        """Connects with credentials in hand, verified by asking the platform who they belong to.

        Raises Invalid for missing or misshapen fields (field names as in the API), Disconnected where the platform refuses them.
        """
        ...

    async def authorize(
        self,
        given: Mapping[str, Any],
        redirect_uri: str,
        state: str,
        registered: Mapping[str, Any] | None,
        outgoing: Outgoing,
    ) -> Authorization:
        """The platform's own page on which a person lets us in; they come back to `redirect_uri` with `state`.

        `given`: what must be known before, such as Mastodon's `instanceUrl`. `registered`: the app made at that host and for
        that redirect address before, see `host_of`. Raises Invalid where something is missing, or where there is no such way:
        rule `no_app` where the operator has to register an app first, `no_way` where the platform has none.
        """
        ...

    def host_of(self, given: Mapping[str, Any]) -> str:
        """The host whose page `authorize` would lead to, to find the app registered there. Raises Invalid as authorize does."""
        ...

    async def exchange(
        self, returned: Mapping[str, str], kept: Mapping[str, Any], redirect_uri: str, outgoing: Outgoing
    ) -> Sequence[Connected]:
        """What the person came back with, made into accounts to choose from (Pages, blogs); mostly one, never none.

        `returned` is the query of their address, `kept` what `authorize` kept. Raises Disconnected where they refused, or the
        platform does not accept what they brought.
        """
        ...

    def renew_at(self, credential: Credential) -> datetime | None:
        """When the credential should be refreshed even if nobody uses it, so that it does not run out; None: never."""
        ...

    async def revoke(self, account: Account, credential: Credential, outgoing: Outgoing) -> bool:
        """Gives the credential back when its account is disconnected. False where the platform offers no way."""
        ...

    async def allowances(self, account: Account, credential: Credential, outgoing: Outgoing) -> Sequence[Allowance]:
        """Asks the platform's own quota endpoint how much is left; nothing where it has none."""
        ...

    def expires_soon(self, credential: Credential, now: datetime) -> bool:
        """Whether the credential should be refreshed before it is used."""
        ...

    async def refresh(self, account: Account, credential: Credential, outgoing: Outgoing) -> Credential:
        """A fresh credential. Raises Disconnected where only the owner can help."""
        ...

    async def check(self, account: Account, credential: Credential, outgoing: Outgoing) -> Connected:
        """Asks the platform who the credential belongs to now, and for its present limits."""
        ...


class Platform(Publishing, Connecting, Protocol):
    """Both faces of one platform."""
