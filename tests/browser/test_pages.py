"""Each page as a browser shows it: nothing in a person's way, nothing sideways on a phone, nothing heavy, nothing to complain of."""

import gzip
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Response, expect

from hayon.web.app import ROOMS
from hayon.web.pages_form import PageRoute
from tests.browser.furnishing import furnish
from tests.browser.hayons import RunningHayon
from tests.browser.person import Person, check_with_axe, look, sideways

HEAVIEST_BYTES = 100_000
"""Scripts and styles of a page, as they are sent when they are packed."""
PARTS = {"/posts/{postId}/card", "/posts/{postId}/standing", "/media/{mediaId}/tile", "/media/pick"}
"""Addresses of parts of pages: they are seen in those."""
UNDER_WAY = {"/connections/{connectionId}", "/reset"}
"""Pages for something that was begun elsewhere a moment ago: `test_connecting.py` and `test_door.py` come by."""
OUTSIDE = ("/", "/register", "/forgot")


def _pages() -> list[str]:
    routes = [route for room in ROOMS for route in room.router.routes if isinstance(route, PageRoute)]
    found = dict.fromkeys(re.sub(r":\w+}", "}", one.path) for one in routes if "GET" in (one.methods or ()))
    return [path for path in found if path not in PARTS | UNDER_WAY | set(OUTSIDE) or path == "/"]


@pytest.fixture(scope="package")
def furnished(demo: RunningHayon) -> dict[str, str]:
    """The demo with something to show on every page; the ids in it."""
    return furnish(demo)


@pytest.mark.parametrize("path", _pages())
def test_a_page_is_fit_for_everybody(path: str, person: Person, furnished: dict[str, str]) -> None:
    ids = furnished | ({"postId": furnished["draft"]} if path.endswith("/edit") else {})
    address = re.sub(r"\{(\w+)\}", lambda part: ids[part[1]], path)
    weighed = weigh(person.page)
    person.visit(address)
    expect(person.page.get_by_role("navigation", name="Pages")).to_be_visible()
    is_fit(person, weighed, re.sub(r"\W+", "-", path).strip("-") or "posts")


@pytest.mark.parametrize("path", OUTSIDE)
def test_the_door_is_fit_for_everybody(path: str, arrive: Callable[..., Person], demo: RunningHayon) -> None:
    stranger = arrive(demo)
    weighed = weigh(stranger.page)
    if path == "/register":
        stranger.expects("status of 403")
    stranger.visit(path)
    is_fit(stranger, weighed, f"outside-{path.strip('/') or 'sign-in'}")


def is_fit(person: Person, weighed: list[Response], name: str) -> None:
    """All that holds of every page, with everything unfolded that folds."""
    page = person.page
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    look(page, name)
    unfold(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
        check_with_axe(page)
    person.be_on_a_phone()
    unfold(page)
    assert sideways(page) == []
    check_with_axe(page)
    heavy = {one.url.rpartition("/")[2]: len(gzip.compress(one.body(), 6)) for one in weighed}
    assert sum(heavy.values()) < HEAVIEST_BYTES, heavy


def unfold(page: Page) -> None:
    """Opens what a person can open here; what this width does not offer is closed again."""
    page.evaluate(
        """() => {
          const folded = [...document.querySelectorAll("details:not(.menu)")];
          for (const one of folded) one.open = false;
          for (const one of folded) one.open = one.querySelector("summary").checkVisibility();
        }"""
    )


def weigh(page: Page) -> list[Response]:
    """From now on gathers the scripts and styles that the page is sent."""
    gathered: list[Response] = []
    page.on(
        "response", lambda one: gathered.append(one) if one.request.resource_type in {"script", "stylesheet"} else None
    )
    return gathered


def test_every_place_is_reached_on_a_phone(person: Person) -> None:
    person.be_on_a_phone()
    page = person.visit("/")
    places = page.get_by_role("navigation", name="Pages").get_by_role("link")
    for number in range(places.count()):
        place = places.nth(number)
        expect(place).to_be_in_viewport(ratio=1)
        address = place.get_attribute("href")
        place.click()
        expect(page).to_have_url(f"{person.hayon.url}{address}")
        expect(page.get_by_role("navigation", name="Pages").locator("[aria-current=page]")).to_have_attribute(
            "href", str(address)
        )
        page.wait_for_load_state()  # its styles are there
        assert sideways(page) == []
