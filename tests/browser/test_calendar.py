"""Moving a planned post in the calendar: with the mouse, and back; and without one."""

from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.hayons import RunningHayon
from tests.browser.person import Person


def in_next_month(day: int) -> date:
    """A day that is ahead whatever day it is, and not at the edge of its month."""
    return (datetime.now(UTC).date().replace(day=28) + timedelta(days=7)).replace(day=day)


@pytest.fixture
def planned(demo: RunningHayon) -> str:
    """A post planned for the 15th at a quarter past ten; its id."""
    at = f"{in_next_month(15)}T10:15:00Z"
    return demo.publish("Moved about", ["mastodon"], scheduledAt=at)


def day_of(page: Page, day: int) -> Locator:
    return page.locator(f".month .day[data-day='{in_next_month(day)}']")


def planned_for(demo: RunningHayon, post_id: str) -> str:
    return str(demo.ask(f"posts/{post_id}")["scheduledAt"])[:16]


def test_a_post_is_dragged_to_another_day_and_back(person: Person, demo: RunningHayon, planned: str) -> None:
    page = person.visit(f"/calendar?view=month&on={in_next_month(15)}")
    page.evaluate("window.sameAsBefore = true")
    chip = page.locator(f"#chip-{planned}")
    expect(day_of(page, 15).locator(chip)).to_be_visible()
    chip.drag_to(day_of(page, 17))
    expect(day_of(page, 17).locator(chip)).to_be_visible()
    expect(page.locator("#said")).to_contain_text("oved")
    assert planned_for(demo, planned) == f"{in_next_month(17)}T10:15"

    page.get_by_role("button", name="Undo").click()
    expect(day_of(page, 15).locator(chip)).to_be_visible()
    assert planned_for(demo, planned) == f"{in_next_month(15)}T10:15"
    assert page.evaluate("window.sameAsBefore")


def test_a_post_is_moved_with_the_keyboard(person: Person, demo: RunningHayon, planned: str) -> None:
    page = person.visit(f"/calendar?view=month&on={in_next_month(15)}")
    chip = page.locator(f"#chip-{planned}")
    chip.locator("summary").focus()
    page.keyboard.press("Enter")
    chip.get_by_label("Move to").fill(str(in_next_month(18)))
    chip.get_by_label("Time").fill("11:45")
    chip.get_by_role("button", name="Move").focus()
    page.keyboard.press("Enter")
    expect(day_of(page, 18).locator(chip)).to_be_visible()
    assert planned_for(demo, planned) == f"{in_next_month(18)}T11:45"
