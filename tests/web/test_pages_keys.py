"""The page of API keys, used as a browser without scripts uses it."""

import re

import pytest

from tests.web.house import House, Visitor
from tests.web.test_pages import HOSTILE, read
from tests.web.test_pages_settings import send


async def test_a_key_is_made_shown_once_and_deleted(house: House, ada: Visitor) -> None:
    made = await send(ada, "/settings/keys", keyName=HOSTILE[:100], scopes=["read", "posts"], lasts="30")
    assert made.status == 200
    assert HOSTILE[:100] not in made.text
    (key,) = re.findall(r'value="(hayon_[^"]+)"', made.text)
    (listed_key,) = (await ada.get("/api/keys")).json["keys"]
    assert (listed_key["scopes"], listed_key["name"]) == (["read", "posts"], HOSTILE[:100])
    assert listed_key["expiresAt"] is not None
    program = house.visitor(Authorization=f"Bearer {key}")
    assert (await program.get("/api/posts")).status == 200
    assert key not in (await ada.get("/settings/keys")).text
    gone = await send(ada, f"/settings/keys/{listed_key['id']}/delete")
    assert gone.headers["Location"] == "/settings/keys?told=key"
    assert (await program.get("/api/posts")).status == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"keyName": "one", "scopes": [], "lasts": ""}, {"keyName": "one", "scopes": ["x"], "lasts": ""},
        {"keyName": "", "scopes": ["all"], "lasts": ""}, {"keyName": "one", "scopes": ["all"], "lasts": "99999999999"},
    ],
)  # fmt: skip
async def test_a_key_that_says_too_little_is_not_made(ada: Visitor, fields: dict[str, str | list[str]]) -> None:
    answer = await send(ada, "/settings/keys", **fields)
    assert (answer.status, 'role="alert"' in answer.text) == (422, True)
    assert (await ada.get("/api/keys")).json["keys"] == []


async def test_what_was_chosen_stays_beside_what_is_wrong(ada: Visitor) -> None:
    answer = await send(ada, "/settings/keys", keyName="", scopes=["media"], lasts="90")
    assert re.findall(r'name="scopes" value="(\w+)" checked', answer.text) == ["media"]
    assert '<option value="90" selected>' in answer.text


async def test_the_page_is_fit_and_nobody_elses_key_is_on_it(house: House, ada: Visitor) -> None:
    await ada.post("/api/keys", {"name": "Ada's own"})
    (key,) = (await ada.get("/api/keys")).json["keys"]
    page = await read(ada, "/settings/keys")
    assert page.form(f"/settings/keys/{key['id']}/delete")["csrf"]
    bob = await house.register("bob@example.org")
    assert "No key yet" in (await bob.get("/settings/keys")).text
    assert (await send(bob, f"/settings/keys/{key['id']}/delete")).status == 404
    assert (await ada.post(f"/settings/keys/{key['id']}/delete", data={"csrf": "forged"})).status == 403
    assert (await ada.post("/settings/keys", data={"csrf": "", "keyName": "x", "scopes": "all"})).status == 403
    assert len((await ada.get("/api/keys")).json["keys"]) == 1
