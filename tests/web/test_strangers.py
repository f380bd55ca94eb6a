"""Every route there is, asked by everybody but the owner: with another person's session and key, and with nothing.

The table says what each route is to a stranger. A route that is not in it fails the test, so that none is forgotten.
"""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.routing import APIRoute

from hayon.store import users
from hayon.web.app import build
from tests.web.house import House, Visitor
from tests.web.test_media import picture, upload
from tests.web.test_pages import read
from tests.web.test_parking import park
from tests.web.test_posts import later

OPEN = {  # for everybody, and of nobody
    "GET /", "GET /register", "POST /register", "POST /login", "POST /api/auth/register", "POST /api/auth/login",
    "GET /healthz", "GET /readyz", "GET /metrics",
}  # fmt: skip
OWN = {  # about whoever asks: strangers get theirs, which is nothing
    "POST /api/auth/logout", "GET /api/auth/me", "POST /api/keys", "GET /api/keys", "GET /api/accounts",
    "POST /api/accounts/{which}", "POST /api/media/uploads", "GET /api/media", "GET /api/platforms", "GET /api/notices",
    "POST /api/posts", "GET /api/posts", "POST /api/{platform}/post", "GET /accounts", "POST /accounts", "POST /logout",
    "POST /compose", "POST /notices/read", "GET /api/parking", "POST /api/parking/replay", "POST /api/parking/discard",
}  # fmt: skip
ADMIN = {"GET /api/dead-letters", "POST /api/dead-letters/replay", "POST /api/dead-letters/discard"}
SIGNED = {"PUT /media/uploads/{token}", "GET /media/files/{token}"}  # the address is the permission
PAGES = {"GET /accounts", "POST /accounts", "POST /logout", "POST /compose", "POST /notices/read"}
BODIES: dict[str, Any] = {
    "PATCH /api/posts/{postId}": {"content": {"text": "stolen"}},
    "POST /api/keys": {"name": "mine"},
    "POST /api/media/uploads": {"mimeType": "image/png", "size": 5},
    "POST /api/accounts/{which}": {"identifier": "x.test", "appPassword": "nonsense"},
    "POST /api/{platform}/post": {"text": "mine"},
    "POST /api/dead-letters/replay": {"letterIds": ["5f2d1c9ab0e34d7786aa"]},
    "POST /api/dead-letters/discard": {"letterIds": ["5f2d1c9ab0e34d7786aa"]},
}


def routes(house: House) -> list[str]:
    """Every route, as "METHOD /path"."""
    app = build(house.hayon)
    found: set[str] = set()
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        pending.extend(getattr(getattr(route, "original_router", None), "routes", ()))
        if isinstance(route, APIRoute):
            found |= {f"{method} {route.path_format}" for method in route.methods or ()}
    return sorted(found)


