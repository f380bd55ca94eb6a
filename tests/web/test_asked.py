"""What a post that is taken in costs, in statements: each is a way to the database and back. And that its answer is what is stored."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hayon.domain.allowance import Told
from hayon.store import allowances
from hayon.store.database import Tx
from hayon.store.straight import Compiled
from tests.web.house import House, Visitor, open_house

DAY = timedelta(days=1)
NOON = (datetime.now(UTC) + 3 * DAY).replace(hour=12, minute=0, second=0, microsecond=0)
PLATFORMS = ("bluesky", "facebook", "mastodon", "threads", "tumblr")


@pytest.fixture(params=["sqlite", "postgres"])
async def house(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[House]:
    options = {"database_url": request.getfixturevalue("migrated_postgres_url")} if request.param == "postgres" else {}
    async with open_house(folder, **options) as opened:
        yield opened


@pytest.fixture
async def program(house: House) -> Visitor:
    """A program of somebody with five accounts, two of which may do three posts a day. Its key was used just now."""
    ada = await house.register()
    for platform in PLATFORMS:
        account_id = await house.account(ada, platform, f"ada.{platform}")
        if platform in {"threads", "tumblr"}:
            told = {str(account_id): [Told("posts", 3, NOON, 3, 86_400)]}
            await house.hayon.database.write(allowances.keep_told, told, datetime.now(UTC))
    program = await house.program(ada)
    assert (await program.get("/api/auth/me")).status == 200
    return program


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement, as it is run; the clock is one where the database keeps it."""
    found: list[str] = []
    run = Tx.run

    def counting(tx: Tx, statement: sa.Executable, rows: Any = None) -> Any:
        found.append(str(statement).split(maxsplit=1)[0])
        return run(tx, statement, rows)

    monkeypatch.setattr(Tx, "run", counting)
    for name in ("fetch", "fetch_first", "send_each"):
        send = getattr(Compiled, name)

        def sending(compiled: Compiled, *args: Any, send: Any = send) -> Any:
            found.append("straight")
            return send(compiled, *args)

        monkeypatch.setattr(Compiled, name, sending)
    return found


def body(*platforms: str, **more: Any) -> dict[str, Any]:
    return {"content": {"text": "Hello from the garden"}, "selectedPlatforms": platforms} | more


async def test_a_post_is_taken_in_with_few_statements(program: Visitor, asked: list[str]) -> None:
    """The key; the clock, the accounts, what they may do; the post and its targets: on PostgreSQL together, and there the clock is one
    as well."""
    asked.clear()
    answer = await program.post("/api/posts", body(*PLATFORMS, scheduledAt=NOON.isoformat()))
    assert (answer.status, answer.json["warnings"]) == (201, [])
    assert len(asked) == 5, asked
    asked.clear()
    # where no platform counts posts, nobody asks how many there are
    assert (await program.post("/api/posts", body("bluesky", "mastodon"))).status == 201
    assert len(asked) == 4, asked


async def test_its_answer_is_what_is_stored(program: Visitor) -> None:
    for more in ({"scheduledAt": NOON.isoformat(), "maxLatenessSeconds": 60}, {}, {"draft": True}):
        made = (await program.post("/api/posts", body(*PLATFORMS, **more))).json
        kept = (await program.get(f"/api/posts/{made['postId']}/status")).json
        assert kept["version"] == 1
        assert {name: made[name] for name in kept if name in made} == {
            name: kept[name] for name in kept if name in made
        }
        whole = (await program.get(f"/api/posts/{made['postId']}")).json
        assert whole["correlationId"] == made["correlationId"]


async def test_too_many_on_a_day_are_told_of_with_a_number(program: Visitor) -> None:
    for hours in (-23, -10, 13):
        at = (NOON + timedelta(hours=hours)).isoformat()
        assert (await program.post("/api/posts", body("threads", scheduledAt=at))).json["warnings"] == []
    made = (await program.post("/api/posts", body(*PLATFORMS, scheduledAt=NOON.isoformat()))).json
    assert [one["platform"] for one in made["warnings"]] == []
    made = (
        await program.post("/api/posts", body(*PLATFORMS, scheduledAt=(NOON + timedelta(hours=2)).isoformat()))
    ).json
    (warning,) = made["warnings"]
    assert (warning["platform"], "has 4 posts for ada.threads within 24 hours" in warning["message"]) == (
        "threads",
        True,
    )


async def test_what_is_far_ahead_wakes_nobody(house: House, program: Visitor) -> None:
    woken: list[None] = []
    house.hayon.wakeups.add(lambda: woken.append(None))
    assert (await program.post("/api/posts", body("bluesky", scheduledAt=NOON.isoformat()))).status == 201
    assert (await program.post("/api/posts", body("bluesky", draft=True))).status == 201
    assert woken == []
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert (await program.post("/api/posts", body("bluesky", scheduledAt=soon))).status == 201
    assert (await program.post("/api/posts", body("bluesky"))).status == 201
    assert len(woken) == 2
