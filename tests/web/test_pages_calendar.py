"""The calendar: what stands where, filters, and moving a post with every way that it can be refused. Over HTTP."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.store.schema import posts, users
from hayon.web import posts as web_posts
from tests.web.house import House, Visitor
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_posts import make

PART = {"X-Part": "calendar"}
BERLIN = "Europe/Berlin"


@pytest.fixture
async def ben(house: House, ada: Visitor) -> Visitor:
    """Ada, who lives in Berlin."""
    assert (await ada.ask("PATCH", "/api/auth/me", {"timezone": BERLIN})).status == 200
    return ada


async def plan(visitor: Visitor, at: str = "2030-03-29T09:00", **more: Any) -> str:
    """A post that is planned in Berlin."""
    return await make(visitor, **{"scheduledAt": at, "timezone": BERLIN} | more)


async def page(visitor: Visitor, query: str = "on=2030-03-29", **more: Any) -> str:
    """The calendar, fit for everybody."""
    answer = await visitor.get(f"/calendar?{query}", **more)
    assert answer.status == 200, answer.text
    fields = Fields(answer.text)
    assert fields.inline == []
    assert fields.ids <= fields.labelled
    return answer.text


def cell(text: str, day: str) -> str:
    """A day of a month."""
    found = re.search(rf'<td class="day[^>]*data-day="{day}".*?</td>', text, re.DOTALL)
    assert found is not None
    return found[0]


def hours(text: str, day: str) -> list[str]:
    """The hours of a day of a week."""
    return re.findall(
        rf'<div class="hour[^>]*data-day="{day}".*?(?=<div class="hour|<div class="row-of|</section>)', text, re.DOTALL
    )


async def wish(
    visitor: Visitor, post_id: str, to: str, *, version: int = 1, where: str = "on=2030-03-29", **options: Any
) -> Any:
    """A wish to move a post, as the script sends it."""
    csrf = (await read(visitor, "/calendar")).form("/logout")["csrf"]
    form = {"csrf": csrf, "postId": post_id, "version": str(version), "to": to}
    return await visitor.post(f"/calendar/move?{where}", data=form, headers=PART, **options)


async def when(visitor: Visitor, post_id: str) -> tuple[str, int]:
    """For which time a post is planned, and its version."""
    post = (await visitor.get(f"/api/posts/{post_id}")).json
    return post["scheduledAt"], post["version"]


async def test_a_month_shows_posts_in_the_zone_of_whoever_looks(house: House, ben: Visitor) -> None:
    await house.account(ben, "mastodon", "ada@social.test")
    await plan(ben, selectedPlatforms=["bluesky", "mastodon"])
    await plan(ben, "2030-03-29T23:30", timezone="America/New_York", content={"text": "Late"})
    await plan(ben, "2030-03-29T21:00", draft=True, content={"text": ""})
    text = await page(ben)
    assert "<caption" in text
    assert "Times are in Europe/Berlin" in text
    assert text.count("<td class=") == 42
    there, after = cell(text, "2030-03-29"), cell(text, "2030-03-30")
    assert "09:00" in there
    assert "Hello from the garden" in there
    assert "Scheduled, Bluesky, Mastodon: " in there
    assert "Draft, Bluesky: " in there
    assert "Nothing written yet" in there
    assert "04:30" in after
    assert "Fri 23:30 New York" in after
    assert 'aria-label="Friday 29 March, 2 posts"' in there
    assert 'aria-label="Write for Friday 29 March"' in there
    assert 'href="/compose?on=2030-03-29"' in there


async def test_a_chip_shows_hours_and_minutes_and_its_form_keeps_the_seconds(ben: Visitor) -> None:
    await plan(ben, "2030-03-29T09:00:41")
    await plan(ben, "2030-03-29T10:00")
    there = cell(await page(ben), "2030-03-29")
    assert re.findall(r"<time [^>]*>([^<]+)</time>", there)[::2] == ["09:00", "10:00"]
    assert re.findall(r'data-time="([^"]+)"', there) == ["09:00:41", "10:00"]
    assert re.findall(r'type="time" name="time" value="([^"]+)" step="(\d+)"', there) == [
        ("09:00:41", "1"),
        ("10:00", "60"),
    ]


async def test_today_is_marked_with_a_word_and_past_days_take_no_posts(ben: Visitor) -> None:
    text = await page(ben, "")
    assert text.count(">Today</span>") == 1
    (today,) = re.findall(r'<td class="day today" data-drop data-day="([^"]+)"', text)
    days = re.findall(r'data-day="([^"]+)"', text)
    assert days == sorted(days)
    writable = re.findall(r'href="/compose\?on=([^"]+)"', text)
    assert writable == [day for day in days if day >= today]


async def test_of_a_full_day_a_few_are_shown_and_the_rest_is_counted(ben: Visitor) -> None:
    for minute in range(7):
        await plan(ben, f"2030-03-29T09:0{minute}")
    there = cell(await page(ben), "2030-03-29")
    assert (there.count("<details"), "4 more<" in there) == (3, True)
    assert "view=list&amp;on=2030-03-29" in there
    (full,) = [one for one in hours(await page(ben, "view=week&on=2030-03-29"), "2030-03-29") if "<details" in one]
    assert (full.count("<details"), "4 more<" in full) == (3, True)


async def test_a_list_goes_by_days_and_pages(ben: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hayon.web.pages_calendar.LIST_PAGE", 2)
    for day, text in ((29, "First"), (29, "Second"), (30, "Third"), (28, "Before"), (29, "Zero")):
        await plan(ben, f"2030-03-{day}T{10 if text != 'Zero' else '09'}:00", content={"text": text})
    first = await page(ben, "view=list&on=2030-03-29")
    assert re.findall(r"<span>(Zero|First|Second|Third|Before)</span>", first) == ["Zero", "First"]
    assert "Friday 29 March" in first
    (following,) = re.findall(r'href="/calendar\?([^"]+)">More of these days', first)
    second = await page(ben, following.replace("&amp;", "&"))
    assert re.findall(r"<span>(Zero|First|Second|Third|Before)</span>", second) == ["Second", "Third"]
    assert "The next 30 days" in second
    empty = await page(ben, "view=list&on=2031-03-29")
    assert "Nothing here" in empty
    assert 'href="/compose?on=2031-03-29"' in empty


@pytest.mark.parametrize(("day", "count", "said"), [
    ("2030-03-29", 24, ""),
    ("2030-03-31", 23, "02:00 is skipped: the clocks go forward"),
    ("2030-10-27", 25, "02:00 (UTC+01:00)"),
])  # fmt: skip
async def test_a_week_has_the_hours_that_its_days_have(ben: Visitor, day: str, count: int, said: str) -> None:
    text = await page(ben, f"view=week&on={day}")
    found = hours(text, day)
    assert len(found) == count
    assert said in text
    assert f'href="/compose?at={day}T14:00"' in text
    assert 'aria-label="Previous week"' in text


async def test_both_hours_of_the_day_the_clocks_go_back_hold_their_own_posts(ben: Visitor) -> None:
    first = await plan(ben, "2030-10-27T02:30+02:00")
    second = await plan(ben, "2030-10-27T02:15+01:00")
    found = hours(await page(ben, "view=week&on=2030-10-27"), "2030-10-27")
    assert [number for number, one in enumerate(found) if first in one] == [2]
    assert [number for number, one in enumerate(found) if second in one] == [3]
    assert 'data-offset="+02:00"' in found[2]
    assert 'data-offset="+01:00"' in found[3]
    assert "UTC+01:00" in cell(await page(ben, "on=2030-10-27"), "2030-10-27")


async def test_what_was_sent_at_once_stands_where_it_was_handed_in(house: House, ben: Visitor) -> None:
    post_id = await make(ben)
    draft = await make(ben, draft=True)
    text = await page(ben, "")
    assert f'href="/posts/{post_id}"' in text
    assert draft not in text
    past = datetime.now(UTC) - timedelta(days=400)
    change = sa.update(posts).where(posts.c.id == UUID(draft)).values(created_at=past)
    await house.hayon.database.write(lambda tx: tx.run(change))
    assert (await ben.post(f"/api/posts/{draft}/submit")).status == 200
    assert f"chip-{draft}" in await page(ben, "")


async def test_only_what_was_not_sent_can_be_moved(house: House, ben: Visitor) -> None:
    planned, sent = await plan(ben), await plan(ben)
    change = sa.update(posts).where(posts.c.id == UUID(sent)).values(status="COMPLETED")
    await house.hayon.database.write(lambda tx: tx.run(change))
    text = await page(ben)
    assert re.search(rf'<details[^>]*id="chip-{planned}"[^>]*data-movable', text)
    assert re.search(rf'<a class="chip green" id="chip-{sent}" href="/posts/{sent}"', text)
    assert "Details of " in text


async def test_filters_by_account_and_state(house: House, ben: Visitor) -> None:
    mastodon = await house.account(ben, "mastodon", HOSTILE)
    here = await plan(ben)
    there = await plan(ben, selectedPlatforms=["mastodon"])
    draft = await plan(ben, selectedPlatforms=[], accountIds=[str(mastodon)], draft=True)
    asking = await plan(ben, "2030-03-30T10:00")
    change = sa.update(posts).where(posts.c.id == UUID(asking)).values(needs_attention=True)
    await house.hayon.database.write(lambda tx: tx.run(change))

    async def shown(query: str) -> set[str]:
        text = await page(ben, f"on=2030-03-29&{query}")
        assert HOSTILE not in text
        return set(re.findall(r'id="chip-([^"]+)"', text))

    for view in ("month", "week", "list"):
        assert await shown(f"view={view}&account=&state=") == {here, there, draft, asking}
        assert await shown(f"view={view}&account={mastodon}") == {there, draft}
        assert await shown(f"view={view}&account={mastodon}&state=DRAFT") == {draft}
        assert await shown(f"view={view}&state=SCHEDULED") == {here, there}
        assert await shown(f"view={view}&state=attention") == {asking}
    kept = Fields(await page(ben, f"on=2030-03-29&account={mastodon}&state=DRAFT"))
    shown_now = {"view": "month", "on": "2030-03-29", "account": str(mastodon), "state": "DRAFT"}
    assert kept.form("/calendar") == shown_now
    (moving,) = [one["action"] for one in kept.forms if "move" in one["action"]]
    assert f"account={mastodon}" in moving


@pytest.mark.parametrize("query", [
    "view=year", "on=2030-02-30", "on=tomorrow", "on=1999-12-31", "on=9999-12-31", "state=HAPPY", "account=b7f4b221-1627-4fd6-9772-c4653793fd5b", "account=x",
])  # fmt: skip
async def test_what_is_not_there(ben: Visitor, query: str) -> None:
    assert (await ben.get(f"/calendar?{query}")).status == 404


async def test_nobody_sees_or_moves_the_posts_of_others(house: House, ben: Visitor) -> None:
    post_id = await plan(ben)
    bob = await house.register("bob@example.org")
    assert post_id not in await page(bob)
    account = (await ben.get("/api/accounts")).json["accounts"][0]["accountId"]
    assert (await bob.get(f"/calendar?account={account}")).status == 404
    assert "Moved" not in await page(bob, f"moved={post_id}")
    refused = await wish(bob, post_id, "2030-04-01T09:00")
    assert (refused.status, "There is no such post." in refused.text) == (404, True)
    assert await when(ben, post_id) == ("2030-03-29T08:00:00.000Z", 1)
    assert (await house.visitor().get("/calendar")).headers["Location"] == "/"
    program = await house.program(ben)
    assert (await program.get("/calendar")).headers["Location"] == "/"


async def test_a_move_keeps_the_time_that_is_shown_and_can_be_undone(ben: Visitor) -> None:
    """Over the change of the clocks: 09:00 stays 09:00, and the zone it was planned in stays its own."""
    post_id = await plan(ben, "2030-03-29T13:30", timezone="Asia/Kolkata")
    answer = await wish(ben, post_id, "2030-04-01T09:00")
    assert answer.status == 200
    assert "<html" not in answer.text
    assert "Moved to Mon 1 April, 09:00" in answer.text
    assert post_id in cell(answer.text, "2030-04-01")
    assert await when(ben, post_id) == ("2030-04-01T07:00:00.000Z", 2)
    assert (await ben.get(f"/api/posts/{post_id}")).json["timezone"] == "Asia/Kolkata"
    undo = Fields(answer.text.partition('id="said"')[2]).form(r"/calendar/move\?.*")
    assert undo["version"] == "2"
    back = await ben.post("/calendar/move?on=2030-03-29", data=undo, headers=PART)
    assert "Moved to Fri 29 March, 09:00" in back.text
    assert await when(ben, post_id) == ("2030-03-29T08:00:00.000Z", 3)


async def test_an_undo_overwrites_nobodys_edit(ben: Visitor) -> None:
    post_id = await plan(ben)
    moved = await wish(ben, post_id, "2030-04-01T09:00")
    undo = Fields(moved.text.partition('id="said"')[2]).form(r"/calendar/move\?.*")
    assert (await ben.ask("PATCH", f"/api/posts/{post_id}", {"content": {"text": "Edited meanwhile"}})).status == 200
    answer = await ben.post("/calendar/move?on=2030-03-29", data=undo, headers=PART)
    assert (answer.status, "changed in between" in answer.text, "It was not moved." in answer.text) == (409, True, True)
    assert "Edited meanwhile" in cell(answer.text, "2030-04-01")
    assert await when(ben, post_id) == ("2030-04-01T07:00:00.000Z", 3)


async def test_an_undo_knows_the_version_that_its_move_made(ben: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody edits between the move and its answer: what is offered then must not overwrite that."""
    post_id, edit = await plan(ben), web_posts.edit_post

    async def meddled(*given: Any) -> Any:
        moved = await edit(*given)
        assert (await ben.ask("PATCH", f"/api/posts/{post_id}", {"content": {"text": "Edited"}})).status == 200
        return moved

    csrf = (await read(ben, "/calendar")).form("/logout")["csrf"]
    monkeypatch.setattr("hayon.web.pages_calendar.posts", SimpleNamespace(edit_post=meddled))
    form = {"csrf": csrf, "postId": post_id, "version": "1", "to": "2030-04-01T09:00"}
    answer = await ben.post("/calendar/move?on=2030-03-29", data=form, headers=PART)
    assert Fields(answer.text.partition('id="said"')[2]).form(r"/calendar/move\?.*")["version"] == "2"
    assert await when(ben, post_id) == ("2030-04-01T07:00:00.000Z", 3)


