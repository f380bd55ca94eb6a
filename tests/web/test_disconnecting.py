"""What becomes of an account's credential, and of what waits for it, when somebody takes the account away."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon import accounts as secrets
from hayon.errors import Disconnected, PlatformError, Unavailable
from hayon.store.database import Tx
from hayon.store.schema import accounts as account_table
from hayon.store.schema import targets
from tests.web.doorway import PLATFORM, Doorway, door, eve, mine
from tests.web.house import House, Visitor
from tests.web.test_pages import Fields
from tests.web.test_posts import later, make

__all__ = ["Doorway", "door", "eve"]


async def test_disconnecting_gives_the_credential_back(house: House, door: Doorway, eve: Visitor) -> None:
    account = (await eve.post(f"/api/accounts/{PLATFORM}", {"name": "ann"})).json
    told = await eve.ask("DELETE", f"/api/accounts/{account['accountId']}")
    assert (told.status, told.json["credential"], told.json["unfinishedTargets"]) == (200, "given_back", 0)
    assert "has taken the credential back" in told.json["message"]
    assert (door.revoked, door.seen_on_revoke) == (["ann"], [False])
    assert (await eve.ask("DELETE", f"/api/accounts/{account['accountId']}")).status == 404
    assert door.revoked == ["ann"]


@pytest.mark.parametrize(
    ("error", "fate"),
    [(Unavailable("It is down."), "unanswered"), (Disconnected("It knows no such token."), "given_back"), (None, "unanswered")],
)  # fmt: skip
async def test_disconnecting_does_not_wait_for_a_platform_that_does_not_answer(
    house: House, door: Doorway, eve: Visitor, monkeypatch: pytest.MonkeyPatch, error: PlatformError | None, fate: str
) -> None:
    account = (await eve.post(f"/api/accounts/{PLATFORM}", {"name": "ann"})).json
    if error is None:
        monkeypatch.setattr(secrets, "GIVING_BACK_SECONDS", 0.05)

        async def silence(*_: Any) -> bool:
            await asyncio.Event().wait()
            return True

        monkeypatch.setattr(door, "revoke", silence)
    else:
        door.revoking = [error]
    told = await eve.ask("DELETE", f"/api/accounts/{account['accountId']}")
    assert (told.status, told.json["credential"]) == (200, fate)
    assert await mine(eve) == []


async def test_a_credential_that_another_account_may_live_by_is_not_given_back(
    house: House, door: Doorway, eve: Visitor
) -> None:
    bob = await house.register("bob@example.org")
    account_of = {}
    for visitor in (eve, bob):
        account_of[visitor.person_id] = (await visitor.post(f"/api/accounts/{PLATFORM}", {"name": "ann"})).json[
            "accountId"
        ]
    told = await eve.ask("DELETE", f"/api/accounts/{account_of[eve.person_id]}")
    assert (told.json["credential"], door.revoked) == ("shared", [])
    second = (await bob.post(f"/api/accounts/{PLATFORM}", {"name": "ben"})).json["accountId"]
    assert (await bob.ask("DELETE", f"/api/accounts/{second}")).json["credential"] == "shared"
    last = await bob.ask("DELETE", f"/api/accounts/{account_of[bob.person_id]}")
    assert (last.json["credential"], door.revoked) == ("given_back", ["ann"])


async def test_a_credential_that_an_open_question_needs_is_not_given_back(
    house: House, door: Doorway, eve: Visitor
) -> None:
    account = (await eve.post(f"/api/accounts/{PLATFORM}", {"name": "ann"})).json
    await make(eve, scheduledAt=later())

    def ask(tx: Tx) -> None:
        tx.run(sa.update(targets).values(open_attempt_id=uuid4(), status="unconfirmed"))

    await house.hayon.database.write(ask)
    told = await eve.ask("DELETE", f"/api/accounts/{account['accountId']}")
    assert (told.json["credential"], told.json["unfinishedTargets"], door.revoked) == ("needed", 1, [])
    statement = sa.select(account_table.c.credential).where(account_table.c.id == UUID(account["accountId"]))
    assert await house.hayon.database.read(lambda tx: tx.value(statement)) != b""


async def test_the_page_says_what_disconnecting_leaves_undone(house: House, door: Doorway, eve: Visitor) -> None:
    account = (await eve.post(f"/api/accounts/{PLATFORM}", {"name": "ann"})).json
    assert "Nothing is waiting to be published on it." in (await eve.get("/accounts")).text
    for _ in range(2):
        await make(eve, scheduledAt=later())
    page = await eve.get("/accounts")
    assert "2 posts are not finished on it." in page.text
    path = f"/accounts/{account['accountId']}/decide"
    csrf = Fields(page.text).form(path)["csrf"]
    door.revoking = [Unavailable("It is down.")]
    there = (await eve.post(path, data={"csrf": csrf, "do": "disconnect"})).headers["Location"]
    assert there == "/accounts?told=disconnect-left"
    assert "remove Hayon on the platform" in (await eve.get(there)).text
