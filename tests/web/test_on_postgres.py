"""The same door on PostgreSQL: what the front desk writes by itself, and one post from beginning to end."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from hayon.sandbox.world import World
from hayon.store import users
from tests.web.house import PASSWORD, at_work, open_house
from tests.web.test_deciding import wait_for
from tests.web.test_people import first_comes
from tests.web.test_posts import simple
from tests.web.test_resets import forget, tokens, use
from tests.web.test_sessions import NEW, alive, listed, sign_in


async def test_one_of_many_is_the_first(tmp_path: Path, migrated_postgres_url: str) -> None:
    async with open_house(tmp_path, database_url=migrated_postgres_url, registration="first") as house:
        assert await first_comes(house) == Counter({201: 1, 403: 4})


async def test_a_post_goes_its_way(tmp_path: Path, migrated_postgres_url: str, world: tuple[World, str]) -> None:
    options = {"database_url": migrated_postgres_url, "bluesky_url": f"{world[1]}/bluesky"}
    async with open_house(tmp_path, **options) as house:
        ada = await house.register()
        program = await house.program(ada)
        account = world[0].add_account("bluesky", "ada.test")
        given = {"identifier": "ada.test", "appPassword": account.secret}
        assert (await program.post("/api/accounts/bluesky", given)).status == 201
        key = {"Idempotency-Key": "one"}
        answers = await asyncio.gather(*(program.post("/api/posts", simple(), headers=key) for _ in range(8)))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        post_id = answers[0].json["postId"]
        edited = await program.ask("PATCH", f"/api/posts/{post_id}", {"content": {"text": "Other words"}})
        assert edited.json["version"] == 2
        async with at_work(house.hayon):
            await wait_for(program, post_id, "completed")
        assert world[0].copies() == Counter({"Other words": 1})
        page = (await program.get("/api/posts?limit=1")).json
        assert (len(page["posts"]), page["nextCursor"]) == (1, None)
        assert [one["ended"] for one in (await program.get(f"/api/posts/{post_id}/attempts")).json["attempts"]]
        assert (await ada.get("/")).status == 200


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_last_use_of_a_key_is_written_once_in_a_while(
    kind: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    options = {"database_url": request.getfixturevalue("migrated_postgres_url")} if kind == "postgres" else {}
    async with open_house(folder, **options) as house:
        program = await house.program(await house.register())
        seen = []
        for _ in range(3):
            await program.get("/api/auth/me")
            (row,) = await house.hayon.database.read(users.list_keys, program.person_id)
            seen.append(row.last_used_at)
        assert seen[0] is not None
        assert len(set(seen)) == 1
        answer = await house.visitor().post("/api/auth/login", {"email": "ada@example.org", "password": PASSWORD})
        assert answer.status == 200


async def test_people_come_in_and_go_out(tmp_path: Path, migrated_postgres_url: str) -> None:
    async with open_house(tmp_path, database_url=migrated_postgres_url) as house:
        house.hayon.database.mailing = True
        ada = await house.register()
        phones = await asyncio.gather(*(sign_in(house, f"Phone {number}") for number in range(3)))
        assert {"Phone 0", "Phone 1", "Phone 2"} < {one["agent"] for one in await listed(ada)}
        changed = await ada.post("/api/auth/password", {"password": PASSWORD, "newPassword": NEW})
        assert changed.json["endedSessions"] == 3
        assert await alive(ada, *phones) == [True, False, False, False]
        asked = await asyncio.gather(*(forget(house) for _ in range(5)))
        assert Counter(answer.status for answer in asked) == Counter({202: 3, 429: 2})
        (first, *others) = await tokens(house)
        assert len(others) == 2
        used = await asyncio.gather(*(use(house, first) for _ in range(4)))
        assert Counter(answer.status for answer in used) == Counter({200: 1, 404: 3})
        assert [(await use(house, token)).status for token in others] == [404, 404]
        assert await alive(ada) == [False]
        wanted = {"email": "new@example.org", "password": PASSWORD}
        people = [await house.register(f"{name}@example.org") for name in "bcd"]
        answers = await asyncio.gather(*(one.ask("PATCH", "/api/auth/me", wanted) for one in people))
        assert Counter(answer.status for answer in answers) == Counter({200: 1, 409: 2})
