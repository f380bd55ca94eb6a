"""Connecting each platform in a browser: out to its page and back."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.hayons import RunningHayon
from tests.browser.person import Person, check_with_axe, sideways

BY_PAGE = ("Threads", "Instagram", "Facebook", "Mastodon", "Tumblr")


def test_who_says_no_is_told_so_and_who_says_yes_is_connected_with_all_six(
    fresh: RunningHayon, arrive: Callable[..., Person]
) -> None:
    people = {
        name: fresh.control("accounts", {"platform": name.lower(), "handle": "ada", "displayName": "Ada"})
        for name in BY_PAGE
    }
    bluesky = fresh.control("accounts", {"platform": "bluesky", "handle": "ada.test", "displayName": "Ada"})
    ada = arrive(fresh, fresh.register())
    ada.may_visit(fresh.sandbox)
    page = ada.visit("/accounts")
    page.get_by_role("button", name="Connect with Mastodon").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert").filter(has_text="Not connected")).to_be_visible()
    for name in people:
        page.get_by_role("button", name=f"Connect with {name}").click()
        page.get_by_role("button", name="Allow as Ada").click()
        if name == "Facebook":
            page.get_by_role("button", name="Continue as the owner of Ada").click()
        # Meta's pages send people back with a fragment, which browsers carry along
        expect(page).to_have_url(re.compile(r"/accounts\?told=connect(#.*)?$"))
        expect(page.get_by_role("status").filter(has_text="The account is connected")).to_be_visible()

    with_password = page.locator("form").filter(has=page.get_by_label("App password"))
    with_password.get_by_label("Handle").fill("ada.test")
    with_password.get_by_label("App password").fill(bluesky["appPassword"])
    with_password.get_by_role("button", name="Connect Bluesky").click()
    expect(page).to_have_url(f"{fresh.url}/accounts?told=connect")
    expect(page.get_by_role("article").filter(has_text="✓ Connected")).to_have_count(6)


def test_of_several_pages_one_chooses(fresh: RunningHayon, arrive: Callable[..., Person]) -> None:
    for handle in ("ada", "club", "shop"):
        fresh.control("accounts", {"platform": "facebook", "handle": handle, "displayName": handle.title()})
    for handle in ("club", "shop"):
        fresh.control("accounts/facebook/ada/role", {"page": handle, "tasks": ["CREATE_CONTENT", "ANALYZE"]})
    ada = arrive(fresh, fresh.register())
    ada.may_visit(fresh.sandbox)
    page = ada.visit("/accounts")
    page.get_by_role("button", name="Connect with Facebook").click()
    page.get_by_role("button", name="Allow as Ada").click()
    page.get_by_role("button", name="Continue as the owner of Ada").click()
    expect(page).to_have_url(re.compile("/connections/"))
    check_with_axe(page)
    ada.be_on_a_phone()
    assert sideways(page) == []
    page.get_by_role("checkbox", name="Club").check()
    page.get_by_role("button", name="Connect what I chose").click()
    expect(page).to_have_url(re.compile(r"/accounts\?told=connect"))
    expect(page.get_by_role("article").filter(has_text="✓ Connected")).to_have_count(1)