@pytest.mark.parametrize(("to", "words"), [
    ("2020-03-29T09:00", "That time is past."),
    ("2030-03-31T02:30", "does not exist in Europe/Berlin"),
    ("2030-10-27T02:30", "exists twice in Europe/Berlin"),
    ("T", "Give a date and a time."),
    ("2099-01-01T09:00", "five years ahead"),
    ("x" * 65, "not moved"),
])  # fmt: skip
async def test_a_time_that_cannot_be_is_told_in_words(ben: Visitor, to: str, words: str) -> None:
    post_id = await plan(ben)
    answer = await wish(ben, post_id, to)
    assert (answer.status, words in answer.text, "It was not moved." in answer.text) == (422, True, True)
    assert post_id in cell(answer.text, "2030-03-29")
    assert await when(ben, post_id) == ("2030-03-29T08:00:00.000Z", 1)


async def test_of_an_hour_that_exists_twice_one_is_chosen(ben: Visitor) -> None:
    post_id = await plan(ben)
    answer = await wish(ben, post_id, "2030-10-27T02:30")
    assert "02:30 (UTC+02:00)" in answer.text
    forms = Fields(answer.text.partition('id="said"')[2]).forms
    second = forms[1]["fields"]
    moved = await ben.post("/calendar/move?on=2030-10-27", data=second, headers=PART)
    assert moved.status == 200
    assert await when(ben, post_id) == ("2030-10-27T01:30:00.000Z", 2)


