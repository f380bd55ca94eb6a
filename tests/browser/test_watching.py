"""What watches the pages sees what it shall see: a guard that hears nothing would let everything pass."""

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person, check_with_axe, sideways


def test_what_a_browser_complains_of_is_heard(person: Person) -> None:
    page = person.visit("/")
    page.evaluate("console.error('an error told')")
    page.evaluate("console.warn('a warning told')")
    page.evaluate("void setTimeout(() => { throw new Error('nobody caught this') })")
    page.evaluate("fetch('http://127.0.0.1:9/elsewhere').catch(() => null)")
    person.visit("/nowhere")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.goto("about:blank")
    page.set_content("<img alt='' src='http://127.0.0.1:9/stranger'>")
    heard = "\n".join(person.guard.complaints)
    person.guard.complaints.clear()
    for part in (
        "(error): an error told", "(warning): a warning told", "threw nobody caught this", "Content Security Policy",
        "status of 404", "a stranger was asked: GET http://127.0.0.1:9/stranger",
    ):  # fmt: skip
        assert part in heard, (part, heard)


def test_what_a_test_provokes_is_no_complaint(person: Person) -> None:
    person.expects("status of 404")
    person.visit("/nowhere")
    expect(person.page.get_by_role("heading", name="Not found")).to_be_visible()


def test_what_shuts_somebody_out_is_found(person: Person) -> None:
    person.page.set_content("<html lang='en'><title>t</title><main><h1>Name</h1><input></main>")
    with pytest.raises(AssertionError, match=r"label \(critical\)"):
        check_with_axe(person.page)
    person.page.set_content(
        "<html lang='en'><title>t</title><main style='background: #fff; color: #eee'><h1>Name</h1></main>"
    )
    with pytest.raises(AssertionError, match=r"color-contrast \(serious\)"):
        check_with_axe(person.page)


def test_what_is_too_wide_is_found(person: Person) -> None:
    person.be_on_a_phone()
    person.page.set_content("<div id='held' style='overflow-x: auto'><p style='width: 900px'>held</p></div>")
    assert sideways(person.page) == []
    person.page.set_content("<p id='wide' style='width: 900px'>wide</p>")
    (found,) = sideways(person.page)
    assert 'id="wide"' in found
