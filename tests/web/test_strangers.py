"""Every route there is, asked by everybody but the owner: with another person's session and key, and with nothing.

The table says what each route is to a stranger. A route that is not in it fails the test, so that none is forgotten.
"""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute

from hayon.media import temp_key
from hayon.store import avatars, leaving, notices, users
from hayon.store.database import Tx
from hayon.store.schema import accounts, metadata
from hayon.web.app import build
from tests.web.house import PASSWORD, House, Visitor
from tests.web.test_connecting import Doorway
from tests.web.test_media import picture, upload
from tests.web.test_pages import read
from tests.web.test_parking import park
from tests.web.test_posts import later
from tests.web.test_sessions import listed, sign_in

OPEN = {  # for everybody, and of nobody
    "GET /", "GET /register", "POST /register", "POST /login", "POST /api/auth/register", "POST /api/auth/login",
    "GET /healthz", "GET /readyz", "GET /metrics",
    "GET /forgot", "POST /forgot", "GET /reset", "POST /reset", "POST /api/auth/forgot", "POST /api/auth/reset",
}  # fmt: skip
LAST = ["DELETE /api/auth/sessions", "POST /api/auth/logout", "POST /logout"]
"""These end the session that asks, so that a stranger tries them when all else is tried."""
OWN = {  # about whoever asks: strangers get theirs, which is nothing
    *LAST, "GET /api/auth/me", "PATCH /api/auth/me", "POST /api/auth/password", "GET /api/auth/sessions", "POST /api/keys",
    "GET /api/keys", "GET /api/accounts", "POST /api/accounts/{which}", "POST /api/accounts/{platform}/connect",
    "GET /api/accounts/{platform}/callback", "POST /api/media/uploads", "GET /api/media", "GET /api/platforms",
    "GET /api/notices", "GET /api/notices/kinds", "PUT /api/notices/kinds", "POST /api/notices/read",
    "POST /api/notices/mail/test", "GET /api/webhooks", "POST /api/webhooks",
    "POST /api/posts", "GET /api/posts", "POST /api/{platform}/post", "GET /accounts", "POST /accounts",
    "POST /accounts/connect", "GET /compose", "POST /compose", "POST /compose/keep", "POST /compose/look",
    "POST /compose/shorten", "POST /notices/read", "GET /api/parking", "POST /api/parking/replay",
    "POST /api/parking/discard", "GET /settings", "POST /settings/profile", "POST /settings/email",
    "POST /settings/password", "GET /settings/keys", "POST /settings/keys", "GET /settings/mail", "POST /settings/mail",
    "GET /settings/webhooks", "POST /settings/webhooks", "GET /notices",
    "GET /calendar", "GET /media", "POST /media", "GET /media/pick",
}  # fmt: skip
NAMED_IN_FORM = {"POST /settings/sessions", "POST /calendar/move"}
"""What it is about stands in the form and not in the address, and is refused where it is another's."""
ADMIN = {
    "GET /api/dead-letters", "POST /api/dead-letters/replay", "POST /api/dead-letters/discard", "GET /api/people",
    "PATCH /api/people/{personId}", "GET /settings/people", "POST /settings/people/{personId}", "GET /operations",
    "GET /operations/parking", "POST /operations/parking", "GET /operations/dead-letters", "POST /operations/dead-letters",
}  # fmt: skip
SIGNED = {"PUT /media/uploads/{token}", "GET /media/files/{token}"}  # the address is the permission
BODIES: dict[str, Any] = {
    "PATCH /api/auth/me": {"email": "ada@example.org", "password": PASSWORD},
    "PATCH /api/people/{personId}": {"disabled": True, "isAdmin": False},
    "PATCH /api/posts/{postId}": {"content": {"text": "stolen"}},
    "PATCH /api/webhooks/{webhookId}": {"url": "http://hooks.invalid/stolen", "enabled": False},
    "POST /api/accounts/{which}": {"identifier": "x.test", "appPassword": "nonsense"},
    "POST /api/auth/password": {"password": "not the right one", "newPassword": "stolen password"},
    "POST /api/connections/{connectionId}": {"remoteIds": ["ann"]},
    "POST /api/dead-letters/discard": {"letterIds": ["5f2d1c9ab0e34d7786aa"]},
    "POST /api/dead-letters/replay": {"letterIds": ["5f2d1c9ab0e34d7786aa"]},
    "POST /api/keys": {"name": "mine"},
    "POST /api/media/uploads": {"mimeType": "image/png", "size": 5},
    "POST /api/webhooks": {"url": "http://hooks.invalid/mine"},
    "POST /api/{platform}/post": {"text": "mine"},
    "PUT /api/notices/kinds": {"mailed": []},
}
QUERIES = {
    "GET /api/accounts/{platform}/callback": "?state={state}&code=ann",
    "GET /api/parking": "?everybody=true",
    "GET /media/{mediaId}/tile": "?for=library",
}
NEVER_THE_SAME = {"last_used_at"}
"""Columns that somebody's own requests write while the others are being tried."""


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
    assert ada.person_id is not None
    media_id = await upload(ada, picture())
    (account,) = (await ada.get("/api/accounts")).json["accounts"]
    post = (
        await ada.post(
            "/api/posts",
            {"content": {"text": "Ada's own words", "mediaItems": [{"mediaId": media_id}]},
             "accountIds": [account["accountId"]], "scheduledAt": later()},
        )
    ).json  # fmt: skip
    await have_picture(house, ada.person_id, UUID(account["accountId"]))
    key = (await ada.post("/api/keys", {"name": "Ada's own key"})).json
    other = (
        await ada.post("/api/posts", {"content": {"text": "Ada's other words"}, "selectedPlatforms": ["bluesky"]})
    ).json
    await house.hayon.submission.cancel(ada.person_id, UUID(other["postId"]))
    phone = await sign_in(house, "Ada's own phone")
    (session,) = [one for one in await listed(phone) if one["thisOne"]]
    house.hayon.platforms["tumblr"] = Doorway(platform="tumblr", house=house)
    connection = (await ada.post("/api/accounts/tumblr/connect")).json
    webhook = (await ada.post("/api/webhooks", {"url": "http://hooks.invalid/adas-own-hook"})).json
    made.values = {
        "postId": post["postId"], "mediaId": media_id, "which": account["accountId"], "keyId": key["id"],
        "accountId": account["accountId"], "platform": "bluesky", "sessionId": session["sessionId"],
        "targetId": post["platformStatuses"][0]["targetId"], "parkedId": (await park(house, ada, "Ada's own mistake"))[1],
        "connectionId": connection["connectionId"], "webhookId": webhook["webhookId"], "personId": str(ada.person_id),
        "state": parse_qs(urlsplit(connection["url"]).query)["state"][0],
    }  # fmt: skip

    def tell(tx: Tx) -> tuple[UUID, UUID]:
        notices.reconnection_needed(tx, ada.person_id, UUID(made.values["which"]), "bluesky", "ada.test", "", tx.now())
        (notice,) = [one for one in notices.list_notices(tx, ada.person_id, unread_only=True, limit=9)
                     if one.kind == "account.needs_reconnection"]  # fmt: skip
        event_id = leaving.insert_event(
            tx, UUID(made.values["webhookId"]), "post.failed", {"text": "Ada's own event"}, due_at=None
        )
        return notice.id, event_id

    told = await house.hayon.database.write(tell)
    made.values |= {"noticeId": str(told[0]), "eventId": str(told[1])}
    ids = [value for name, value in made.values.items() if name != "platform"]
    made.secrets = [*ids, "Ada's", "adas-own", "ada@example.org", "ada.test", key["hint"]]
    return made