async def test_a_drag_to_this_minute_does_not_publish(ben: Visitor) -> None:
    """Where an edit takes a time just past for "now"."""
    post_id = await plan(ben)
    answer = await wish(ben, post_id, (datetime.now(UTC) - timedelta(seconds=20)).isoformat())
    assert (answer.status, "That time is past." in answer.text) == (422, True)
    assert (await ben.get(f"/api/posts/{post_id}")).json["status"] == "SCHEDULED"


async def test_what_was_sent_is_not_moved(house: House, ben: Visitor) -> None:
    post_id = await plan(ben)
    assert (await ben.post(f"/api/posts/{post_id}/cancel")).status == 200
    answer = await wish(ben, post_id, "2030-04-01T09:00")
    assert (answer.status, "It is too late to change this post" in answer.text) == (409, True)


async def test_what_the_rules_say_today_is_told(ben: Visitor) -> None:
    post_id = await plan(ben)
    (account,) = (await ben.get("/api/accounts")).json["accounts"]
    assert (await ben.ask("DELETE", f"/api/accounts/{account['accountId']}")).status in {200, 204}
    answer = await wish(ben, post_id, "2030-04-01T09:00")
    assert (answer.status, "No bluesky account is connected" in answer.text) == (422, True)


async def test_a_draft_stays_a_draft_when_it_is_moved(ben: Visitor) -> None:
    post_id = await plan(ben, draft=True, content={"text": ""})
    assert (await wish(ben, post_id, "2030-04-01T09:00")).status == 200
    post = (await ben.get(f"/api/posts/{post_id}")).json
    assert (post["status"], post["scheduledAt"]) == ("DRAFT", "2030-04-01T07:00:00.000Z")


