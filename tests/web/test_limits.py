"""What an account may still do is shown, and a plan that is beyond it is warned of and never refused."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.domain.allowance import Told
from hayon.store import allowances
from hayon.store.schema import accounts
from tests.web.house import House, Visitor

DAY = timedelta(days=1)
MORNING = (datetime.now(UTC) + 3 * DAY).replace(hour=9, minute=0, second=0, microsecond=0)


@pytest.fixture
async def threads(house: House, ada: Visitor) -> UUID:
    """A Threads account that may do three posts in a day."""
    account_id = await house.account(ada, "threads", "ada")
    told = [Told("posts", 2, MORNING, 3, 86_400), Told("calls", 90, MORNING, 100, None, datetime.now(UTC) + DAY / 2)]
    await house.hayon.database.write(allowances.keep_told, {str(account_id): told}, datetime.now(UTC))
    return account_id


def planned(at: datetime, *platforms: str) -> dict[str, Any]:
    return {
        "content": {"text": "Hello"},
        "selectedPlatforms": list(platforms or ("threads",)),
        "scheduledAt": at.isoformat(),
    }


async def plan(ada: Visitor, at: datetime, **query: Any) -> Any:
    answer = await ada.post("/api/posts", planned(at), **query)
    assert answer.status == 201, answer.text
    return answer.json


async def test_one_account_shows_what_is_left_and_until_when(house: House, ada: Visitor, threads: UUID) -> None:
    await plan(ada, MORNING)
    blocked = datetime(2030, 1, 1, tzinfo=UTC)
    await house.hayon.database.write(
        lambda tx: tx.run(sa.update(accounts).where(accounts.c.id == threads).values(blocked_until=blocked))
    )
    answer = await ada.get(f"/api/accounts/{threads}")
    assert answer.status == 200
    shown = answer.json
    (listed,) = [one for one in (await ada.get("/api/accounts")).json["accounts"] if one["accountId"] == str(threads)]
    assert shown == listed | {
        "allowances": shown["allowances"], "blockedUntil": "2030-01-01T00:00:00.000Z", "unfinishedTargets": 1,
        "connectedAt": shown["connectedAt"], "renewsAt": None, "renewalFailures": 0,
    }  # fmt: skip
    assert shown["connectedAt"].endswith("Z")
    calls, posts = shown["allowances"]
    assert {name: posts[name] for name in ("name", "left", "limit", "resetsAt")} == {
        "name": "posts", "left": 2, "limit": 3, "resetsAt": None,
    }  # fmt: skip
    assert posts["toldAt"].endswith("Z")
    assert (calls["name"], calls["left"], calls["limit"]) == ("calls", 90, 100)
    assert calls["resetsAt"].endswith("Z")


async def test_an_account_of_which_nothing_was_told(house: House, ada: Visitor) -> None:
    account_id = await house.account(ada, "mastodon", "ada@social.test")
    shown = (await ada.get(f"/api/accounts/{account_id}")).json
    assert (shown["allowances"], shown["blockedUntil"], shown["unfinishedTargets"]) == ([], None, 0)


async def test_somebody_elses_account_is_none(house: House, ada: Visitor, threads: UUID) -> None:
    ben = await house.register("ben@example.org")
    assert (await ben.get(f"/api/accounts/{threads}")).status == 404
    assert (await house.visitor().get(f"/api/accounts/{threads}")).status == 401


async def test_a_day_with_more_posts_than_the_account_may_do_is_warned_of_and_taken(
    ada: Visitor, threads: UUID
) -> None:
    for hours in (-3, 0):
        assert (await plan(ada, MORNING + timedelta(hours=hours)))["warnings"] == []
    assert (await plan(ada, MORNING + timedelta(hours=25)))["warnings"] == []  # with these two it would be another day
    body = planned(MORNING + timedelta(hours=2))
    dry = (await ada.post("/api/posts?dryRun=true", body)).json
    assert (dry["warnings"], dry["problems"]) == ([], [])
    assert (await plan(ada, MORNING + timedelta(hours=2)))["warnings"] == []
    dry = (await ada.post("/api/posts?dryRun=true", body)).json
    (warning,) = dry["warnings"]
    assert (warning["field"], warning["rule"], warning["platform"], warning["accountId"]) == (
        "scheduledAt", "crowded", "threads", str(threads),
    )  # fmt: skip
    assert warning["message"].startswith(
        f"{MORNING:%A %d %B} has 4 posts for ada within 24 hours; the account may do 3."
    )
    assert dry["problems"] == []
    made = await plan(ada, MORNING + timedelta(hours=2), headers={"Idempotency-Key": "once"})
    assert made["status"] == "SCHEDULED"
    assert made["warnings"] == dry["warnings"]
    again = await plan(ada, MORNING + timedelta(hours=2), headers={"Idempotency-Key": "once"})
    assert again == made


async def test_accounts_that_count_no_posts_and_drafts_are_warned_of_nothing(
    house: House, ada: Visitor, threads: UUID
) -> None:
    account_id = await house.account(ada, "mastodon", "ada@social.test")
    told = {str(account_id): [Told("posts", 0, MORNING, 1, 10_800, MORNING)]}
    await house.hayon.database.write(allowances.keep_told, told, datetime.now(UTC))
    for _ in range(3):
        answer = await ada.post("/api/posts", planned(MORNING, "mastodon"))
        assert (answer.status, answer.json["warnings"]) == (201, [])
        await plan(ada, MORNING)
    draft = planned(MORNING) | {"draft": True}
    assert (await ada.post("/api/posts?dryRun=true", draft)).json["warnings"] == []
    assert (await ada.post("/api/posts", draft)).json["warnings"] == []
