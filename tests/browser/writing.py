"""The composer as a person uses it, by the words on it. No test is here."""

import re
from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

from tests.browser.hayons import picture
from tests.browser.person import Person

NAMES = {"bluesky": "Bluesky", "threads": "Threads", "instagram": "Instagram", "facebook": "Facebook",
         "mastodon": "Mastodon", "tumblr": "Tumblr"}  # fmt: skip
ALT = "Description (alt text) for those who cannot see it"


class Writing:
    """A post being written on the page of that."""

    def __init__(self, person: Person) -> None:
        self.page: Page = person.visit("/compose")

    def say(self, words: str) -> None:
        """The words for everywhere."""
        self.page.get_by_label("What do you want to say?").fill(words)

    def choose(self, platforms: Sequence[str]) -> None:
        """These accounts and no other."""
        for platform, name in NAMES.items():
            box = self.page.get_by_role("checkbox", name=re.compile(rf" on {name}$"))
            if box.count():
                box.set_checked(platform in platforms)

    def attach(self, name: str, colour: str, alt: str) -> None:
        """One more picture, uploaded at once, and what it shows."""
        before = self.files.count()
        self.page.locator("#picture").set_input_files(
            {"name": name, "mimeType": "image/png", "buffer": picture(colour)}
        )
        expect(self.files).to_have_count(before + 1)
        self.files.nth(before).get_by_label(ALT).fill(alt)

    @property
    def files(self) -> Locator:
        """What is attached, in order."""
        return self.page.get_by_role("list", name="Attached files, in their order").get_by_role("listitem")

    def publish(self) -> None:
        """Now, and on to where one sees what becomes of it."""
        self.page.get_by_role("button", name="Publish now").click()
        expect(self.page).to_have_url(re.compile("told="))


def open_post(page: Page, words: str) -> Page:
    """From the list to the page of the post with these words."""
    page.get_by_role("article").filter(has_text=words).get_by_role("link", name=re.compile(words)).click()
    expect(page.get_by_role("heading", name="Your post")).to_be_visible()
    return page


def row(page: Page, platform: str) -> Locator:
    """How the post stands on this platform, on its page."""
    return page.get_by_role("listitem", name=re.compile(f"^{NAMES[platform]}, "))
