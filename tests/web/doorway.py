"""A platform with a page of its own, scripted, and how tests go there and come back. The tests are in the files beside this one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.domain.model import Account
from hayon.errors import Invalid, PlatformError, Problem
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Authorization, Connected, Credential
from hayon.store import accounts
from hayon.store.schema import connections as table
from tests.delivery.scripted import Scripted
from tests.web.house import House, Visitor

PLATFORM = "bluesky"


@dataclass
class Doorway(Scripted):
    """A scripted platform with a page of its own. `exchanging`: raised instead of letting people in; `holding`: until then nobody is."""

    platform: str = PLATFORM
    authorized: list[Mapping[str, Any] | None] = field(default_factory=list)
    exchanged: list[str] = field(default_factory=list)
    exchanging: list[PlatformError] = field(default_factory=list)
    revoking: list[PlatformError] = field(default_factory=list)
    holding: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    closed: str = ""
    shared: bool = False
    seen_on_revoke: list[bool] = field(default_factory=list)
    house: House | None = None

    def host_of(self, given: Mapping[str, Any]) -> str:
        if self.closed:
            raise Invalid([Problem("platform", self.closed, "First set HAYON_SCRIPTED_APP.", self.platform)])
        return super().host_of(given)

    async def authorize(
        self, given: Mapping[str, Any], redirect_uri: str, state: str, registered: Mapping[str, Any] | None, outgoing: Outgoing,
    ) -> Authorization:  # fmt: skip
        self.authorized.append(registered)
        self.host_of(given)
        return await super().authorize(given, redirect_uri, state, registered, outgoing)

    async def exchange(
        self, returned: Mapping[str, str], kept: Mapping[str, Any], redirect_uri: str, outgoing: Outgoing
    ) -> Sequence[Connected]:
        self.exchanged.append(returned["code"])
        self.entered.set()
        assert kept == {"verifier": "v"}
        if self.holding is not None:
            await self.holding.wait()
        if self.exchanging:
            raise self.exchanging.pop(0)
        found = await super().exchange(returned, kept, redirect_uri, outgoing)
        return [replace(one, credential={"secret": "of all"}) for one in found] if self.shared else found

    async def revoke(self, account: Account, credential: Credential, outgoing: Outgoing) -> bool:
        assert self.house is not None
        row = await self.house.hayon.database.read(accounts.get_account, account.id)
        connected = await self.house.hayon.database.read(accounts.list_accounts, row.user_id)
        self.seen_on_revoke.append(account.id in {one.id for one in connected})
        if self.revoking:
            raise self.revoking.pop(0)
        return await super().revoke(account, credential, outgoing)


@pytest.fixture
def door(house: House) -> Doorway:
    """The platform of this house that people are sent to."""
    made = Doorway(house=house)
    house.hayon.platforms[PLATFORM] = made
    return made


@pytest.fixture
async def eve(house: House) -> Visitor:
    """Somebody signed in, with no account yet."""
    return await house.register("eve@example.org")


async def begin(visitor: Visitor) -> tuple[str, str]:
    """Begins a connection: its id, and the address to come back to with the state that was given along."""
    answer = await visitor.post(f"/api/accounts/{PLATFORM}/connect")
    assert answer.status == 201, answer.text
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.json["url"]).query).items()}
    assert asked["redirect_uri"] == f"{visitor.url}/api/accounts/{PLATFORM}/callback"
    return answer.json["connectionId"], f"{asked['redirect_uri']}?{urlencode({'state': asked['state']})}"


async def come_back(visitor: Visitor, way: str, code: str = "ann", **more: str) -> str:
    """Comes back from the platform: where it leads."""
    answer = await visitor.get(f"{way}&{urlencode({'code': code, **more})}")
    assert answer.status == 303, answer.text
    return answer.headers["Location"]


async def mine(visitor: Visitor) -> list[Any]:
    return (await visitor.get("/api/accounts")).json["accounts"]


async def change(house: House, connection_id: str, **values: Any) -> None:
    """As if time had passed."""
    statement = sa.update(table).where(table.c.id == UUID(connection_id)).values(**values)
    await house.hayon.database.write(lambda tx: tx.run(statement))


async def sealed_of(house: House, connection_id: str) -> bytes:
    row = await house.hayon.database.read(
        lambda tx: tx.first(sa.select(table).where(table.c.id == UUID(connection_id)))
    )
    assert row is not None
    return bytes(row.sealed)