async def have_picture(house: House, person_id: UUID, account_id: UUID) -> None:
    """The account's picture is copied already."""
    source, key = "https://example.org/ada.png", temp_key(person_id, "image/jpeg")
    await house.hayon.media.keep(key, picture())
    shown = sa.update(accounts).where(accounts.c.id == account_id).values(avatar_url=source)
    await house.hayon.database.write(lambda tx: tx.run(shown))
    assert await house.hayon.database.write(avatars.keep_copy, account_id, source, key, None)


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
    if name == "POST /api/notices/read":
        body = {"upTo": owned.values["noticeId"]}
    values = owned.values | ({"which": "bluesky"} if name == "POST /api/accounts/{which}" else {})
    filled = f"{path}{QUERIES.get(name, '')}".format(**values, token="x")
    sent = json.dumps(body)
    if method == "POST" and not path.startswith("/api"):
        wishes = {
            "/accounts/{accountId}/decide": "disconnect", "/posts/{postId}/resolve": "absent",
            "/settings/sessions": owned.values["sessionId"], "/settings/people/{personId}": "person-out",
        }  # fmt: skip
        given = {
            "targetId": owned.values["targetId"], "attemptId": str(uuid4()), "lookedAt": later(),
            "noticeId": owned.values["noticeId"], "remoteIds": "ann", "url": "http://hooks.invalid/stolen", "do": wishes.get(path, "delete"),
            "postId": owned.values["postId"], "version": "1", "to": later(),
        }  # fmt: skip
        answer = await visitor.post(filled, data=form | given)
        sent = json.dumps(given)
    else:
        answer = await visitor.ask(method, filled, body)
    return answer, [secret for secret in owned.secrets if secret in answer.text and secret not in sent]


