"""From the composer to the platforms, in a browser: everywhere at once, and at a time with pictures and other words."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import Route, expect

from tests.browser.hayons import PLATFORMS, RunningHayon, picture
from tests.browser.person import Person, check_with_axe, look
from tests.browser.writing import NAMES, Writing, open_post, row


def test_six_rows_become_published_without_reloading(person: Person, demo: RunningHayon) -> None:
    writing = Writing(person)
    writing.say("Everywhere at once")
    writing.choose(PLATFORMS)
    writing.attach("teal.png", "teal", "A teal evening")
    writing.publish()
    page = open_post(person.page, "Everywhere at once")
    page.evaluate("window.sameAsBefore = true")
    for platform in PLATFORMS:
        expect(row(page, platform)).to_contain_text("Published", timeout=60_000)
        # a platform that does not name the address at once is asked for it after 5 and after 35 seconds
        expect(row(page, platform).get_by_role("link", name="See it there")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("article", name="Post, Published")).to_be_visible()
    assert page.evaluate("window.sameAsBefore")
    assert demo.landed("Everywhere at once") == sorted(PLATFORMS)


def test_a_picture_that_is_chosen_before_the_page_is_at_work_is_uploaded_too(person: Person) -> None:
    page, on_the_way = person.page, list[Route]()

    def hold(route: Route) -> None:
        on_the_way.append(route)

    page.route("**/uploading.js*", hold)
    page.goto(f"{person.hayon.url}/compose", wait_until="commit")
    page.locator("#picture").set_input_files({"name": "teal.png", "mimeType": "image/png", "buffer": picture("teal")})
    while not on_the_way:
        page.wait_for_timeout(10)
    for one in on_the_way:
        one.continue_()
    expect(page.get_by_role("list", name="Attached files, in their order").get_by_role("listitem")).to_have_count(1)
    assert page.locator("#picture").input_value() == ""


def test_pictures_other_words_and_a_time(person: Person, demo: RunningHayon) -> None:
    """Order, descriptions, what is said differently and the moment are kept as they were typed."""
    writing = Writing(person)
    page = writing.page
    writing.say("A walk along the harbour")
    writing.choose(["bluesky", "mastodon"])
    for colour, words in (
        ("navy", "The harbour at night"),
        ("orange", "Boats in the morning"),
        ("crimson", "A blurred one"),
    ):
        writing.attach(f"{colour}.png", colour, words)
    page.get_by_role("button", name="Earlier: file 2").click()
    page.get_by_role("button", name="Remove: file 3").click()
    expect(writing.files).to_have_count(2)
    page.get_by_role("button", name="Say it differently on Bluesky").click()
    page.get_by_label("Words for Bluesky").fill("A short walk")
    preview = page.get_by_role("complementary", name="Preview")
    expect(preview).to_contain_text("A short walk")
    expect(preview).to_contain_text("A walk along the harbour")
    there = ZoneInfo("Asia/Kolkata")
    at = (datetime.now(there) + timedelta(days=2)).replace(hour=9, minute=30, second=0, microsecond=0)
    page.get_by_label("Date and time").fill(at.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("Time zone").fill("Asia/Kolkata")
    for zone in ("Asia/Kolkata", "UTC"):
        expect(page.locator("#zones")).to_contain_text(zone)
    look(page, "compose-filled")
    check_with_axe(page)
    page.get_by_role("button", name="Schedule", exact=True).click()
    card = page.get_by_role("article").filter(has_text="A walk along the harbour")
    expect(card).to_contain_text("Scheduled")
    expect(card).to_contain_text("09:30")

    found = next(
        one for one in demo.ask("posts?limit=20")["posts"] if one["content"]["text"] == "A walk along the harbour"
    )
    assert [one["altText"] for one in found["content"]["mediaItems"]] == [
        "Boats in the morning",
        "The harbour at night",
    ]
    assert found["platformSpecificContent"]["bluesky"]["text"] == "A short walk"
    assert datetime.fromisoformat(found["scheduledAt"]) == at
    assert (found["timezone"], found["status"]) == ("Asia/Kolkata", "SCHEDULED")
    assert {NAMES[one["platform"]] for one in found["platformStatuses"]} == {"Bluesky", "Mastodon"}


def test_what_was_typed_survives_a_reload(person: Person, demo: RunningHayon) -> None:
    writing = Writing(person)
    page = writing.page
    writing.say("Half a thought")
    expect(page.get_by_text("Saved", exact=False)).to_be_visible()
    page.goto(f"{demo.url}/")
    page.get_by_role("link", name="Drafts").click()
    expect(page.get_by_role("article").filter(has_text="Half a thought")).to_be_visible()


def test_coming_back_makes_no_second_post(person: Person, demo: RunningHayon) -> None:
    """The browser fills in what was published; pressed again it is still one post, and writing on is told to be too late."""
    person.expects("409 (Conflict)")
    writing = Writing(person)
    writing.choose(["bluesky"])
    writing.say("Once and no more")
    writing.publish()
    page = person.page
    page.go_back()
    expect(page.get_by_label("What do you want to say?")).to_have_value("Once and no more")
    expect(page.get_by_text("This was handed in before")).to_be_visible()
    expect(page.get_by_role("link", name="Open that version")).to_have_attribute("href", "/")
    page.get_by_role("button", name="Publish now").click()
    expect(page.get_by_text("Your post is taken in")).to_be_visible()
    assert len(demo.ask("posts?search=Once%20and%20no%20more")["posts"]) == 1


def test_an_answer_that_broke_off_leaves_the_form_where_it_is(person: Person, demo: RunningHayon) -> None:
    writing = Writing(person)
    page = writing.page
    page.route(
        "**/compose/keep", lambda route: route.fulfill(status=200, content_type="application/json", body='{"post')
    )
    writing.say("An eighth thought")
    expect(page.get_by_text(re.compile("^Not saved"))).to_be_visible()
    assert page.url.endswith("/compose")
    page.unroute("**/compose/keep")
    expect(page.get_by_text(re.compile("^Saved"))).to_be_visible()
    assert len(demo.ask("posts?search=eighth%20thought")["posts"]) == 1


def test_coming_back_and_writing_on_changes_the_same_draft(person: Person, demo: RunningHayon) -> None:
    writing = Writing(person)
    writing.say("A seventh thought")
    page = person.visit("/media")
    page.go_back()
    words = page.get_by_label("What do you want to say?")
    words.press("Control+End")
    words.press_sequentially(" and more")
    expect(page.get_by_text(re.compile("^Saved"))).to_be_visible()
    found = demo.ask("posts?search=seventh%20thought")["posts"]
    assert [one["content"]["text"] for one in found] == ["A seventh thought and more"]
