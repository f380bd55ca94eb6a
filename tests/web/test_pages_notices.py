"""The page of notices: the newest first, what is unread is marked in words, and what was shown is read by one button."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from hayon.domain.lifecycle import PostStatus
from hayon.store import notices
from hayon.store.database import Tx, new_id
from hayon.web import pages_notices
from tests.delivery.scripted import Scripted
from tests.web.house import House, Visitor
from tests.web.test_deciding import stage, wait_for
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_posts import make

__all__ = ["stage"]


async def tell(house: House, whose: Visitor, count: int = 1, error: str = "") -> list[str]:
    """So many notices about an account: their ids, the newest first."""

    def work(tx: Tx) -> list[str]:
        for number in range(count):
            notices.reconnection_needed(tx, whose.person_id, uuid4(), "bluesky", f"number-{number}", error, tx.now())
        found = notices.list_notices(tx, whose.person_id, unread_only=False, limit=count)
        return [str(one.id) for one in found]

    return await house.hayon.database.write(work)


def shown(text: str) -> list[str]:
    return re.findall(r'<li class="notice[^"]*" id="notice-([^"]+)"', text)


async def unread(visitor: Visitor) -> list[str]:
    return [one["noticeId"] for one in (await visitor.get("/api/notices?unread=true")).json["notices"]]


async def test_without_notices_the_page_says_what_comes_here(ada: Visitor) -> None:
    page = (await ada.get("/notices")).text
    assert "No notices yet" in page
    assert "/notices/read" not in page
    assert "You have read everything" in (await ada.get("/notices?unread=true")).text


async def test_notices_are_unread_until_they_were_shown_and_read(stage: tuple[House, Visitor, Scripted]) -> None:
    house, ada, _ = stage
    post_id = await make(ada)
    await wait_for(ada, post_id, "completed")
    for path in ("/", "/accounts", "/notices"):
        assert (
            '<span class="count">1<span class="visually-hidden"> not read</span></span>' in (await ada.get(path)).text
        )
    page = (await ada.get("/notices")).text
    assert "Your post is published on 1 account." in page
    assert f'href="/posts/{post_id}"' in page
    assert "</span>Unread</span>" in page
    form = (await read(ada, "/notices")).form("/notices/read")
    bob = await house.register("bob@example.org")
    theirs = form | {"csrf": (await read(bob)).form("/logout")["csrf"]}
    assert (await bob.post("/notices/read", data=theirs)).status == 303
    assert len(await unread(ada)) == 1
    assert (await ada.post("/notices/read", data=form | {"csrf": "x"})).status == 403
    assert (await ada.post("/notices/read", data=form | {"noticeId": "nonsense"})).status == 303
    assert len(await unread(ada)) == 1
    assert (await ada.post("/notices/read", data=form)).headers["Location"] == "/notices?told=notices"
    assert await unread(ada) == []
    page = (await ada.get("/notices?told=notices")).text
    assert "They are marked as read." in page
    assert "Your post is published on 1 account." in page
    assert ("/notices/read" in page.replace("read-one", ""), "</span>Unread</span>" in page) == (True, False)


async def test_what_came_after_the_page_was_loaded_stays_unread(house: House, ada: Visitor) -> None:
    await tell(house, ada, 2)
    page = await ada.get("/notices")
    assert "Mark all as read" in page.text
    form = [(name, value) for name, value in re.findall(r'name="(csrf|noticeId)" value="([^"]+)"', page.text)]
    (newer,) = await tell(house, ada)
    assert (await ada.post("/notices/read", data=form)).status == 303
    assert await unread(ada) == [newer]


async def test_one_alone_is_read(house: House, ada: Visitor) -> None:
    first, second = await tell(house, ada, 2)
    form = (await read(ada, "/notices?unread=true")).form("/notices/read")
    answer = await ada.post("/notices/read", data=form | {"noticeId": second})
    assert answer.headers["Location"] == "/notices?unread=true&told=notices"
    assert await unread(ada) == [first]
    assert shown((await ada.get("/notices?unread=true")).text) == [first]
    assert shown((await ada.get("/notices")).text) == [first, second]


async def test_many_come_in_pages_and_all_are_read_at_once(
    house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_notices, "PAGE", 3)
    ids = await tell(house, ada, 7)
    first = (await ada.get("/notices")).text
    assert shown(first) == ids[:3]
    assert "Mark these 3 as read" in first
    assert "Mark all 7 as read" in first
    seen, page = shown(first), first
    while older := re.search(r'href="(/notices\?cursor=[^"]+)">Older', page):
        page = (await ada.get(older[1])).text
        assert "Mark all" not in page, "that button would read what is on no page of theirs"
        seen += shown(page)
    assert seen == ids
    (newer,) = await tell(house, ada)
    (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', first))
    assert (await ada.post("/notices/read", data={"csrf": csrf, "upTo": ids[0]})).status == 303
    assert await unread(ada) == [newer]
    assert (await ada.post("/notices/read", data={"csrf": csrf, "upTo": "nonsense"})).status == 422
    assert (await ada.get("/notices?cursor=nonsense")).status == 422


async def test_each_leads_to_what_it_is_about(house: House, ada: Visitor) -> None:
    post_id, webhook_id = UUID(await make(ada)), uuid4()

    def work(tx: Tx) -> None:
        now, me = tx.now(), ada.person_id
        assert me is not None
        notices.posts_ended(tx, [notices.EndedPost(me, post_id, PostStatus.FAILED)], now)
        notices.reconnection_needed(tx, me, uuid4(), "bluesky", "ada.test", "", now)
        notices.webhook_disabled(tx, me, webhook_id, "http://hooks.invalid/secret", "it failed.", now)
        notices.password_changed(tx, me, now)
        notices.restored(tx, me, now, 1, 0, now)
        late = [notices.Late(post_id, new_id(now), "bluesky", "ada.test", now - timedelta(hours=1))]
        notices.too_late(tx, me, late, now)

    await house.hayon.database.write(work)
    page = (await ada.get("/notices")).text
    each = [re.findall(r'<a href="(/[^"]*)">', entry) for entry in page.split('<li class="notice')[1:]]
    assert sorted(each) == sorted([
        [f"/posts/{post_id}"], ["/"], ["/settings"], [f"/settings/webhooks/{webhook_id}"], ["/accounts"],
        [f"/posts/{post_id}"],
    ])  # fmt: skip


async def test_words_from_outside_are_escaped(house: House, ada: Visitor) -> None:
    await tell(house, ada, error=HOSTILE)
    page = (await ada.get("/notices")).text
    assert HOSTILE not in page
    assert Fields(page).inline == []


async def test_another_persons_are_not_shown(house: House, ada: Visitor) -> None:
    (hers,) = await tell(house, ada)
    bob = await house.register("bob@example.org")
    assert shown((await bob.get("/notices")).text) == []
    csrf = (await read(bob)).form("/logout")["csrf"]
    for given in ({"noticeId": hers}, {"upTo": hers}):
        assert (await bob.post("/notices/read", data={"csrf": csrf} | given)).status == 303
    assert await unread(ada) == [hers]
    assert (await house.visitor().get("/notices")).headers["Location"] == "/"


async def test_more_than_99_are_not_counted_further(house: House, ada: Visitor) -> None:
    await tell(house, ada, 120)
    assert '<span class="count">99+<span class="visually-hidden"> not read</span></span>' in (await ada.get("/")).text