def look(tx: Tx, person_id: UUID) -> dict[str, tuple[list[str], list[str]]]:
    """Every row of every table: those of this person, and those of tables that say no owner."""
    found = {}
    for table in metadata.sorted_tables:
        columns = [column for column in table.c if column.name not in NEVER_THE_SAME]
        owner = table.c.id if table.name == "users" else table.c.get("user_id")
        mine = sa.select(*columns) if owner is None else sa.select(*columns).where(owner == person_id)
        rows = sorted(repr(tuple(row)) for row in tx.all(mine))
        found[table.name] = ([], rows) if owner is None else (rows, [])
    return found


async def test_the_table_knows_every_route(house: House) -> None:
    names = set(routes(house))
    assert len(names) > 90
    strangers = OPEN | OWN | ADMIN | SIGNED | NAMED_IN_FORM
    assert strangers <= names
    assert set(BODIES) | set(QUERIES) <= names
    unprotected = {name for name in names - strangers if "{" not in name}
    assert unprotected == set()


async def test_the_owner_reaches_all_of_it(house: House, ada: Visitor, owned: Owned) -> None:
    """Else a stranger would be refused for another reason than being one."""
    for name in routes(house):
        endless = name == "GET /api/posts/{postId}/events"
        if name.startswith("GET") and "{" in name and name not in SIGNED | OWN and not endless:
            answer, given_away = await ask(ada, name, owned, {})
            nothing_to_see = name.endswith(("/edit", "/attempts", " /connections/{connectionId}"))
            assert answer.status == 200 or (nothing_to_see and answer.status in {303, 404, 409}), (
                f"{name} -> {answer.status}"
            )
            assert given_away or not answer.text.startswith("{") or nothing_to_see, name


async def test_nobody_reaches_what_is_anothers(house: House, ada: Visitor, owned: Owned) -> None:
    assert ada.person_id is not None
    bob = await house.register("bob@example.org")
    program = await house.program(bob)
    page = await read(bob)
    form = {"csrf": page.form("/logout")["csrf"]}
    before = await house.hayon.database.read(look, ada.person_id)
    assert all(before[name][0] for name in (
        "users", "sessions", "api_keys", "accounts", "connections", "media", "posts", "targets", "notices", "webhooks",
    ))  # fmt: skip
    assert all(before[name][1] for name in ("webhook_events", "post_media"))
    names = [name for name in routes(house) if name not in LAST]
    for name in [*names, *LAST]:
        for visitor in (program, bob):
            answer, given_away = await ask(visitor, name, owned, form)
            about = f"{name} -> {answer.status} {answer.text[:300]}"
            if name not in OPEN | OWN:
                page_for_session = name not in SIGNED and not name.split(" ")[1].startswith("/api")
                refused = {401, 403, 404} | ({303} if page_for_session and visitor is program else set())
                assert answer.status in refused, about
            assert answer.status < 500, about
            assert not given_away, about
            if name in LAST and visitor is bob:
                bob = await sign_in(house, email="bob@example.org")
                form = {"csrf": (await read(bob)).form("/logout")["csrf"]}
    after = await house.hayon.database.read(look, ada.person_id)
    for table, (mine, nobodys) in before.items():
        assert after[table][0] == mine, f"{table}: something of Ada's was changed, or something was made hers"
        assert set(nobodys) <= set(after[table][1]), table
    assert (await ada.get("/api/auth/me")).status == 200


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
