"""The pages of operations: for admins alone; queues, the last day, the parking lot and the dead letters as they are."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon.brokers.rabbitmq.wire import write_bell
from hayon.errors import Conflict
from hayon.store.schema import targets
from hayon.web import pages_operations, parking
from tests.brokers.bells import make_bell
from tests.brokers.wires import send
from tests.delivery.scripted import Scripted
from tests.servers.ports import free_port
from tests.web.house import Answer, House, Visitor, at_work, open_house
from tests.web.test_deciding import wait_for
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_parking import listed, park
from tests.web.test_posts import later, make

LOT, LETTERS = "/operations/parking", "/operations/dead-letters"


async def press(admin: Visitor, path: str, do: str, *pairs: tuple[str, str]) -> Answer:
    """Presses a button of a page."""
    token = (await read(admin, "/settings")).form("/logout")["csrf"]
    return await admin.post(path, data=[("csrf", token), ("do", do), *pairs])


async def follow(admin: Visitor, answer: Answer) -> str:
    """What the page says after a button: its words of success, or its problem."""
    assert answer.status == 303, answer.text
    page = unescape((await admin.get(answer.headers["Location"])).text)
    said = re.findall(r'<p class="told" role="status">.*?<span>(.*?)</span></p>', page)
    return str(said[0]) if said else " ".join(re.findall(r"<li>(.*?)</li>", page.partition('role="alert"')[2]))[:200]


def ticks(page: str) -> list[tuple[str, str]]:
    """The boxes of the parking lot: their targets and names."""
    return re.findall(r'name="targetId" value="([^"]+)" aria-label="([^"]+)"', page)


async def set_code(house: House, target_id: str, code: str) -> None:
    statement = sa.update(targets).where(targets.c.id == UUID(target_id)).values(code=code)
    await house.hayon.database.write(lambda tx: tx.run(statement))


@pytest.fixture
async def bob(house: House, ada: Visitor) -> Visitor:
    visitor = await house.register("bob@example.org")
    await house.account(visitor, "mastodon", "bob@mastodon.test")
    await house.account(visitor, "bluesky", "bob.test")
    return visitor


@pytest.mark.parametrize("path", ["/operations", LOT, LETTERS])
async def test_they_are_for_admins_alone(house: House, ada: Visitor, bob: Visitor, path: str) -> None:
    await park(house, ada)
    assert (await ada.get(path)).status == 200
    refused = await bob.get(path)
    assert (refused.status, "Only an admin may do that." in refused.text, "ada.test" in refused.text) == (
        403,
        True,
        False,
    )
    assert (await house.visitor().get(path)).headers["Location"] == "/"
    assert 'href="/operations"' not in (await bob.get("/settings")).text
    if path != "/operations":
        _, target_id = await park(house, bob)
        given = ("targetId", target_id), ("letterId", "a")
        for do in ("replay", "discard", "replay-kind"):
            assert (await press(bob, path, do, *given)).status == 403
            for csrf in ("", (await read(bob)).form("/logout")["csrf"]):
                answer = await ada.post(path, data={"csrf": csrf, "do": do, **dict(given)})
                assert answer.status == 403
        assert await listed(bob) == [target_id]


async def test_how_it_stands_is_shown_in_numbers(house: House, ada: Visitor) -> None:
    page = (await ada.get("/operations")).text
    assert "never" in page
    assert "nothing due" in page
    assert "inside Hayon" in page
    await make(ada)
    await make(ada, scheduledAt=later())
    await park(house, ada)
    page = (await ada.get("/operations")).text
    bluesky = page.partition("</svg> Bluesky</th>")[2].partition("</tr>")[0]
    cells = re.findall(r'data-name="([^"]+)">([^<]*)<', bluesky)
    assert [name for name, _ in cells] == [
        "Planned or waiting", "Due now", "Oldest due, for", "In hand", "Unknown, being looked for"
    ]  # fmt: skip
    assert [cells[one][1] for one in (0, 1, 3, 4)] == ["2", "1", "0", "0"]
    assert re.fullmatch(r"[\d.]+ (s|min)", cells[2][1])
    assert re.search(r'href="/operations/parking">.*?<b>1</b>', page)


async def test_the_last_day_is_drawn_and_listed(house: House, ada: Visitor) -> None:
    house.hayon.platforms["bluesky"] = Scripted("bluesky")
    post_id = await make(ada)
    async with at_work(house.hayon):
        await wait_for(ada, post_id, "completed")
    await park(house, ada)
    page = (await ada.get("/operations")).text
    assert Fields(page).inline == []
    assert " style=" not in page
    assert page.count('role="img"') == 2
    assert "In the last 24 hours: 1 published, 1 not published, 0 unknown." in page
    assert "half within" in page
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", page)
    assert len(rows) == 24
    assert "(so far)" in rows[0]
    assert "never" not in page


async def test_parked_targets_are_named_with_reason_and_author(house: House, ada: Visitor, bob: Visitor) -> None:
    assert "The parking lot is empty" in (await ada.get(LOT)).text
    post_id, hers = await park(house, ada, f"No: {HOSTILE}")
    _, his = await park(house, bob)
    page = (await ada.get(LOT)).text
    assert HOSTILE not in page
    assert Fields(page).inline == []
    assert ticks(page) == [(his, "Bluesky, bob.test"), (hers, "Bluesky, ada.test")]
    assert "bob@example.org" in page
    assert f'href="/posts/{post_id}"' in page
    assert "That word is not allowed." in page


async def test_the_ticked_are_tried_again(house: House, ada: Visitor, bob: Visitor) -> None:
    (_, first), (_, second), (_, third) = [await park(house, bob) for _ in range(3)]
    ticked = ("targetId", first), ("targetId", second), ("targetId", str(uuid4()))
    said = await follow(ada, await press(ada, LOT, "replay", *ticked))
    assert said == "2 are being tried again. 1 could not be: it is not parked any more, or its post is gone."
    assert await listed(bob) == [third]


async def test_the_ticked_are_discarded(house: House, ada: Visitor, bob: Visitor) -> None:
    post_id, target_id = await park(house, bob)
    said = await follow(ada, await press(ada, LOT, "discard", ("targetId", target_id)))
    assert said == "1 is out of the parking lot. It stays failed."
    assert (await bob.get(f"/api/posts/{post_id}/status")).json["status"] == "FAILED"
    assert await listed(bob) == []


@pytest.mark.parametrize("path", [LOT, LETTERS])
async def test_nothing_ticked_is_said(house: House, ada: Visitor, path: str) -> None:
    _, target_id = await park(house, ada)
    for do in ("replay", "discard"):
        assert "Nothing was ticked." in await follow(ada, await press(ada, path, do))
    assert (await press(ada, path, "dance")).status == 422
    assert await listed(ada) == [target_id]


async def test_one_kind_is_shown_alone_and_tried_again_as_a_whole(house: House, ada: Visitor, bob: Visitor) -> None:
    made = [(await park(house, ada if number % 2 else bob))[1] for number in range(6)]
    for target_id, code in zip(made, ("BadWord", "BadWord", "Suspended", "Suspended", "", "a&b=c"), strict=True):
        await set_code(house, target_id, code)
    page = (await ada.get(LOT)).text
    kinds = {unescape(link) for link in re.findall(r'class="kind" href="([^"]+)"', page)}
    assert kinds == {LOT, f"{LOT}?platform=bluesky"} | {
        f"{LOT}?platform=bluesky&code={code}" for code in ("BadWord", "Suspended", "", "a%26b%3Dc")
    }  # fmt: skip
    for code, those in (("BadWord", made[:2]), ("", made[4:5]), ("a%26b%3Dc", made[5:])):
        shown = (await ada.get(f"{LOT}?platform=bluesky&code={code}")).text
        assert sorted(one for one, _ in ticks(shown)) == sorted(those)
    assert "Nothing of this kind is parked" in (await ada.get(f"{LOT}?platform=tumblr")).text
    kind = ("platform", "bluesky"), ("code", "BadWord")
    answer = await press(ada, LOT, "replay-kind", *kind)
    assert "platform=bluesky&code=BadWord" in answer.headers["Location"]
    assert await follow(ada, answer) == "2 are being tried again."
    assert sorted(await listed(ada, "?everybody=true")) == sorted(made[2:])
    assert await follow(ada, await press(ada, LOT, "replay-kind")) == "4 are being tried again."
    assert await listed(ada, "?everybody=true") == []


async def test_of_a_kind_so_many_at_once_and_what_is_stuck_hinders_no_other(
    house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "AT_ONCE_LIMIT", 3)
    made = [await park(house, ada) for _ in range(5)]
    stuck = made[-1][0]
    retry = house.hayon.submission.retry

    async def refusing(user_id: UUID, post_id: UUID, target_ids: Any) -> Any:
        if str(post_id) == stuck:
            raise Conflict("Not now.")
        return await retry(user_id, post_id, target_ids)

    monkeypatch.setattr(type(house.hayon.submission), "retry", lambda _, *args: refusing(*args))
    said = await follow(ada, await press(ada, LOT, "replay-kind"))
    assert said == "3 are being tried again. 1 could not be: it is not parked any more, or its post is gone."
    assert await listed(ada) == [made[4][1], made[0][1]]


async def test_older_ones_are_on_the_next_page(house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_operations, "PAGE", 2)
    made = [(await park(house, ada))[1] for _ in range(5)][::-1]
    page = (await ada.get(f"{LOT}?platform=bluesky")).text
    seen = [one for one, _ in ticks(page)]
    while older := re.search(r'class="older"><a href="([^"]+)"', page):
        assert "platform=bluesky" in older[1]
        page = (await ada.get(unescape(older[1]))).text
        seen += [one for one, _ in ticks(page)]
    assert seen == made


async def test_without_rabbitmq_there_are_no_dead_letters(ada: Visitor) -> None:
    page = await ada.get(LETTERS)
    assert (page.status, "They exist only with RabbitMQ" in page.text) == (200, True)


@pytest.fixture
async def bells(folder: Path, rabbitmq_url: str) -> AsyncIterator[tuple[Visitor, str]]:
    """The admin of pages beside a RabbitMQ, and its address."""
    async with open_house(folder, broker_url=rabbitmq_url) as opened:
        yield await opened.register(), rabbitmq_url


async def test_dead_letters_are_shown_rung_again_and_discarded(bells: tuple[Visitor, str]) -> None:
    ada, url = bells
    assert "No dead letters" in (await ada.get(LETTERS)).text
    assert "RabbitMQ answers" in (await ada.get("/operations")).text
    await send(url, "dlx_exchange", "dead", HOSTILE.encode(), headers={"x-reason": HOSTILE})
    message = write_bell(make_bell("bluesky"))
    await send(url, "dlx_exchange", "dead", message.body, message_id=message.message_id)
    page = (await ada.get(LETTERS)).text
    assert HOSTILE not in page
    assert Fields(page).inline == []
    assert "No bell that can be read" in page
    assert "A bell for Bluesky" in page
    ids = [("letterId", one) for one in re.findall(r'name="letterId" value="([^"]+)"', page)]
    said = await follow(ada, await press(ada, LETTERS, "replay", *ids))
    assert said == "1 was rung again. 1 was not: it is no bell that can be read, or not there any more."
    assert await follow(ada, await press(ada, LETTERS, "discard", ids[0])) == "1 is gone."
    assert "No dead letters" in (await ada.get(LETTERS)).text


async def test_a_broker_that_is_away_hinders_no_other_number(folder: Path) -> None:
    async with open_house(folder, broker_url=f"amqp://somebody:unspoken@127.0.0.1:{free_port()}/") as house:
        ada = await house.register()
        page = await ada.get("/operations")
        assert (page.status, "not reached" in page.text, "cannot be reached" in page.text) == (200, True, True)
        for answer in (await ada.get(LETTERS), await press(ada, LETTERS, "discard", ("letterId", "a"))):
            assert "cannot be reached" in answer.text
            assert "unspoken" not in answer.text


async def test_on_postgresql_processes_are_counted_by_what_they_do(folder: Path, migrated_postgres_url: str) -> None:
    async with open_house(folder, database_url=migrated_postgres_url) as house:
        ada = await house.register()
        assert "No worker is connected" in (await ada.get("/operations")).text
        async with at_work(house.hayon):
            for _ in range(200):
                page = (await ada.get("/operations")).text
                if "1 × relay + web + worker" in page:
                    break
            assert "1 × relay + web + worker" in page
            assert "No worker is connected" not in page
        await house.account(ada)
        await park(house, ada)
        assert ticks((await ada.get(LOT)).text)


async def test_what_no_database_can_look_for_is_no_kind(ada: Visitor) -> None:
    assert (await ada.get(f"{LOT}?code=%00")).status == 404
    assert (await ada.get("/api/parking?code=%00")).status == 422
    assert (await press(ada, LOT, "replay-kind", ("code", "\x00"))).status == 422
