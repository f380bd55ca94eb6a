"""From the front door to a published post with the keys alone, and wherever the focus stands one sees it."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.hayons import RunningHayon
from tests.browser.person import Person

MOST_STOPS = 80
FOCUS = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const around = [one, ...(one.labels ?? [])].flatMap((part) => [part, ...part.querySelectorAll("*")]);
  // of a date and a time the browser itself marks the part that has the focus
  const shown = /^(date|time|datetime-local)$/.test(one.type) || around.some((part) => {
    const style = getComputedStyle(part);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  });
  const named = one.getAttribute("aria-label") ?? [...(one.labels ?? [])].map((label) => label.textContent).join(" ");
  const text = (named || one.textContent || "").replace(/\\s+/g, " ").trim();
  return { shown, text, tag: one.tagName.toLowerCase(), html: one.outerHTML.slice(0, 200) };
}"""


def tab_to(page: Page, tag: str, words: str) -> None:
    """Presses Tab until this is reached; each stop on the way must be seen."""
    passed = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUS)
        if at is None:
            continue
        assert at["shown"], f"one cannot see where the focus is: {at['html']}"
        if at["tag"] == tag and re.search(words, at["text"]):
            return
        passed.append(f"{at['tag']} {at['text'][:60]}")
    raise AssertionError(f"no {tag} {words!r} is reached with Tab, but: {passed}")


def test_signing_in_and_publishing_with_keys_alone(demo: RunningHayon, arrive: Callable[..., Person]) -> None:
    ada = arrive(demo)
    page = ada.visit("/")
    tab_to(page, "input", "E-mail address")
    page.keyboard.type(demo.email)
    tab_to(page, "input", "Password")
    page.keyboard.type(demo.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    tab_to(page, "a", "To the content")
    tab_to(page, "a", "New post")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="New post")).to_be_visible()
    tab_to(page, "a", "To the content")
    page.keyboard.press("Enter")
    tab_to(page, "input", "on Mastodon")
    if not page.evaluate("document.activeElement.checked"):
        page.keyboard.press("Space")
    tab_to(page, "textarea", "What do you want to say")
    page.keyboard.type("Written with the keys alone")
    tab_to(page, "button", "Publish now")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("told="))
    card = page.get_by_role("article").filter(has_text="Written with the keys alone")
    expect(card).to_contain_text("Published")
    assert demo.landed("Written with the keys alone") == ["mastodon"]
