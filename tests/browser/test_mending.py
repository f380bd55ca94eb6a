"""What went wrong is put right by a person on the page of the post, in a browser."""

import re

from playwright.sync_api import expect

from tests.browser.furnishing import doubt
from tests.browser.hayons import RunningHayon
from tests.browser.person import Person
from tests.browser.writing import row


def test_a_platform_that_refused_is_tried_again(person: Person, demo: RunningHayon) -> None:
    demo.mishap("mastodon", "refuse", "createStatus", status=422, body={"error": "Validation failed: Not today"})
    post_id = demo.publish("Refused at first", ["mastodon", "bluesky"])
    page = person.visit(f"/posts/{post_id}")
    failed = row(page, "mastodon")
    expect(failed).to_contain_text("Not published")
    expect(failed).to_contain_text("Not today")
    expect(row(page, "bluesky")).to_contain_text("Published")
    failed.get_by_role("button", name=re.compile("^Try again")).click()
    expect(row(page, "mastodon")).to_contain_text("✓ Published")
    assert demo.landed("Refused at first") == ["bluesky", "mastodon"]


def test_what_nobody_knows_is_settled_by_whoever_looked(person: Person, demo: RunningHayon) -> None:
    post_id = doubt(demo, "Perhaps it went out")
    page = person.visit(f"/posts/{post_id}")
    asked = row(page, "facebook")
    expect(asked).to_contain_text("please look")
    (landed,) = (
        one for one in demo.control("ledger?platform=facebook")["entries"] if one["text"] == "Perhaps it went out"
    )
    address = f"{demo.sandbox}/facebook/{landed['account']}/posts/{landed['remoteId'].rpartition('_')[2]}"
    asked.get_by_label("Address of the post, if it is there").fill(address)
    asked.get_by_role("button", name="It is there", exact=True).click()
    expect(row(page, "facebook")).to_contain_text("✓ Published")
    expect(row(page, "facebook").get_by_role("link", name="See it there")).to_have_attribute("href", address)
    assert demo.landed("Perhaps it went out") == ["facebook"]


def test_what_is_not_there_is_sent_again(person: Person, demo: RunningHayon) -> None:
    demo.mishap("facebook", "drop_before", "create_post")
    post_id = demo.publish("It never arrived", ["facebook"])
    demo.wait_for(post_id, "PROCESSING", asked=True)
    page = person.visit(f"/posts/{post_id}")
    row(page, "facebook").get_by_role("button", name="It is not there: try again").click()
    expect(row(page, "facebook")).to_contain_text("✓ Published")
    assert demo.landed("It never arrived") == ["facebook"]
