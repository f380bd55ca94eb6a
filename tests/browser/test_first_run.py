"""From an empty Hayon to the first published post, in a browser."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.hayons import RunningHayon
from tests.browser.person import Person


def test_from_nothing_to_a_published_post(fresh: RunningHayon, arrive: Callable[..., Person]) -> None:
    ada = arrive(fresh)
    page = ada.visit("/")
    expect(page.get_by_role("heading", name="Welcome to Hayon")).to_be_visible()
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    expect(page.get_by_label("Your time zone")).to_have_value("Europe/Berlin")
    page.get_by_role("button", name="Register").click()

    expect(page.get_by_role("heading", name="First steps")).to_be_visible()
    page.get_by_role("link", name="Connect one now").click()
    ada.may_visit(fresh.sandbox)
    page.get_by_role("button", name="Connect with Mastodon").click()
    page.get_by_label("Choose a name for a new account").fill("ada")
    page.get_by_role("button", name="Make and allow").click()
    expect(page.get_by_role("status").filter(has_text="The account is connected")).to_be_visible()

    page.get_by_role("link", name="Write it now").click()
    page.get_by_label("What do you want to say?").fill("Hello from a browser")
    expect(page.get_by_role("checkbox", name=re.compile(" on Mastodon$"))).to_be_checked()
    page.get_by_role("button", name="Publish now").click()
    expect(page).to_have_url(re.compile("told="))
    page.evaluate("window.sameAsBefore = true")
    expect(page.get_by_role("article").filter(has_text="Hello from a browser")).to_contain_text("✓ Published")
    assert page.evaluate("window.sameAsBefore")
    assert fresh.landed("Hello from a browser") == ["mastodon"]

    ada.visit("/")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("heading", name="First steps")).to_have_count(0)
