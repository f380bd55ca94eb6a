"""A post's own page: each target with whose turn it is, decisions about one of them, what was said, and every try."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hayon.domain.lifecycle import WaitsFor
from hayon.errors import RateLimited, Rejected, Unavailable
from hayon.store.schema import targets
from tests.delivery.scripted import Scripted
from tests.web.house import House, Visitor
from tests.web.test_deciding import doubt, stage, wait_for
from tests.web.test_media import picture, upload
from tests.web.test_pages import HOSTILE, read
from tests.web.test_posts import later, make

__all__ = ["stage"]


async def page_of(visitor: Visitor, post_id: str) -> str:
    """The page, as text; fit for everybody."""
    await read(visitor, f"/posts/{post_id}")
    return (await visitor.get(f"/posts/{post_id}")).text


async def target_of(visitor: Visitor, post_id: str) -> dict[str, Any]:
    """The first target."""
    found: dict[str, Any] = (await visitor.get(f"/api/posts/{post_id}/status")).json["platformStatuses"][0]
    return found


async def wait_for_rule(visitor: Visitor, post_id: str, rule: str) -> str:
    """The page of the post, once its first target waits by this rule."""
    async with asyncio.timeout(20):
        while True:
            if (await target_of(visitor, post_id))["waitsFor"] == rule:
                return await page_of(visitor, post_id)
            await asyncio.sleep(0.05)


async def decide(visitor: Visitor, post_id: str, **given: str) -> Any:
    """A button on the post's page."""
    csrf = (await read(visitor)).form("/logout")["csrf"]
    return await visitor.post(f"/posts/{post_id}/decide", data={"csrf": csrf, "on": "post"} | given)


async def test_the_time_in_every_zone_that_matters(ada: Visitor) -> None:
    await ada.ask("PATCH", "/api/auth/me", {"timezone": "Europe/Berlin"})
    post_id = await make(ada, scheduledAt="2030-05-28T02:30", timezone="Asia/Kolkata")
    page = await page_of(ada, post_id)
    for shown in (
        "Mon 27 May 2030, 23:00 Europe/Berlin",
        "Tue 28 May 2030, 02:30 Asia/Kolkata",
        "Mon 27 May 2030, 21:00 UTC",
    ):
        assert f">{shown}</time>" in page
    assert 'aria-label="Bluesky, ada.test"' in page
    assert "Nothing was tried yet." in page


async def test_what_is_said_everywhere_and_differently(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", "ada@social.test")
    file = await upload(ada, picture())
    post_id = await make(
        ada, content={"text": f"Said once {HOSTILE}", "mediaItems": [{"mediaId": file, "altText": "A green square"}]},
        selectedPlatforms=["bluesky", "mastodon"], scheduledAt=later(),
        platformSpecificContent={"mastodon": {"text": "Said to many", "options": {"visibility": "unlisted"}}},
    )  # fmt: skip
    page = await page_of(ada, post_id)
    assert "Differently on Mastodon" in page
    for words in ("Said to many", "<dt>visibility</dt><dd>unlisted</dd>", ">A green square</figcaption>", "Said once"):
        assert words in page
    assert HOSTILE not in page


async def test_every_try_is_told_in_order(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, scripted = stage
    scripted.preparing.append(Unavailable("The platform is not well.", code="Sick", http_status=503))
    post_id = await make(ada)
    await wait_for(ada, post_id, "completed")
    page = await page_of(ada, post_id)
    tries = re.findall(r"Try (\d)</b>", page)
    assert tries == ["1", "2"]
    first, second = page[page.index("Every try") :].split("Try 2")
    for words in ("It did not work", "The platform is not well.", "HTTP 503", "<code>Sick</code>", "took "):
        assert words in first
    assert "Published" in second
    assert "settled by proof that it is there" in second
    standing = (await ada.get(f"/posts/{post_id}/standing")).text
    assert standing.lstrip().startswith(f'<article class="standing" id="post-{post_id}" aria-label="Post, Published"')
    assert "data-watch" not in standing


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (WaitsFor.PLATFORM, "Bluesky asks us to wait until then."),
        (WaitsFor.PAUSE, "That is our own pause between tries; Bluesky named no time."),
        (WaitsFor.ALLOWANCE, "its turn within what Bluesky lets this account do"),
        (WaitsFor.APP, "what Bluesky lets all accounts of this Hayon do together is used up"),
        (WaitsFor.HOST, "Bluesky cannot be reached from here"),
        ("", ""),
    ],
)  # fmt: skip
async def test_whose_rule_a_wait_is(house: House, ada: Visitor, rule: str, words: str) -> None:
    post_id = await make(ada)
    due = datetime(2030, 5, 28, 12, 5, tzinfo=UTC)
    waiting = {"waits_for": str(rule), "due_at": due, "claims": 1, "attempts": 2, "message": "Not now."}
    await house.hayon.database.write(lambda tx: tx.run(sa.update(targets).values(waiting)))
    page = await page_of(ada, post_id)
    assert "Next try <time" in page
    assert "data-countdown" in page
    assert "after 2 tries" in page
    assert words in page
    assert ("at <time" in page) is bool(words)
    assert (await target_of(ada, post_id))["waitsFor"] == (rule or None)


