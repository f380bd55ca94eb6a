"""The list of posts: tabs, search, filters and pages in the address; what each card says and may do; copies of posts."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from hayon.errors import Rejected, Unavailable
from hayon.store.schema import accounts, media, posts
from hayon.web.pages_browsing import read_place
from tests.delivery.scripted import Scripted
from tests.web.house import House, Visitor
from tests.web.test_deciding import doubt, stage, wait_for
from tests.web.test_media import picture, upload
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_posts import later, make

__all__ = ["stage"]


def cards(page: str) -> list[str]:
    """The ids of the posts of a list, in its order."""
    return re.findall(r'<article class="sheet post" id="post-([^"]+)"', page)


async def shown(visitor: Visitor, query: str = "") -> list[str]:
    """What the list shows at this address."""
    await read(visitor, f"/{query}")
    return cards((await visitor.get(f"/{query}")).text)


async def csrf_of(visitor: Visitor) -> str:
    """What every form of this person carries."""
    return (await read(visitor)).form("/logout")["csrf"]


async def test_tabs_say_how_many_posts_stand_where(ada: Visitor) -> None:
    draft = await make(ada, draft=True)
    planned = await make(ada, scheduledAt=later())
    waiting = await make(ada)
    page = (await ada.get("/")).text
    assert '<nav class="tabs" id="tabs" aria-label="Where posts stand">' in page
    assert '<a href="/" aria-current="page">All <span class="number">3</span></a>' in page
    for address, name, expected in (
        ("/?tab=upcoming", "Upcoming", planned), ("/?tab=publishing", "Publishing", waiting), ("/?tab=drafts", "Drafts", draft),
    ):  # fmt: skip
        assert f'<a href="{address}">{name} <span class="number">1</span></a>' in page
        assert await shown(ada, address.removeprefix("/")) == [expected]
    assert '<a href="/?tab=needs-you">Needs you</a>' in page
    assert await shown(ada) == [waiting, planned, draft]
    assert await shown(ada, "?tab=nonsense") == [waiting, planned, draft]


@pytest.mark.parametrize(
    ("tab", "words"),
    [
        ("needs-you", "Nothing needs you"), ("upcoming", "Nothing is planned"), ("publishing", "Nothing is on its way"),
        ("published", "Nothing is published yet"), ("not-published", "Nothing failed"), ("drafts", "No drafts"),
        ("all", "Nothing here yet"),
    ],
)  # fmt: skip
async def test_an_empty_tab_says_what_belongs_there(ada: Visitor, tab: str, words: str) -> None:
    page = (await ada.get(f"/?tab={tab}")).text
    assert f"<h2>{words}</h2>" in page
    assert cards(page) == []


async def test_filters_are_in_the_address_and_stay_in_the_form(house: House, ada: Visitor) -> None:
    other = await house.account(ada, "mastodon", "ada@social.test")
    first = await make(ada, content={"text": "Äpfel from the GARDEN"})
    second = await make(ada, content={"text": "Pears"}, selectedPlatforms=["mastodon"])
    assert await shown(ada, "?search=äpfel+garden") == [first]
    assert await shown(ada, "?search=%25") == []
    assert await shown(ada, f"?account={other}") == [second]
    assert await shown(ada, f"?account={uuid4()}") == [second, first]
    page = (await ada.get("/?search=garden&from=2020-01-01&tab=publishing")).text
    assert "1 post found" in page
    form = Fields(page).form("/")
    assert form == {"search": "garden", "from": "2020-01-01", "to": "", "tab": "publishing"}
    assert 'href="/?search=garden&amp;from=2020-01-01">All' in page
    assert "No post fits" in (await ada.get("/?search=nowhere")).text
    assert HOSTILE not in (await ada.get("/", params={"search": HOSTILE, "from": HOSTILE})).text
    bob = await house.register("bob@example.org")
    assert await shown(bob, "?search=garden") == []


async def test_days_are_those_of_the_person(house: House, ada: Visitor) -> None:
    await ada.ask("PATCH", "/api/auth/me", {"timezone": "Asia/Kolkata"})
    # 23:30 in Kolkata is still the day before in UTC's evening, 00:30 the next day
    late = await make(ada, scheduledAt="2030-05-28T23:30", timezone="Asia/Kolkata")
    early = await make(ada, scheduledAt="2030-05-29T00:30", timezone="Asia/Kolkata")
    assert await shown(ada, "?from=2030-05-28&to=2030-05-28") == [late]
    assert await shown(ada, "?from=2030-05-29") == [early]
    page = (await ada.get("/?from=2030-05-28")).text
    assert "by days in Asia/Kolkata" in page
    wrong = await ada.get("/?from=yesterday&to=0001-01-01")
    assert wrong.status == 200
    assert "“yesterday” is no day" in wrong.text
    assert "“0001-01-01” is no day" in wrong.text
    assert len(cards(wrong.text)) == 2


async def test_older_posts_follow_without_gaps(house: House, ada: Visitor) -> None:
    made = [await make(ada, draft=True, content={"text": f"Number {number}"}) for number in range(22)]
    same = datetime(2030, 1, 1, tzinfo=UTC)
    await house.hayon.database.write(lambda tx: tx.run(sa.update(posts).values(created_at=same)))
    first = (await ada.get("/?tab=drafts")).text
    (older,) = re.findall(r'href="([^"]+)">Older posts', first)
    second = (await ada.get(older.replace("&amp;", "&"))).text
    assert len(cards(first)) == 20
    assert "Older posts" not in second
    assert sorted([*cards(first), *cards(second)]) == sorted(made)
    broken = await ada.get("/?cursor=nonsense")
    assert (broken.status, "It begins anew" in broken.text or "it begins anew" in broken.text) == (200, True)


async def test_a_card_says_how_each_account_stands_and_offers_what_can_be_done(
    stage: tuple[House, Visitor, Scripted],
) -> None:
    _, ada, scripted = stage
    scripted.before.append(Rejected("Too plain for us.", proves_absence=True))
    failed = await make(ada, content={"text": "Long " * 55})
    await wait_for(ada, failed, "failed")
    page = (await ada.get("/")).text
    assert 'aria-label="Post, Not published"' in page
    assert "Too plain for us." in page
    assert "Long Long" in page
    assert "Long " * 45 not in page
    assert "Try again now" in page
    assert "data-watch" not in page
    assert f'formaction="/posts/{failed}/duplicate"' in page
    planned = await make(ada, scheduledAt=later())
    card = (await ada.get(f"/posts/{planned}/card")).text
    assert f'data-watch="{planned}" data-from="/posts/{planned}/card"' in card
    assert ("Cancel" in card, "Try again now" in card) == (True, False)
    for part in ("head", "first", "targets", "footer", "decide", "delete"):
        assert card.count(f'data-part="{part}"') == 1


async def test_what_needs_a_person_leads_to_its_page(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, _ = stage
    post_id, _ = await doubt(stage)
    page = (await ada.get("/?tab=needs-you")).text
    assert cards(page) == [post_id]
    assert re.search(rf'href="/posts/{post_id}">.*Look at it</a>', page)
    assert '<span class="number asks">1</span>' in page


async def test_a_decision_leads_back_into_the_list_as_it_was(ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    given = {"csrf": await csrf_of(ada), "do": "cancel", "back": "?tab=upcoming&search=Hello&elsewhere=//x"}
    answer = await ada.post(f"/posts/{post_id}/decide", data=given)
    assert answer.headers["Location"] == "/?tab=upcoming&search=Hello&told=cancel"
    assert read_place("https://elsewhere.example/?tab=drafts") == {}
    assert read_place("&".join(f"a{number}=1" for number in range(50))) == {}
    again = await ada.post(f"/posts/{post_id}/decide", data=given)
    assert (again.status, "It had ended already" in again.text) == (409, True)


async def test_a_copy_is_a_draft_with_everything_but_the_time(house: House, ada: Visitor) -> None:
    other = await house.account(ada, "mastodon", "ada@social.test")
    file = await upload(ada, picture())
    post_id = await make(
        ada, content={"text": "Said once", "mediaItems": [{"mediaId": file, "altText": "A square"}]},
        selectedPlatforms=["bluesky", "mastodon"], scheduledAt=later(), timezone="Asia/Kolkata",
        platformSpecificContent={"mastodon": {"text": "Said to many", "options": {"visibility": "unlisted"}}},
    )  # fmt: skip
    before = (await ada.get(f"/api/posts/{post_id}")).json
    answer = await ada.post(f"/posts/{post_id}/duplicate", data={"csrf": await csrf_of(ada)})
    found = re.fullmatch(r"/posts/([^/]+)/edit\?told=duplicate", answer.headers["Location"])
    assert found is not None
    assert "This is a copy, kept as a draft." in (await ada.get(answer.headers["Location"])).text
    copy = (await ada.get(f"/api/posts/{found[1]}")).json
    for same in ("content", "platformSpecificContent", "timezone"):
        assert copy[same] == before[same]
    assert (copy["status"], copy["scheduledAt"], copy["platformStatuses"]) == ("DRAFT", None, [])
    assert sorted(copy["accountIds"]) == sorted(one["accountId"] for one in before["platformStatuses"])
    assert str(other) in copy["accountIds"]
    again = await ada.post(f"/posts/{found[1]}/duplicate", data={"csrf": await csrf_of(ada)})
    assert again.headers["Location"].endswith("told=duplicate")
    assert (await ada.ask("DELETE", f"/api/media/{file}")).status == 409  # so that it is there for a copy


async def test_a_copy_leaves_out_what_is_gone_and_says_so(house: House, ada: Visitor) -> None:
    other = await house.account(ada, "mastodon", "ada@social.test")
    file = await upload(ada, picture())
    post_id = await make(
        ada, content={"text": "Said once", "mediaItems": [{"mediaId": file}]}, selectedPlatforms=["bluesky", "mastodon"],
        platformSpecificContent={"mastodon": {"text": "Said to many"}}, scheduledAt=later(),
    )  # fmt: skip
    gone = sa.update(accounts).where(accounts.c.id == other).values(disconnected_at=datetime.now(UTC))
    await house.hayon.database.write(lambda tx: tx.run(gone))
    await house.hayon.database.write(lambda tx: tx.run(sa.update(media).values(ready=False)))
    answer = await ada.post(f"/posts/{post_id}/duplicate", data={"csrf": await csrf_of(ada)})
    assert answer.headers["Location"].endswith("told=duplicate-less")
    copy = (await ada.get(f"/api/posts/{answer.headers['Location'].split('/')[2]}")).json
    assert (len(copy["accountIds"]), copy["platformSpecificContent"], copy["content"]["mediaItems"]) == (1, {}, [])


async def test_nobody_copies_what_is_not_theirs(house: House, ada: Visitor) -> None:
    post_id = await make(ada)
    bob = await house.register("bob@example.org")
    assert (await bob.post(f"/posts/{post_id}/duplicate", data={"csrf": await csrf_of(bob)})).status == 404
    assert (await ada.post(f"/posts/{post_id}/duplicate", data={"csrf": "x"})).status == 403
    assert (await bob.get("/api/posts")).json["posts"] == []


async def test_a_wait_is_tried_at_once_from_the_list(stage: tuple[House, Visitor, Scripted]) -> None:
    house, ada, scripted = stage
    scripted.preparing.append(Unavailable("The platform is not well."))
    post_id = await make(ada)
    await wait_for(ada, post_id, "completed")
    assert house.hayon.settings.retry_steps == (timedelta(milliseconds=50),)
    assert (await ada.get(f"/posts/{post_id}/card")).text.count("Published") >= 2