async def test_moving_without_scripts(ben: Visitor) -> None:
    post_id = await plan(ben)
    address = "/calendar?on=2030-03-29&state=SCHEDULED"
    fields = await read(ben, address)
    (action,) = [one["action"] for one in fields.forms if "move" in one["action"]]
    form = fields.form(re.escape(action))
    assert (form["date"], form["time"], form["version"]) == ("2030-03-29", "09:00", "1")
    answer = await ben.post(action, data=form | {"date": "2030-04-02", "time": "10:15"})
    assert answer.status == 303
    there = await ben.get(answer.headers["Location"])
    assert "Moved to Tue 2 April, 10:15" in there.text
    assert "state=SCHEDULED" in answer.headers["Location"]
    (undo,) = [one for one in Fields(there.text.partition('id="said"')[2]).forms if "move" in one["action"]]
    assert (await ben.post(undo["action"], data=undo["fields"])).status == 303
    assert await when(ben, post_id) == ("2030-03-29T08:00:00.000Z", 3)
    refused = await ben.post(action, data=form | {"date": "2030-03-31", "time": "02:30"})
    assert (refused.status, "<h1>Calendar</h1>" in refused.text, "does not exist" in refused.text) == (422, True, True)
    assert (await ben.get(f"/calendar?moved={post_id}&was=yesterday")).status == 200


