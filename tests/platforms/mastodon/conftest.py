"""A simulated instance behind a real socket, and an account there as the adapter sees it."""

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest_asyncio
from PIL import Image

from hayon.domain.model import Account, Receipt
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Look, Parcel
from hayon.platforms.mastodon import Mastodon
from hayon.sandbox.app import running
from hayon.sandbox.model import Account as Profile
from hayon.sandbox.world import World
from tests.media.filming import film
from tests.platforms.parcels import Checkpoints, OneSend, Picture, make_account, make_parcel

ADAPTER = Mastodon()


def make_picture(colour: str = "teal", alt_text: str = "", width: int = 40, height: int = 30) -> Picture:
    """A small PNG."""
    kept = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(kept, "PNG")
    return Picture(kept.getvalue(), alt_text, width=width, height=height)


def make_film(alt_text: str = "") -> Picture:
    """A real MP4 of a second."""
    return Picture(film(), alt_text, "video/mp4", width=160, height=96, duration_seconds=1.0)


@dataclass
class Home:
    """One account on the simulated instance: what stands there, and each step of the adapter on its behalf."""

    world: World
    url: str
    outgoing: Outgoing
    profile: Profile
    account: Account

    @property
    def address(self) -> str:
        """The instance's, with its path prefix."""
        return f"{self.url}/mastodon"

    def parcel(self, text: str = "", *, pictures: Sequence[Picture] = (), **changes: Any) -> Parcel:
        """A parcel of now."""
        credential = {"accessToken": self.profile.secret}
        return make_parcel(self.account, credential, text, pictures=pictures, **{"now": datetime.now(UTC), **changes})

    async def prepare(self, parcel: Parcel, saved: Checkpoints | None = None) -> Mapping[str, Any]:
        return await ADAPTER.prepare(parcel, saved or Checkpoints(), self.outgoing)

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any]) -> Receipt:
        return await ADAPTER.publish(parcel, handles, OneSend(self.outgoing))

    async def look(self, parcel: Parcel, handles: Mapping[str, Any]) -> Look:
        """Reconciles as after a first call that was made when the parcel was gathered."""
        sent_at = parcel.first_sent_at or parcel.now
        return await ADAPTER.reconcile(replace(parcel, first_sent_at=sent_at), handles, self.outgoing)

    async def locate(self, receipt: Receipt) -> str | None:
        credential = {"accessToken": self.profile.secret}
        return await ADAPTER.locate(self.account, credential, receipt.remote_id, self.outgoing)

    async def remove(self, receipt: Receipt) -> bool:
        credential = {"accessToken": self.profile.secret}
        return await ADAPTER.remove(self.account, credential, receipt.remote_id, self.outgoing)

    async def read(self, path: str) -> Any:
        """What the instance shows to its account under this path, asked without the adapter."""
        headers = {"Authorization": f"Bearer {self.profile.secret}"}
        async with aiohttp.ClientSession() as session, session.get(self.address + path, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def copies(self) -> int:
        """How many posts were made, whatever they say."""
        return sum(self.world.copies("mastodon").values())

    def operations(self) -> list[str]:
        """Every request the instance got, in order."""
        return [line["operation"] for line in self.world.requests]


@pytest_asyncio.fixture
async def home() -> AsyncIterator[Home]:
    """@alice on an empty instance with real limits, connected with the instance's own facts."""
    world = World()
    async with running(world) as url:
        outgoing = Outgoing(identity="Hayon tests", trusted_origins=[url], timeout_seconds=10)
        profile = world.add_account("mastodon", "alice", "Alice")
        given = {"instanceUrl": f"{url}/mastodon", "accessToken": profile.secret}
        connected = await ADAPTER.connect(given, outgoing)
        account = make_account(
            "mastodon", connected.host, connected.remote_id, facts=connected.facts, handle=connected.handle
        )
        world.requests.clear()
        yield Home(world, url, outgoing, profile, account)
        await outgoing.aclose()
    world.close()
