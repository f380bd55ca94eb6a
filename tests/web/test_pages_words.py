"""What the pages say: times with their zone, what needs a person, notices, and how a delivery under way stands."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hayon.store.schema import accounts, targets
from hayon.web.pages_view import moment
from tests.delivery.scripted import Scripted
from tests.web.house import House, Visitor
from tests.web.test_deciding import doubt, stage, wait_for
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_posts import later, make

__all__ = ["stage"]


@pytest.mark.parametrize(
    ("at", "zone", "shown"),
    [
        (datetime(2027, 5, 28, 0, 30, tzinfo=UTC), "Europe/Berlin", "Fri 28 May 2027, 02:30 Europe/Berlin"),
        (datetime(2027, 10, 31, 0, 30, tzinfo=UTC), "Europe/Berlin", "Sun 31 Oct 2027, 02:30 Europe/Berlin (UTC+02:00)"),
        (datetime(2027, 10, 31, 1, 30, tzinfo=UTC), "Europe/Berlin", "Sun 31 Oct 2027, 02:30 Europe/Berlin (UTC+01:00)"),
        (datetime(2027, 10, 31, 1, 30, tzinfo=UTC), "Europe/London", "Sun 31 Oct 2027, 01:30 Europe/London (UTC)"),
        (datetime(2027, 5, 28, 0, 30, tzinfo=UTC), "Gone/Nowhere", "Fri 28 May 2027, 00:30 UTC"),
    ],
)  # fmt: skip
def test_a_time_is_shown_with_its_zone(at: datetime, zone: str, shown: str) -> None:
    html = str(moment(at, zone))
    assert f">{shown}</time>" in html
    assert f'title="{at:%Y-%m-%d %H:%M:%S} UTC"' in html


async def test_a_post_shows_its_time_in_its_own_zone(ada: Visitor) -> None:
    await make(ada, scheduledAt="2030-05-28T02:30", timezone="Asia/Kolkata")
    page = (await ada.get("/")).text
    assert 'title="2030-05-27 21:00:00 UTC">Tue 28 May 2030, 02:30 Asia/Kolkata</time>' in page
    assert "It goes away here and will not be published." in page
    assert "<b>0</b>/300" in (await ada.get("/compose")).text


async def test_a_delivery_under_way_says_since_when_and_until_when(house: House, ada: Visitor) -> None:
    await ada.ask("PATCH", "/api/auth/me", {"timezone": "Europe/Berlin"})
    post_id = await make(ada)
    since = datetime(2030, 1, 1, 12, 0, 5, tzinfo=UTC)
    under_way = {"status": "processing", "claimed_at": since, "lease_until": since + timedelta(seconds=60)}
    await house.hayon.database.write(lambda tx: tx.run(sa.update(targets).values(**under_way)))
    page = (await ada.get(f"/posts/{post_id}")).text
    assert "Being delivered since" in page
    assert 'title="2030-01-01 12:00:05 UTC">13:00:05</time>' in page
    assert "it is taken up again by" in page
    assert ">13:01:05</time> Europe/Berlin" in page
    (target,) = (await ada.get(f"/api/posts/{post_id}/status")).json["platformStatuses"]
    assert target["claimedAt"] == "2030-01-01T12:00:05.000Z"
    assert target["leaseUntil"] == "2030-01-01T12:01:05.000Z"
    rested = {"status": "pending", "lease_until": None}
    await house.hayon.database.write(lambda tx: tx.run(sa.update(targets).values(**rested)))
    (target,) = (await ada.get(f"/api/posts/{post_id}/status")).json["platformStatuses"]
    assert (target["claimedAt"], target["leaseUntil"]) == (None, None)


async def test_an_address_that_cannot_be_taken_stays_in_the_question(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, _ = stage
    post_id, answers = await doubt(stage)
    path = f"/posts/{post_id}/resolve"
    form = (await read(ada, f"/posts/{post_id}")).form(path)
    for url, words in ((f"https://elsewhere.example/{HOSTILE}", "no address of a post"), ("", "Say where it is")):
        refused = await ada.post(path, data=form | {"do": "published", "url": url})
        assert (refused.status, words in refused.text) == (422, True)
        assert HOSTILE not in refused.text
        kept = Fields(refused.text).form(path)
        assert (kept["url"], kept["lookedAt"]) == (url, form["lookedAt"])
        assert f'id="why-{answers["targetId"]}"' in refused.text
        assert "open data-asked data-typed" in refused.text
    said = await ada.post(path, data=kept | {"do": "published", "url": "http://bluesky.invalid/r1"})
    assert said.headers["Location"] == f"/posts/{post_id}?told=resolve"


async def test_notices_are_shown_until_they_are_read(stage: tuple[House, Visitor, Scripted]) -> None:
    house, ada, _ = stage
    assert "/notices/read" not in (await ada.get("/")).text
    post_id = await make(ada)
    await wait_for(ada, post_id, "completed")
    for path in ("/", "/accounts"):
        page = (await ada.get(path)).text
        assert '<span class="count">1</span>' in page
        assert "Your post is published on 1 account." in page
        assert f'href="/posts/{post_id}"' in page
    form = (await read(ada)).form("/notices/read")
    bob = await house.register("bob@example.org")
    theirs = form | {"csrf": (await read(bob)).form("/logout")["csrf"]}
    assert (await bob.post("/notices/read", data=theirs)).status == 303
    assert len((await ada.get("/api/notices?unread=true")).json["notices"]) == 1
    assert (await ada.post("/notices/read", data=form | {"csrf": "x"})).status == 403
    assert (await ada.post("/notices/read", data=form | {"noticeId": "nonsense"})).status == 303
    assert len((await ada.get("/api/notices?unread=true")).json["notices"]) == 1
    assert (await ada.post("/notices/read", data=form)).headers["Location"] == "/"
    assert (await ada.get("/api/notices?unread=true")).json["notices"] == []
    assert "/notices/read" not in (await ada.get("/")).text


async def test_an_account_that_needs_reconnection_is_named(house: House, ada: Visitor) -> None:
    assert "connected again" not in (await ada.get("/")).text
    await house.hayon.database.write(lambda tx: tx.run(sa.update(accounts).values(needs_reconnection=True)))
    page = (await ada.get("/")).text
    assert "<b>ada.test</b> (Bluesky) has to be connected again" in page
    page = (await ada.get("/compose")).text
    assert 'Nothing can be published here until you <a href="/accounts">connect it again</a>.' in page


async def test_headings_say_what_did_not_work(house: House, ada: Visitor) -> None:
    form = (await read(ada, "/accounts")).form("/accounts") | {"platform": "friendster", "identifier": "x"}
    assert "<h2>Not connected</h2>" in (await ada.post("/accounts", data=form)).text
    post_id = await make(ada, scheduledAt=later())
    csrf = (await read(ada)).form("/logout")["csrf"]
    refused = await ada.post(f"/posts/{post_id}/decide", data={"csrf": csrf, "do": "dance"})
    assert (refused.status, "<h1>That did not work</h1>" in refused.text) == (422, True)


async def test_a_post_alone(house: House, ada: Visitor) -> None:
    post_id = await make(ada)
    page = await read(ada, f"/posts/{post_id}")
    assert page.form(f"/posts/{post_id}/decide")
    bob = await house.register("bob@example.org")
    assert (await bob.get(f"/posts/{post_id}")).status == 404