async def test_a_move_comes_from_a_page_of_ours(ben: Visitor) -> None:
    post_id = await plan(ben)
    form = {"postId": post_id, "version": "1", "to": "2030-04-01T09:00"}
    assert (await ben.post("/calendar/move", data=form)).status == 403
    csrf = (await read(ben, "/calendar")).form("/logout")["csrf"]
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (await ben.post("/calendar/move", data=form | {"csrf": csrf}, headers=foreign)).status == 403
    assert (await ben.post("/calendar/move", data={"csrf": csrf, "postId": "x", "version": "x"})).status == 422
    assert await when(ben, post_id) == ("2030-03-29T08:00:00.000Z", 1)


async def test_a_zone_that_is_no_longer_known_is_utc(house: House, ben: Visitor) -> None:
    await plan(ben)
    change = sa.update(users).where(users.c.id == ben.person_id).values(timezone="Atlantis/Old_Town")
    await house.hayon.database.write(lambda tx: tx.run(change))
    text = await page(ben)
    assert "Times are in UTC" in text
    assert "08:00" in cell(text, "2030-03-29")


async def test_words_are_escaped_and_cut(ben: Visitor) -> None:
    await plan(ben, content={"text": HOSTILE + "x" * 250})
    text = await page(ben)
    assert HOSTILE not in text
    assert "x" * 130 not in text
