"""A Hayon of a test's own behind a real socket, and the ways in: strangers, people with sessions, programs with keys."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from hayon.domain.model import Account
from hayon.settings import Settings
from hayon.store import accounts
from hayon.web.app import serve
from hayon.wiring import Hayon, open_hayon

PASSWORD = "correct horse battery"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it holds."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def rules(self) -> set[tuple[str, str]]:
        """Field and rule of each problem found."""
        return {(one["field"], one["rule"]) for one in self.json["problems"]}


@dataclass
class Visitor:
    """Somebody at the door. `headers` go with every request; cookies are kept as a browser would."""

    url: str
    http: aiohttp.ClientSession
    headers: dict[str, str] = field(default_factory=dict)
    person_id: UUID | None = None

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """One request; redirects are not followed."""
        headers = self.headers | options.pop("headers", {})
        if body is not None:
            options["json"] = body
        url = path if path.startswith("http") else f"{self.url}{path}"
        async with self.http.request(method, url, headers=headers, allow_redirects=False, **options) as got:
            return Answer(got.status, got.headers, await got.read())

    async def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """POST."""
        return await self.ask("POST", path, body, **options)


@dataclass
class House:
    """A served Hayon."""

    hayon: Hayon
    url: str
    visitors: list[Visitor] = field(default_factory=list)

    def visitor(self, **headers: str) -> Visitor:
        """A stranger with a cookie jar of their own."""
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.visitors.append(Visitor(self.url, http, headers))
        return self.visitors[-1]

    async def register(self, email: str = "ada@example.org") -> Visitor:
        """Somebody who has registered in a browser and is signed in."""
        visitor = self.visitor(**SAME_ORIGIN)
        answer = await visitor.post("/api/auth/register", {"email": email, "password": PASSWORD})
        assert answer.status == 201, answer.text
        visitor.person_id = UUID(answer.json["id"])
        return visitor

    async def program(self, owner: Visitor) -> Visitor:
        """A program with a key of that person."""
        answer = await owner.post("/api/keys", {"name": "a program"})
        assert answer.status == 201, answer.text
        program = self.visitor(Authorization=f"Bearer {answer.json['key']}")
        program.person_id = owner.person_id
        return program

    async def account(self, owner: Visitor, platform: str = "bluesky", handle: str = "ada.test") -> UUID:
        """An account of that person as if it had been connected; nothing answers at its host."""
        assert owner.person_id is not None
        account_id = uuid4()
        account = Account(
            account_id, owner.person_id, platform, f"http://{platform}.invalid", f"did:plc:{account_id.hex}", handle
        )
        sealed = self.hayon.vault.seal({}, str(account_id))
        return await self.hayon.database.write(accounts.keep_account, account, sealed)


@asynccontextmanager
async def open_house(folder: Path, **settings: Any) -> AsyncIterator[House]:
    """Served for the length of the block; relay and workers are not at work unless the test starts them."""
    settings = {
        "retry_steps": (timedelta(milliseconds=50),), "patience": timedelta(0), "poll": timedelta(milliseconds=50),
        "look_steps": (timedelta(milliseconds=50),), "looks_last": timedelta(0), "registration": "open",
        "link_cards": False, "allow_private_addresses": True,
    } | settings  # fmt: skip
    async with open_hayon(Settings(data_dir=folder, **settings)) as hayon:
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve(hayon, "127.0.0.1", 0, address.set_result), name="served")
        await asyncio.wait({server, address}, return_when=asyncio.FIRST_COMPLETED)
        house = House(hayon, address.result())
        try:
            yield house
        finally:
            for visitor in house.visitors:
                await visitor.http.close()
            server.cancel()
            await asyncio.wait({server})


@asynccontextmanager
async def at_work(hayon: Hayon) -> AsyncIterator[None]:
    """Relay and workers at work for the length of the block."""
    rest = asyncio.Event()
    task = asyncio.create_task(hayon.run_duties(("rest", rest.wait())))
    try:
        yield
    finally:
        rest.set()
        await task
