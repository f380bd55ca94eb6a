"""The page of people: for admins alone, never the last one's role, and nothing of others."""

import pytest

from tests.web.house import Answer, House, Visitor
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_sessions import alive

PAGE = "/settings/people"


async def wish(admin: Visitor, about: Visitor, do: str) -> Answer:
    """Presses a button of the page."""
    token = (await read(admin, "/settings")).form("/logout")["csrf"]
    return await admin.post(f"{PAGE}/{about.person_id}", data={"csrf": token, "do": do})


async def test_everybody_is_on_it(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    await bob.ask("PATCH", "/api/auth/me", {"name": HOSTILE[:100]})
    page = (await ada.get(PAGE)).text
    assert HOSTILE[:100] not in page
    assert Fields(page).inline == []
    entries = page.split('<li class="entry">')[1:]
    assert ["ada@example.org" in one for one in entries] == [True, False]
    assert "bob@example.org" in entries[1]
    assert ['<span class="badge">Administrator</span>' in one for one in entries] == [True, False]
    assert ["Shut out" in one for one in entries] == [False, True], "one's own way out is not offered"
    assert "2 people" in page


async def test_it_is_for_admins_alone(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    page = await bob.get(PAGE)
    assert (page.status, "ada@example.org" in page.text) == (403, False)
    for do in ("person-admin", "person-out"):
        assert (await wish(bob, bob, do)).status == 403
        assert (await wish(bob, ada, do)).status == 403
    assert await alive(ada, bob) == [True, True]
    assert (await house.visitor().get(PAGE)).headers["Location"] == "/"


async def test_the_role_is_given_and_taken(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    given = await wish(ada, bob, "person-admin")
    assert given.headers["Location"] == f"{PAGE}?told=person-admin"
    assert (await bob.get(PAGE)).status == 200
    assert (await wish(ada, ada, "person-plain")).headers["Location"] == "/settings"
    assert (await ada.get(PAGE)).status == 403
    last = await wish(bob, bob, "person-plain")
    assert (last.status, "This is the last admin." in last.text) == (409, True)


async def test_somebody_is_shut_out_and_let_in_again(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    assert (await wish(ada, bob, "person-out")).headers["Location"] == f"{PAGE}?told=person-out"
    assert await alive(ada, bob) == [True, False]
    page = (await ada.get(f"{PAGE}?told=person-out")).text
    assert "What they planned goes out all the same." in page
    assert "Let in again" in page
    assert (await wish(ada, bob, "person-in")).status == 303
    assert "Let in again" not in (await ada.get(PAGE)).text


@pytest.mark.parametrize("csrf", ["", "forged"])
async def test_only_its_own_form_counts(house: House, ada: Visitor, csrf: str) -> None:
    bob = await house.register("bob@example.org")
    assert (await ada.post(f"{PAGE}/{bob.person_id}", data={"csrf": csrf, "do": "person-out"})).status == 403
    assert await alive(bob) == [True]


async def test_a_button_that_is_none(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    assert (await wish(ada, bob, "dance")).status == 422
    assert (await wish(ada, house.visitor(), "person-out")).status == 404
