"""A stage for the platform contract: each adapter connected to an account of its own simulated platform."""

import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from PIL import Image

from hayon.domain.model import Account
from hayon.errors import NotYet, Unconfirmed
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Connected, Parcel, Platform, SaveCheckpoint
from hayon.sandbox.app import running
from hayon.sandbox.meta.renewing import APP_SECRET, FACEBOOK_APP_ID, INSTAGRAM_APP_ID, THREADS_APP_ID
from hayon.sandbox.model import Account as Profile
from hayon.sandbox.sites import SITES
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.sandbox.world import World
from hayon.settings import Settings
from hayon.wiring import make_platforms
from tests.platforms.parcels import Checkpoints, OneSend, Picture, make_account, make_parcel

NOT_YETS = 50
"""How often a platform may say that it is still at work."""


@dataclass(frozen=True)
class Traits:
    """What differs between platforms, as far as this suite asks. Operations as the simulated platform names them.

    `repeat`: the same call with the same handles is the same post. `absent`: what is not listed is absent (else unclear).
    `named`: the answer names the post's address. `wanted`: the fields that connecting is given here, `missed` those it
    names where nothing is given. `never`: words alone are never absent, and repeating them makes another post.
    """

    publishes: str
    pictures: str
    uploads: str
    wanted: frozenset[str]
    repeat: bool = False
    absent: bool = True
    named: bool = False
    text_alone: bool = True
    missed: frozenset[str] | None = None
    never: bool = False


TRAITS: Mapping[str, Traits] = {
    "bluesky": Traits("putRecord", "putRecord", "uploadBlob", frozenset({"identifier", "appPassword"}), repeat=True, named=True),
    "threads": Traits("threads_publish", "threads_publish", "create_container", frozenset({"accessToken"}), absent=False),
    "instagram": Traits(
        "media_publish", "media_publish", "create_container", frozenset({"accessToken"}), absent=False, text_alone=False
    ),
    "facebook": Traits(
        "create_post", "create_post", "upload_photo", frozenset({"pageId", "accessToken"}), never=True
    ),
    "mastodon": Traits("createStatus", "createStatus", "uploadMedia", frozenset({"instanceUrl", "accessToken"}), repeat=True, named=True),
    "tumblr": Traits(
        "editPost", "editPost", "createPost", frozenset({"token", "tokenSecret"}),
        missed=frozenset({"accessToken", "refreshToken"}),
    ),
}  # fmt: skip
PLATFORMS = tuple(TRAITS)


APPS: Mapping[str, tuple[str, str]] = {
    "threads": (THREADS_APP_ID, APP_SECRET),
    "instagram": (INSTAGRAM_APP_ID, APP_SECRET),
    "facebook": (FACEBOOK_APP_ID, APP_SECRET),
    "tumblr": (CONSUMER_KEY, CONSUMER_SECRET),
}
"""The apps that an operator has registered, at the simulated platforms that want that: id and secret."""


def adapter_of(platform: str, url: str, apps: Mapping[str, tuple[str, str]] = APPS) -> Platform:
    """The adapter as it is wired for a simulated platform at this address."""
    at = {f"{name}_url": f"{url}/{name}" for name in ("bluesky", "threads", "instagram", "facebook", "tumblr")}
    ids = {f"{name}_app_id": app_id for name, (app_id, _) in apps.items()}
    secrets = {f"{name}_app_secret": secret for name, (_, secret) in apps.items()}
    return make_platforms(replace(Settings(), **at, bluesky_video_url="", **ids, **secrets))[platform]


def picture(number: int) -> bytes:
    """A JPEG that every platform takes as it is; each number another."""
    written = io.BytesIO()
    Image.new("RGB", (640, 640), (60 * number % 255, 90, 120)).save(written, "JPEG")
    return written.getvalue()


