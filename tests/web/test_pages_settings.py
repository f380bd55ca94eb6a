"""The page of one's own settings, used as a browser without scripts uses it."""

import re
from html import unescape

import pytest

from tests.web.house import PASSWORD, Answer, House, Visitor
from tests.web.test_pages import HOSTILE, read
from tests.web.test_sessions import NEW, alive, listed, sign_in


async def send(visitor: Visitor, path: str, **fields: str | list[str]) -> Answer:
    """Sends a form of the page, with its token."""
    token = (await read(visitor, "/settings")).form("/settings/profile")["csrf"]
    each = [(name, value) for name, given in fields.items() for value in ([given] if isinstance(given, str) else given)]
    return await visitor.post(path, data=[("csrf", token), *each])


async def test_name_and_time_zone(ada: Visitor) -> None:
    kept = await send(ada, "/settings/profile", name="Ada L.", timezone="Asia/Kolkata")
    assert (kept.status, kept.headers["Location"]) == (303, "/settings?told=profile")
    assert (await read(ada, "/settings")).form("/settings/profile") | {"csrf": ""} == {
        "csrf": "", "name": "Ada L.", "timezone": "Asia/Kolkata",
    }  # fmt: skip
    wrong = await send(ada, "/settings/profile", name="Ada", timezone="Mars/Olympus")
    assert (wrong.status, 'value="Mars/Olympus"' in wrong.text, 'role="alert"' in wrong.text) == (422, True, True)
    assert (await ada.get("/api/auth/me")).json["timezone"] == "Asia/Kolkata"


async def test_address_and_password(house: House, ada: Visitor) -> None:
    phone = await sign_in(house)
    wrong = await send(ada, "/settings/email", email="new@example.org", password="wrong")
    assert (wrong.status, "not your password" in wrong.text) == (403, True)
    assert (await send(ada, "/settings/email", email="new@example.org", password=PASSWORD)).status == 303
    assert (await ada.get("/api/auth/me")).json["email"] == "new@example.org"
    short = await send(ada, "/settings/password", password=PASSWORD, newPassword="short")
    assert short.status == 422
    assert await alive(phone) == [True]
    done = await send(ada, "/settings/password", password=PASSWORD, newPassword=NEW)
    assert done.headers["Location"] == "/settings?told=password"
    assert "API keys still open" in (await ada.get("/settings?told=password")).text
    assert await alive(ada, phone) == [True, False]
    for answer in (wrong, short, done):
        assert PASSWORD not in answer.text
        assert NEW not in answer.text


async def test_sessions_are_ended_one_by_one_and_all(house: House, ada: Visitor) -> None:
    phone, tablet = await sign_in(house, "Phone"), await sign_in(house, f"Tablet {HOSTILE}"[:150])
    page = await ada.get("/settings")
    assert HOSTILE not in page.text
    assert unescape(page.text).count("Tablet") == 1
    (of_phone,) = [one["sessionId"] for one in await listed(ada) if one["agent"] == "Phone"]
    assert (await send(ada, "/settings/sessions", do=of_phone)).status == 303
    assert await alive(ada, phone, tablet) == [True, False, True]
    assert (await send(ada, "/settings/sessions", do=of_phone)).status == 404
    assert (await send(ada, "/settings/sessions", do="nonsense")).status == 422
    assert (await send(ada, "/settings/sessions", do="others")).status == 303
    assert await alive(ada, tablet) == [True, False]
    phone = await sign_in(house, "Phone")
    left = await send(ada, "/settings/sessions", do="everywhere")
    assert (left.status, left.headers["Location"]) == (303, "/")
    assert await alive(ada, phone) == [False, False]


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
    assert key not in (await ada.get("/settings")).text
    gone = await send(ada, f"/settings/keys/{listed_key['id']}/delete")
    assert gone.headers["Location"] == "/settings?told=key"
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


async def test_the_page_is_for_somebody_signed_in(house: House, ada: Visitor) -> None:
    for visitor in (house.visitor(), await house.program(ada)):
        answer = await visitor.get("/settings")
        assert (answer.status, answer.headers["Location"]) == (303, "/")
