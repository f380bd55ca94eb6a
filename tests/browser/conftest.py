"""A browser and a demo for each worker, an empty Hayon for who asks, and people whose pages may complain of nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.hayons import RunningHayon, running_demo, running_fresh
from tests.browser.person import Person, launch, open_person

# Of this folder and not of the session: while Playwright runs, no other event loop may run in this process.


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Chromium, once for a worker."""
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHayon]:
    """A demo, once for a worker: what a test publishes, others see."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture(scope="package")
def session(demo: RunningHayon) -> str:
    """A session of the demo's person."""
    return demo.open_session()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[RunningHayon]:
    """A Hayon in which nobody has registered yet, this test's alone."""
    with running_fresh(tmp_path) as running:
        yield running


@pytest.fixture
def arrive(chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Opens a browser at a Hayon, as `open_person` does; at the end of the test no page may have complained of anything."""
    people: list[Person] = []

    def open_one(hayon: RunningHayon, session: str = "", **options: Any) -> Person:
        people.append(open_person(chromium, hayon, session, **options))
        return people[-1]

    yield open_one
    for one in people:
        one.context.close()
    complaints = [words for one in people for words in one.guard.complaints]
    assert not complaints, "the browser complained:\n" + "\n".join(complaints)


@pytest.fixture
def person(arrive: Callable[..., Person], demo: RunningHayon, session: str) -> Person:
    """The demo's person, signed in."""
    return arrive(demo, session)
