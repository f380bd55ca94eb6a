"""Notices over the API and on the page: list, unread count, read, and which kinds are mailed. What strangers see is in test_strangers.py."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from hayon.domain.notices import KINDS
from hayon.store import notices
from hayon.store.database import Tx
from tests.notifying.office import SENDER, Office, open_office
from tests.web.house import House, Visitor, open_house


async def tell(house: House, owner: Visitor, count: int) -> None:
    """So many notices of an account."""

    def work(tx: Tx) -> None:
        for number in range(count):
            notices.reconnection_needed(
                tx, UUID(str(owner.person_id)), uuid4(), "bluesky", f"ada{number}.test", "It was revoked.", tx.now()
            )

    await house.hayon.database.write(work)


async def listed(visitor: Visitor, query: str = "") -> Any:
    answer = await visitor.get(f"/api/notices{query}")
    assert answer.status == 200, answer.text
    return answer.json


async def test_a_list_with_an_unread_count_and_pages(house: House, ada: Visitor) -> None:
    await tell(house, ada, 5)
    first = await listed(ada, "?limit=2")
    assert (len(first["notices"]), first["unreadCount"]) == (2, 5)
    second = await listed(ada, f"?limit=2&cursor={first['nextCursor']}")
    third = await listed(ada, f"?limit=2&cursor={second['nextCursor']}")
    assert third["nextCursor"] is None
    seen = [one for page in (first, second, third) for one in page["notices"]]
    assert [one["facts"]["handle"] for one in seen] == [f"ada{number}.test" for number in range(4, -1, -1)]
    assert {one["kind"] for one in seen} == {"account.needs_reconnection"}
    assert (await ada.post(f"/api/notices/{seen[0]['noticeId']}/read")).status == 204
    unread = await listed(ada, "?unread=true")
    assert unread["unreadCount"] == len(unread["notices"]) == 4
    assert seen[0]["noticeId"] not in {one["noticeId"] for one in unread["notices"]}
    assert (await ada.get("/api/notices?cursor=nonsense")).status == 422


async def test_all_are_read_or_what_was_shown(house: House, ada: Visitor) -> None:
    await tell(house, ada, 3)
    shown = (await listed(ada))["notices"]
    await tell(house, ada, 1)
    assert (await ada.post("/api/notices/read", {"upTo": shown[0]["noticeId"]})).json == {"read": 3}
    assert (await listed(ada))["unreadCount"] == 1
    assert (await ada.post("/api/notices/read")).json == {"read": 1}
    assert (await listed(ada))["unreadCount"] == 0
    assert (await ada.post("/api/notices/read", {"upTo": str(uuid4())})).json == {"read": 0}


async def kinds(visitor: Visitor) -> Any:
    return (await visitor.get("/api/notices/kinds")).json


def mailed(told: Any) -> list[str]:
    return [one["kind"] for one in told["kinds"] if one["mailed"]]


async def test_people_choose_what_they_get_by_mail(ada: Visitor) -> None:
    told = await kinds(ada)
    assert [one["kind"] for one in told["kinds"]] == list(KINDS)
    assert mailed(told) == [kind.word for kind in KINDS.values() if kind.mailed]
    assert (told["sendsMail"], told["address"]) == (False, "ada@example.org")
    answer = await ada.ask("PUT", "/api/notices/kinds", {"mailed": ["post.completed", "post.completed"]})
    assert mailed(answer.json) == mailed(await kinds(ada)) == ["post.completed"]
    assert mailed((await ada.ask("PUT", "/api/notices/kinds", {"mailed": []})).json) == []
    assert mailed((await ada.ask("PUT", "/api/notices/kinds", {"mailed": None})).json) == mailed(told)
    wrong = await ada.ask("PUT", "/api/notices/kinds", {"mailed": ["password.reset"]})
    assert (wrong.status, wrong.rules) == (422, {("mailed", "unknown_kind")})


async def test_a_house_without_a_mail_server_says_so(ada: Visitor) -> None:
    answer = await ada.post("/api/notices/mail/test")
    assert (answer.status, "HAYON_SMTP_URL" in answer.text) == (409, True)
    page = await ada.get("/settings/mail")
    assert (page.status, "sends no mail" in page.text) == (200, True)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with open_office() as opened:
        yield opened


@pytest.fixture
async def mailing(folder: Path, office: Office) -> AsyncIterator[House]:
    async with open_house(folder, smtp_url=office.url(), mail_from=SENDER) as opened:
        yield opened


async def test_a_test_mail_arrives_and_is_not_asked_for_without_end(mailing: House, office: Office) -> None:
    ada = await mailing.register()
    answer = await ada.post("/api/notices/mail/test")
    assert (answer.status, answer.json["address"]) == (202, "ada@example.org")
    await mailing.hayon.leaving.send_once()
    assert office.recipients == ["ada@example.org"]
    assert office.mails[0]["Message-ID"] == f"<{answer.json['mailId']}@house.test>"
    assert [(await ada.post("/api/notices/mail/test")).status for _ in range(3)] == [202, 202, 429]


async def test_the_page_keeps_a_choice_and_sends_a_test(mailing: House, office: Office) -> None:
    ada = await mailing.register()
    csrf = {"csrf": (await ada.get("/settings/mail")).text.split('name="csrf" value="')[1].split('"')[0]}
    kept = await ada.post("/settings/mail", data=csrf | {"do": "keep", "mailed": "post.completed"})
    assert (kept.status, kept.headers["Location"]) == (303, "/settings/mail?told=mail")
    assert mailed(await kinds(ada)) == ["post.completed"]
    shown = (await ada.get("/settings/mail?told=mail")).text
    assert shown.count(" checked") == 1
    assert "Your choice is kept." in shown
    sent = await ada.post("/settings/mail", data=csrf | {"do": "test"})
    assert sent.headers["Location"] == "/settings/mail?told=mail-test"
    await mailing.hayon.leaving.send_once()
    assert office.recipients == ["ada@example.org"]
    wrong = await ada.post("/settings/mail", data=csrf | {"do": "keep", "mailed": "<b>"})
    assert (wrong.status, "<b>" in wrong.text) == (422, False)
    assert (await ada.post("/settings/mail", data={"csrf": "forged", "do": "keep"})).status == 403
