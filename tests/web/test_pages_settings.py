"""The page of one's own settings, used as a browser without scripts uses it."""

import re
from html import unescape
from zoneinfo import ZoneInfo

import pytest

from hayon.domain.schedule import read_zone
from hayon.web.pages_settings import name_browser
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
    assert unescape(page.text).count("Tablet") == 2, "named, and in full for whoever points at it"
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


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        ("curl/8.5.0", "curl/8.5.0"), ("", "A browser that does not say its name"),
    ],
)  # fmt: skip
def test_browsers_are_named_as_people_call_them(agent: str, name: str) -> None:
    assert name_browser(agent) == name


async def test_the_time_zones_there_are_are_offered(ada: Visitor) -> None:
    page = (await ada.get("/settings")).text
    assert 'list="zones-known"' in page
    offered = re.findall(r'<option value="([^"]+)">', page)
    assert {"Europe/Berlin", "Asia/Kolkata", "UTC"} <= set(offered)
    assert offered == sorted(offered)
    assert all(isinstance(read_zone(name), ZoneInfo) for name in offered)


@pytest.mark.parametrize("page", ["/settings", "/settings/mail", "/settings/keys", "/settings/webhooks"])
async def test_the_pages_of_settings_lead_to_one_another(house: House, ada: Visitor, page: str) -> None:
    bob = await house.register("bob@example.org")
    for visitor, people in ((ada, 1), (bob, 0)):
        text = (await visitor.get(page)).text
        tabs = text.partition('<nav class="tabs" aria-label="Settings">')[2].partition("</nav>")[0]
        assert re.findall(r'href="([^"]+)" aria-current="page"', tabs) == [page]
        assert tabs.count('href="/settings/people"') == people


async def test_the_page_is_for_somebody_signed_in(house: House, ada: Visitor) -> None:
    for visitor in (house.visitor(), await house.program(ada)):
        answer = await visitor.get("/settings")
        assert (answer.status, answer.headers["Location"]) == (303, "/")
