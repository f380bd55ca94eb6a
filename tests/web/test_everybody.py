"""What an admin decides about people: who is an admin, who is shut out; never the last admin, and nobody's posts."""

import asyncio
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from hayon.sandbox.world import World
from tests.web.house import PASSWORD, House, Visitor, at_work, open_house
from tests.web.test_deciding import wait_for
from tests.web.test_posts import simple
from tests.web.test_sessions import alive, sign_in


async def decide(admin: Visitor, about: Visitor, **wish: bool) -> int:
    """What the admin's decision is answered."""
    return (await admin.ask("PATCH", f"/api/people/{about.person_id}", wish)).status


async def test_everybody_is_listed_for_the_admin(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    people = (await ada.get("/api/people")).json["people"]
    assert [(one["email"], one["isAdmin"], one["disabledAt"]) for one in people] == [
        ("ada@example.org", True, None), ("bob@example.org", False, None),
    ]  # fmt: skip
    assert all(one["lastUsedAt"] and one["createdAt"] for one in people)
    assert not {"password", "hash"} & {word.lower() for one in people for word in one}
    assert (await bob.get("/api/people")).status == 403
    assert (await bob.get("/api/people")).json["detail"] == "Only an admin may do that."


async def test_the_role_is_given_and_taken(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    assert await decide(bob, bob, isAdmin=True) == 403
    assert await decide(ada, bob, isAdmin=True) == 200
    assert (await bob.get("/api/auth/me")).json["isAdmin"] is True
    assert await decide(bob, ada, isAdmin=False) == 200
    assert (await ada.get("/api/people")).status == 403
    assert await decide(bob, bob, isAdmin=False) == 409
    assert await decide(bob, bob, disabled=True) == 409
    assert (await bob.get("/api/people")).status == 200
    assert await decide(bob, house.visitor(), isAdmin=True) == 422
    nobody = house.visitor()
    nobody.person_id = uuid4()
    assert await decide(bob, nobody, isAdmin=True) == 404


async def test_an_admin_who_is_shut_out_counts_for_nothing(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    assert await decide(ada, bob, isAdmin=True, disabled=True) == 200
    assert await decide(ada, ada, isAdmin=False) == 409
    assert await decide(ada, ada, disabled=True) == 409


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_two_admins_cannot_both_take_the_others_role(kind: str, folder: Path, url: str) -> None:
    async with open_house(folder, **({"database_url": url} if kind == "postgres" else {})) as house:
        ada, bob = await house.register(), await house.register("bob@example.org")
        for number in range(5):
            assert await decide(ada, bob, isAdmin=True) == 200
            wishes = [decide(ada, bob, isAdmin=False), decide(bob, ada, isAdmin=False)]
            statuses = Counter(await asyncio.gather(*wishes))
            assert statuses in (Counter({200: 1, 409: 1}), Counter({200: 1, 403: 1})), number
            if (await ada.get("/api/people")).status == 403:
                ada, bob = bob, ada


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """A PostgreSQL where the test wants one."""
    wanted = request.node.callspec.params.get("kind") == "postgres"
    found: str = request.getfixturevalue("migrated_postgres_url") if wanted else ""
    return found


async def test_who_is_shut_out_opens_nothing(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    program, phone = await house.program(bob), await sign_in(house, email="bob@example.org")
    assert await decide(ada, bob, disabled=True) == 200
    assert await alive(bob, phone, program, ada) == [False, False, False, True]
    given = {"email": "bob@example.org", "password": PASSWORD}
    refused = await house.visitor().post("/api/auth/login", given)
    assert (refused.status, "shut you out" in refused.json["detail"]) == (403, True)
    wrong = await house.visitor().post("/api/auth/login", given | {"password": "not the right one"})
    assert wrong.status == 401, "nobody else learns of it"
    (seen,) = [one for one in (await ada.get("/api/people")).json["people"] if one["email"] == "bob@example.org"]
    assert (seen["disabledAt"] is not None, seen["lastUsedAt"]) == (True, None)
    assert await decide(ada, bob, disabled=True) == 200
    (again,) = [one for one in (await ada.get("/api/people")).json["people"] if one["email"] == "bob@example.org"]
    assert again["disabledAt"] == seen["disabledAt"]
    assert await decide(ada, bob, disabled=False) == 200
    assert await alive(bob, phone, program) == [False, False, True], "sessions were ended, keys only shut"
    await sign_in(house, email="bob@example.org")


async def test_what_somebody_planned_goes_out_though_they_are_shut_out(
    published: House, world: tuple[World, str]
) -> None:
    ada, bob = await published.register(), await published.register("bob@example.org")
    account = world[0].add_account("bluesky", "bob.test")
    given = {"identifier": "bob.test", "appPassword": account.secret}
    assert (await bob.post("/api/accounts/bluesky", given)).status == 201
    post_id = (await bob.post("/api/posts", simple())).json["postId"]
    assert await decide(ada, bob, disabled=True) == 200
    async with at_work(published.hayon):
        async with asyncio.timeout(20):
            await landed(world[0])
    assert await decide(ada, bob, disabled=False) == 200
    back = await sign_in(published, email="bob@example.org")
    await wait_for(back, post_id, "completed")
    assert sum(world[0].copies().values()) == 1


async def landed(world: World) -> None:
    """Waits until something is live."""
    while not world.copies():  # noqa: ASYNC110 - the world tells nobody
        await asyncio.sleep(0.02)