async def test_a_platform_that_names_a_time_is_told_from_our_own_pause(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, scripted = stage
    until = datetime.now(UTC) + timedelta(hours=1)
    scripted.preparing.append(RateLimited("Too many posts.", until=until))
    post_id = await make(ada)
    page = await wait_for_rule(ada, post_id, "platform")
    assert "Bluesky asks us to wait until then." in page
    # another post of the account waits for the same time, and says the same
    second = await make(ada)
    assert "Bluesky asks us to wait until then." in await wait_for_rule(ada, second, "platform")


async def test_a_time_that_no_platform_named_is_our_own_pause(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, scripted = stage
    scripted.preparing.append(RateLimited("Slower.", until=datetime.now(UTC) + timedelta(hours=1), guessed=True))
    for post_id in (await make(ada), await make(ada)):
        assert "Bluesky named no time" in await wait_for_rule(ada, post_id, "pause")
    third = await make(ada)  # finds the account limited already
    assert "left alone for a while" in await wait_for_rule(ada, third, "pause")


async def test_one_target_is_stopped_and_the_other_goes_on(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", "ada@social.test")
    post_id = await make(ada, selectedPlatforms=["bluesky", "mastodon"], scheduledAt=later())
    first, second = (await ada.get(f"/api/posts/{post_id}/status")).json["platformStatuses"]
    page = await page_of(ada, post_id)
    assert f'id="stop-{first["targetId"]}"' in page
    assert "retry-" not in page
    answer = await decide(ada, post_id, do="cancel", targetId=second["targetId"])
    assert answer.headers["Location"] == f"/posts/{post_id}?told=cancel"
    statuses = (await ada.get(f"/api/posts/{post_id}/status")).json["platformStatuses"]
    assert [one["status"] for one in statuses] == ["pending", "cancelled"]
    page = await page_of(ada, post_id)
    assert f'id="stop-{second["targetId"]}"' not in page
    again = await decide(ada, post_id, do="cancel", targetId=second["targetId"])
    assert (again.status, "It had ended already" in again.text) == (409, True)
    assert (await decide(ada, post_id, do="cancel", targetId="x")).status == 422
    assert (await decide(ada, post_id, do="dance")).status == 422
    early = await decide(ada, post_id, do="retry", targetId=first["targetId"])
    assert (early.status, "It waits for the time you chose" in early.text) == (409, True)


async def test_one_target_is_tried_again_and_later_ones_now(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, scripted = stage
    scripted.before.append(Rejected("Never like this.", proves_absence=True))
    post_id = await make(ada)
    target = (await wait_for(ada, post_id, "failed"))["platformStatuses"][0]
    button = f'id="retry-{target["targetId"]}" name="do" value="retry"'
    page = await page_of(ada, post_id)
    assert re.search(rf"{button}[^>]*>.*?Try again<span", page, re.DOTALL)
    scripted.preparing.append(RateLimited("Wait.", until=datetime.now(UTC) + timedelta(hours=1)))
    answer = await decide(ada, post_id, do="retry", targetId=target["targetId"])
    assert answer.headers["Location"] == f"/posts/{post_id}?told=retry"
    page = await wait_for_rule(ada, post_id, "platform")
    assert re.search(rf"{button}[^>]*>.*?Try now<span", page, re.DOTALL)


async def test_a_doubt_is_looked_up_now_and_answered_on_the_page(stage: tuple[House, Visitor, Scripted]) -> None:
    house, ada, scripted = stage
    post_id, answers = await doubt(stage)
    page = await page_of(ada, post_id)
    for words in (
        "Unknown: please look",
        "It waits for you",
        "It is there",
        "It is not there: try again",
        "No answer to trust",
    ):
        assert words in page
    assert "retry-" not in page
    later_look = {"due_at": datetime.now(UTC) + timedelta(hours=1), "waits_for": "pause"}
    await house.hayon.database.write(lambda tx: tx.run(sa.update(targets).values(later_look)))
    page = await page_of(ada, post_id)
    assert "our own pause between looks" in page
    assert re.search(r'id="retry-[^>]*>.*?Look now<span', page, re.DOTALL)
    answer = await decide(ada, post_id, do="retry", targetId=answers["targetId"])
    assert answer.headers["Location"] == f"/posts/{post_id}?told=look"
    await wait_for(ada, post_id, "unconfirmed")
    form = (await read(ada, f"/posts/{post_id}")).form(f"/posts/{post_id}/resolve")
    said = await ada.post(
        f"/posts/{post_id}/resolve", data=form | {"do": "published", "url": "http://bluesky.invalid/r1"}
    )
    assert said.headers["Location"] == f"/posts/{post_id}?told=resolve"
    assert "settled by what you said" in await page_of(ada, post_id)
    assert scripted.ledger


async def test_every_part_that_changes_has_a_name(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, _ = stage
    post_id, answers = await doubt(stage)
    standing = (await ada.get(f"/posts/{post_id}/standing")).text
    for part in ("head", "targets", answers["targetId"], "question", "footer", "delete", "said", "tries"):
        assert standing.count(f'data-part="{part}"') == 1
    assert f'data-from="/posts/{post_id}/standing"' in standing


async def test_a_draft_is_published_from_its_page(ada: Visitor) -> None:
    post_id = await make(ada, draft=True)
    page = await page_of(ada, post_id)
    assert "Publish this draft" in page
    assert f'href="/posts/{post_id}/edit"' in page
    assert (await decide(ada, post_id, do="submit")).headers["Location"] == f"/posts/{post_id}?told=submit"
    assert (await decide(ada, post_id, do="delete")).headers["Location"] == "/?told=delete"
    assert (await ada.get(f"/posts/{post_id}")).status == 404


async def test_a_post_is_its_authors(house: House, ada: Visitor) -> None:
    post_id = await make(ada)
    bob = await house.register("bob@example.org")
    for path in ("", "/standing", "/card"):
        assert (await bob.get(f"/posts/{post_id}{path}")).status == 404
    assert (await decide(bob, post_id, do="cancel")).status == 404