class Owned:
    """What Ada has, and what of it must never be seen by others."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.secrets: list[str] = []


@pytest.fixture
async def owned(house: House, ada: Visitor) -> Owned:
    """One of everything."""
    made = Owned()
    media_id = await upload(ada, picture())
    (account,) = (await ada.get("/api/accounts")).json["accounts"]
    post = (
        await ada.post(
            "/api/posts",
            {"content": {"text": "Ada's own words", "mediaItems": [{"mediaId": media_id}]},
             "accountIds": [account["accountId"]], "scheduledAt": later()},
        )
    ).json  # fmt: skip
    key = (await ada.post("/api/keys", {"name": "Ada's own key"})).json
    other = (
        await ada.post("/api/posts", {"content": {"text": "Ada's other words"}, "selectedPlatforms": ["bluesky"]})
    ).json
    await house.hayon.submission.cancel(UUID(str(ada.person_id)), UUID(other["postId"]))
    made.values = {
        "postId": post["postId"], "mediaId": media_id, "which": account["accountId"], "keyId": key["id"],
        "accountId": account["accountId"], "noticeId": str(uuid4()), "platform": "bluesky",
        "targetId": post["platformStatuses"][0]["targetId"], "parkedId": (await park(house, ada, "Ada's own mistake"))[1],
    }  # fmt: skip
    ids = [made.values[name] for name in ("postId", "mediaId", "which", "keyId", "targetId", "parkedId")]
    made.secrets = [*ids, "Ada's own", "ada@example.org", "ada.test", str(ada.person_id), key["hint"]]
    return made


async def ask(visitor: Visitor, name: str, owned: Owned, form: dict[str, str]) -> tuple[Any, list[str]]:
    """Asks a route about Ada's things: the answer, and what of hers it gives away (beyond what the body named already)."""
    method, path = name.split(" ", 1)
    body = BODIES.get(name)
    if name.endswith("/resolve") and path.startswith("/api"):
        body = {"targetId": owned.values["targetId"], "attemptId": str(uuid4()), "outcome": "absent"}
    if name.startswith("POST /api/parking/"):
        body = {"targetIds": [owned.values["parkedId"], str(uuid4())]}
    if name == "POST /api/posts":
        uses = [{"mediaId": owned.values["mediaId"]}]
        body = {"content": {"text": "x", "mediaItems": uses}, "accountIds": [owned.values["which"]]}
    values = owned.values | ({"which": "bluesky"} if name == "POST /api/accounts/{which}" else {})
    filled = path.format(**values, token="x")
    if method == "POST" and not path.startswith("/api"):
        wish = {"/accounts/{accountId}/decide": "disconnect", "/posts/{postId}/resolve": "absent"}.get(path, "delete")
        given = {"targetId": owned.values["targetId"], "attemptId": str(uuid4()), "lookedAt": later()}
        answer = await visitor.post(filled, data=form | given | {"do": wish})
    else:
        answer = await visitor.ask(method, filled, body)
    return answer, [secret for secret in owned.secrets if secret in answer.text and secret not in json.dumps(body)]


async def test_the_table_knows_every_route(house: House) -> None:
    names = set(routes(house))
    assert len(names) > 40
    strangers = OPEN | OWN | ADMIN | SIGNED
    assert strangers <= names
    unprotected = {name for name in names - strangers if "{" not in name}
    assert unprotected == set()


async def test_nobody_reaches_what_is_anothers(house: House, ada: Visitor, owned: Owned) -> None:
    before = tuple([(await ada.get(f"/api/{what}")).text for what in ("posts", "keys", "accounts", "parking")])
    assert owned.values["parkedId"] in before[3]
    bob = await house.register("bob@example.org")
    program = await house.program(bob)
    form = {"csrf": (await read(bob)).form("/logout")["csrf"]}
    for name in routes(house):
        if name.endswith("/logout"):
            continue  # tried last: it ends the session that asks
        for visitor in (bob, program):
            answer, given_away = await ask(visitor, name, owned, form)
            about = f"{name} -> {answer.status} {answer.text[:300]}"
            if name not in OPEN | OWN:
                page = not name.split(" ")[1].startswith(("/api", "/media"))
                refused = {403, 404} | ({303} if page and visitor is program else set())
                assert answer.status in refused, about
            assert answer.status < 500, about
            assert not given_away, about
    assert (await ada.get(f"/api/posts/{owned.values['postId']}")).json["status"] == "SCHEDULED"
    after = tuple([(await ada.get(f"/api/{what}")).text for what in ("posts", "keys", "accounts", "parking")])
    assert after == before
    assert (await bob.post("/api/auth/logout")).status == 204


async def test_without_signing_in_there_is_nothing(house: House, ada: Visitor, owned: Owned) -> None:
    stranger = house.visitor(**{"Sec-Fetch-Site": "same-origin"})
    for name in routes(house):
        answer, given_away = await ask(stranger, name, owned, {})
        about = f"{name} -> {answer.status} {answer.text[:300]}"
        if name in SIGNED:
            assert answer.status == 403, about
        elif name.split(" ")[1].startswith("/api"):
            assert answer.status == (401 if name not in OPEN else 422), about
        elif name not in OPEN:
            assert (answer.status, answer.headers["Location"]) == (303, "/"), about
        assert not given_away, about


async def test_a_program_may_do_what_its_person_may(house: House, ada: Visitor, owned: Owned) -> None:
    program = await house.program(ada)
    for name in routes(house):
        if name.startswith("GET /api/posts/{postId}") and "events" not in name:
            assert (await ask(program, name, owned, {}))[0].status == 200
    assert await house.hayon.database.read(users.anybody_registered)