@dataclass
class Stage:
    """One adapter, connected to an account of its simulated platform. The world's clock and the parcel's go together."""

    adapter: Platform
    world: World
    url: str
    profile: Profile
    given: Mapping[str, str]
    connected: Connected
    outgoing: Outgoing

    @property
    def platform(self) -> str:
        return self.adapter.platform

    @property
    def traits(self) -> Traits:
        return TRAITS[self.platform]

    @property
    def account(self) -> Account:
        connected = self.connected
        return make_account(
            self.platform, connected.host, connected.remote_id, handle=connected.handle, facts=connected.facts
        )

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.world.now(), UTC)

    def parcel(self, text: str = "Hello", *, pictures: int = 0, **changes: Any) -> Parcel:
        """A parcel of now with so many pictures; with one at least where the platform takes no words alone."""
        count = pictures or int(not self.traits.text_alone)
        shown = [self._picture(number) for number in range(1, count + 1)]
        credential = self.connected.credential
        return make_parcel(self.account, credential, text, pictures=shown, **{"now": self.now(), **changes})

    def _picture(self, number: int) -> Picture:
        content = picture(number)
        digest = self.world.files.put(content, sha256(content).hexdigest())
        url = f"{self.url}/media/{digest}"
        return Picture(content, f"picture {number}", "image/jpeg", 640, 640, url=url)

    async def prepare(self, parcel: Parcel, saved: Checkpoints | None = None) -> Mapping[str, Any]:
        """Prepares, and lets the time pass that the platform asks for."""
        saved = saved or Checkpoints()
        return await self.until_ready(parcel, saved, saved)

    async def until_ready(self, parcel: Parcel, save: SaveCheckpoint, saved: Checkpoints) -> Mapping[str, Any]:
        """The same with a way of saving that may fail; `saved` is where it saves to."""
        for _ in range(NOT_YETS):
            try:
                return await self.adapter.prepare(parcel, save, self.outgoing)
            except NotYet as error:
                self.world.advance(error.wait_seconds + 0.1)
                parcel = replace(parcel, checkpoint=saved.last or parcel.checkpoint, now=self.now())
        raise AssertionError("the platform never got ready")

    def absent_is_told(self, parcel: Parcel) -> bool:
        """Whether a look says absent, and not unclear, where nothing is live."""
        return self.traits.absent and not (self.traits.never and not parcel.media)

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any]) -> Any:
        return await self.adapter.publish(replace(parcel, now=self.now()), handles, OneSend(self.outgoing))

    async def lose_the_answer(self, kind: str, parcel: Parcel, handles: Mapping[str, Any]) -> Parcel:
        """Publishes under a fault that leaves it open whether it happened; gives the parcel of a later try."""
        sent_at = self.now()
        self.world.faults.add(self.platform, kind, self.operation_of(parcel))
        with pytest.raises(Unconfirmed) as raised:
            await self.publish(parcel, handles)
        assert raised.value.proves_absence is False
        self.world.advance(1)
        return replace(parcel, first_sent_at=sent_at, doubted=True, now=self.now())

    def operation_of(self, parcel: Parcel) -> str:
        """What the one call is named at the simulated platform."""
        return self.traits.pictures if parcel.media else self.traits.publishes

    def posts(self) -> dict[str, int]:
        """How often each text was published, repeats without effect not counted."""
        return dict(self.world.copies(self.platform))

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The requests of one kind since the list was emptied."""
        return [line for line in self.world.requests if line["operation"] == operation]


@contextlib.asynccontextmanager
async def staged(platform: str) -> AsyncIterator[Stage]:
    """The adapter of this platform in a world of its own, for the length of a `with`."""
    world = World()
    site = next(one for one in SITES if one.platform == platform)
    async with running(world) as url:
        outgoing = Outgoing(identity="Hayon/test", timeout_seconds=20, allow_private_addresses=True)
        profile = world.add_account(platform, "alice.test" if platform == "bluesky" else "alice", "Alice")
        given, adapter = site.connection(profile, f"{url}/"), adapter_of(platform, url)
        given = {name: given[name] for name in (*TRAITS[platform].wanted, "service") if name in given}
        connected = await adapter.connect(given, outgoing)
        world.requests.clear()
        yield Stage(adapter, world, url, profile, given, connected, outgoing)
        await outgoing.aclose()
    world.close()
