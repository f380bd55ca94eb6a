"""A stage for the platform contract: each adapter connected to an account of its own simulated platform."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hayon.domain.model import Account
from hayon.errors import Unconfirmed
from hayon.outgoing import Outgoing
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Connected, Parcel, Platform
from hayon.platforms.mastodon import Mastodon
from hayon.sandbox.app import running
from hayon.sandbox.model import Account as Profile
from hayon.sandbox.world import World
from tests.platforms.bluesky.scripted import measured, picture
from tests.platforms.parcels import Checkpoints, OneSend, Picture, make_account, make_parcel

PLATFORMS = ("bluesky", "mastodon")
PUBLISHES = {"bluesky": "putRecord", "mastodon": "createStatus"}
UPLOADS = {"bluesky": "uploadBlob", "mastodon": "uploadMedia"}


def adapter_of(platform: str, url: str) -> Platform:
    """The adapter as it is wired for a simulated platform at this address."""
    return Bluesky(f"{url}/bluesky", shrink=measured) if platform == "bluesky" else Mastodon()


def given_of(platform: str, url: str, profile: Profile) -> dict[str, str]:
    """What its owner types in to connect the account."""
    if platform == "bluesky":
        return {"identifier": profile.handle, "appPassword": profile.secret, "service": f"{url}/bluesky"}
    return {"instanceUrl": f"{url}/mastodon", "accessToken": profile.secret}


@dataclass
class Stage:
    """One adapter, connected to an account of its simulated platform."""

    adapter: Platform
    world: World
    profile: Profile
    given: Mapping[str, str]
    connected: Connected
    outgoing: Outgoing

    @property
    def platform(self) -> str:
        return self.adapter.platform

    @property
    def account(self) -> Account:
        connected = self.connected
        return make_account(
            self.platform, connected.host, connected.remote_id, handle=connected.handle, facts=connected.facts
        )

    def parcel(self, text: str = "Hello", *, pictures: int = 0, **changes: Any) -> Parcel:
        """A parcel of now with so many pictures."""
        shown = [Picture(picture(colour), f"all {colour}") for colour in ("red", "teal", "navy")[:pictures]]
        credential = self.connected.credential
        return make_parcel(self.account, credential, text, pictures=shown, **{"now": datetime.now(UTC), **changes})

    async def prepare(self, parcel: Parcel, saved: Checkpoints | None = None) -> Mapping[str, Any]:
        return await self.adapter.prepare(parcel, saved or Checkpoints(), self.outgoing)

    async def lose_the_answer(self, kind: str, parcel: Parcel, handles: Mapping[str, Any]) -> Parcel:
        """Publishes under a fault that leaves it open whether it happened; gives the parcel of a later try."""
        self.world.faults.add(self.platform, kind, PUBLISHES[self.platform])
        with pytest.raises(Unconfirmed) as raised:
            await self.adapter.publish(parcel, handles, OneSend(self.outgoing))
        assert raised.value.proves_absence is False
        return replace(parcel, first_sent_at=parcel.now, now=parcel.now + timedelta(seconds=1))

    def posts(self) -> dict[str, int]:
        """How often each text was published, repeats without effect not counted."""
        return dict(self.world.copies(self.platform))


@contextlib.asynccontextmanager
async def staged(platform: str) -> AsyncIterator[Stage]:
    """The adapter of this platform in a world of its own, for the length of a `with`."""
    world = World()
    async with running(world) as url:
        outgoing = Outgoing(identity="Hayon/test", timeout_seconds=20, allow_private_addresses=True)
        profile = world.add_account(platform, "alice.test" if platform == "bluesky" else "alice", "Alice")
        given, adapter = given_of(platform, url, profile), adapter_of(platform, url)
        connected = await adapter.connect(given, outgoing)
        world.requests.clear()
        yield Stage(adapter, world, profile, given, connected, outgoing)
        await outgoing.aclose()
    world.close()
