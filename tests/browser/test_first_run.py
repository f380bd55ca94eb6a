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

    page.get_by_role("link", name=re.compile("Connect an account")).click()
    ada.may_visit(fresh.sandbox)
    page.get_by_role("button", name="Connect with Mastodon").click()
    page.get_by_label("Choose a name for a new account").fill("ada")
    page.get_by_role("button", name="Make and allow").click()
    expect(page.get_by_role("status").filter(has_text="The account is connected")).to_be_visible()

    page = ada.visit("/")
    page.get_by_label("What do you want to say?").fill("Hello from a browser")
    page.get_by_role("button", name="Publish", exact=True).click()
    card = page.get_by_role("article").filter(has_text="Hello from a browser")
    expect(card.get_by_role("listitem")).to_contain_text("Published")
    assert fresh.landed("Hello from a browser") == ["mastodon"]
