"""Every route says what a key has to be good for, or is open on purpose; and no page of another site uses anybody's session."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from hayon.web.app import build
from hayon.web.auth import AdminDoor, Door, OwnDoor
from hayon.web.pages_form import inside, inside_with_form
from hayon.web.scopes import MEANINGS, Scope
from tests.house.tree import plain, table
from tests.web.house import PASSWORD, SAME_ORIGIN, House, Visitor
from tests.web.test_pages import read
from tests.web.test_sessions import ago

OPEN = {  # to everybody: the way in, and what machines ask
    "POST /api/auth/register", "POST /api/auth/login", "POST /api/auth/forgot", "POST /api/auth/reset",
    "GET /healthz", "GET /readyz", "GET /", "GET /register", "POST /register", "POST /login", "GET /forgot",
    "POST /forgot", "GET /reset", "POST /reset",
}  # fmt: skip
SIGNED = {"PUT /media/uploads/{token}", "GET /media/files/{token}"}
"""The address is the permission, and platforms and browsers send it without a session."""
IN_PERSON = {  # no key may do this
    "POST /api/auth/logout", "PATCH /api/auth/me", "POST /api/auth/password", "GET /api/auth/sessions",
    "DELETE /api/auth/sessions", "DELETE /api/auth/sessions/{sessionId}", "POST /api/keys", "DELETE /api/keys/{keyId}",
    "GET /api/accounts/{platform}/callback",
}  # fmt: skip
ADMINS = {  # all that only an admin may do, beside everybody's part of the parking lot
    "GET /api/people", "PATCH /api/people/{personId}", "GET /api/dead-letters", "POST /api/dead-letters/replay",
    "POST /api/dead-letters/discard", "GET /metrics",
}  # fmt: skip


def each_route(house: House) -> Iterator[tuple[str, APIRoute]]:
    """Every route with its name."""
    pending = list(build(house.hayon).routes)
    while pending:
        route = pending.pop()
        pending.extend(getattr(getattr(route, "original_router", None), "routes", ()))
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                yield f"{method} {route.path_format}", route


def calls(dependant: Dependant) -> Iterator[Any]:
    """All that a route depends on."""
    for one in dependant.dependencies:
        yield one.call
        yield from calls(one)


def doors(route: APIRoute) -> list[Any]:
    """What a route asks of whoever comes: a door, or (the pages) to be signed in."""
    found = [call for call in calls(route.dependant) if isinstance(call, (Door, OwnDoor))]
    pages = [call for call in calls(route.dependant) if call in (inside, inside_with_form)]
    return found + pages[:1]


def filled(name: str) -> tuple[str, str]:
    """Method and path, about things that are not there."""
    method, path = name.split(" ", 1)
    words = {
        "platform": "bluesky",
        "token": "x",
        "which": "bluesky" if name == "POST /api/accounts/{which}" else uuid4(),
    }
    ids = {one: uuid4() for one in ("postId", "mediaId", "keyId", "sessionId", "accountId", "connectionId", "webhookId",
                                    "eventId", "noticeId", "personId", "targetId")}  # fmt: skip
    return method, path.format(**ids, **words)


async def program_with(house: House, owner: Visitor, *scopes: str) -> Visitor:
    """A program whose key has these scopes."""
    made = await owner.post("/api/keys", {"name": "a program", "scopes": scopes})
    assert made.status == 201, made.text
    return house.visitor(Authorization=f"Bearer {made.json['key']}")


def test_each_route_has_one_door(house: House) -> None:
    seen: dict[str, list[Any]] = {name: doors(route) for name, route in each_route(house)}
    assert len(seen) > 90
    without = {name for name, found in seen.items() if not found}
    assert without == OPEN | SIGNED
    assert {name for name, found in seen.items() if len(found) != 1} == without
    assert {name for name, found in seen.items() if found and isinstance(found[0], OwnDoor)} == IN_PERSON
    assert {name for name, found in seen.items() if found and isinstance(found[0], AdminDoor)} == ADMINS
    for name, found in seen.items():
        if found and isinstance(found[0], Door):
            assert found[0].scope is not Scope.ALL, f"{name} does not say what a key has to be good for"
            if not isinstance(found[0], AdminDoor):
                assert (found[0].scope is Scope.READ) is name.startswith("GET "), name
        elif found and found[0] in (inside, inside_with_form):
            assert (found[0] is inside) is name.startswith("GET "), f"{name} takes a form without its token"


async def test_a_key_without_the_scope_is_told_which_it_is(house: House, ada: Visitor) -> None:
    programs = {
        scope: await program_with(house, ada, *(one for one in Scope if one not in {scope, Scope.ALL}))
        for scope in Scope
    }
    everything = await program_with(house, ada, "all")
    tried = set()
    for name, route in each_route(house):
        found = doors(route)
        method, path = filled(name)
        far = {"X-Forwarded-For": "203.0.113.9"}  # /metrics asks nothing of this machine's own programs
        if found and isinstance(found[0], Door):
            scope = found[0].scope
            tried.add(scope)
            answer = await programs[scope].ask(method, path, headers=far)
            about = f"{name} -> {answer.status} {answer.text[:300]}"
            assert answer.status == 403, about
            assert f"needs the scope {scope}," in answer.json["detail"], about
            alone = await program_with(house, ada, scope)
            assert "needs the scope" not in (await alone.ask(method, path, headers=far)).text, name
            await ada.ask("DELETE", f"/api/keys/{(await ada.get('/api/keys')).json['keys'][0]['id']}")
        elif found and isinstance(found[0], OwnDoor):
            answer = await everything.ask(method, path)
            assert (answer.status, "A key may not" in answer.text) == (403, True), f"{name} -> {answer.status}"
    assert tried == set(Scope) - {Scope.ALL}


async def test_no_page_of_another_site_uses_a_session(house: House, ada: Visitor) -> None:
    """Every unsafe route, with everything a browser would send along; pages even with the form's own token."""
    page = await read(ada)
    form = {"csrf": page.form("/logout")["csrf"]}
    before = (await ada.get("/api/keys")).text + (await ada.get("/api/posts")).text
    unsafe = [name for name, _ in each_route(house) if not name.startswith("GET ")]
    assert len(unsafe) > 55
    for name in sorted(unsafe):
        method, path = filled(name)
        for foreign in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            cookies = {"Cookie": "; ".join(f"{one.key}={one.value}" for one in ada.http.cookie_jar)}
            thief = house.visitor(**cookies, **foreign)
            options: dict[str, Any] = {} if path.startswith("/api") else {"data": form}
            answer = await thief.ask(method, path, **options)
            assert answer.status == 403, f"{name} with {foreign} -> {answer.status} {answer.text[:200]}"
            assert "Set-Cookie" not in answer.headers, name
    assert (await ada.get("/api/keys")).text + (await ada.get("/api/posts")).text == before


async def test_a_form_needs_its_token(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    of_bob = (await read(bob)).form("/logout")["csrf"]
    tried = 0
    for name, route in each_route(house):
        if doors(route)[-1:] == [inside_with_form]:
            method, path = filled(name)
            for given in ({}, {"csrf": "x"}, {"csrf": of_bob}):
                answer = await ada.ask(method, path, data={"do": "others", **given})
                assert answer.status == 403, f"{name} -> {answer.status}"
            tried += 1
    assert tried > 14


async def test_scopes_are_chosen_and_shown(house: House, ada: Visitor) -> None:
    old = (await ada.post("/api/keys", {"name": "says nothing"})).json
    assert old["scopes"] == ["all"]
    some = (await ada.post("/api/keys", {"name": "some", "scopes": ["posts", "read", "posts"]})).json
    assert some["scopes"] == ["read", "posts"]
    every = (await ada.post("/api/keys", {"name": "every", "scopes": ["read", "all"]})).json
    assert every["scopes"] == ["all"]
    for wrong in ([], ["everything"], ["read"] * 8, "read"):
        assert (await ada.post("/api/keys", {"name": "wrong", "scopes": wrong})).status == 422
    assert [one["scopes"] for one in (await ada.get("/api/keys")).json["keys"]] == [
        ["all"], ["read", "posts"], ["all"],
    ]  # fmt: skip


async def test_a_reader_reads_and_an_author_writes(house: House, ada: Visitor) -> None:
    reader, author = await program_with(house, ada, "read"), await program_with(house, ada, "posts")
    post = {"content": {"text": "Hello"}, "selectedPlatforms": ["bluesky"]}
    assert (await reader.post("/api/posts", post)).status == 403
    made = await author.post("/api/posts", post)
    assert made.status == 201
    assert (await author.get(f"/api/posts/{made.json['postId']}")).status == 403
    assert (await reader.get(f"/api/posts/{made.json['postId']}")).status == 200


async def test_a_key_is_good_until_its_time_is_over(house: House, ada: Visitor) -> None:
    past = await ada.post("/api/keys", {"name": "over", "expiresAt": ago(seconds=1).isoformat()})
    assert past.rules == {("expiresAt", "past")}
    soon = ago(seconds=-1.5)
    made = (await ada.post("/api/keys", {"name": "soon over", "expiresAt": soon.isoformat()})).json
    assert made["expiresAt"] is not None
    program = house.visitor(Authorization=f"Bearer {made['key']}")
    statuses = []
    while (answer := await program.get("/api/auth/me")).status == 200:
        assert ago(seconds=10) < soon, "it never ends"
        statuses.append(answer.status)
    assert (answer.status, "its time is over" in answer.json["detail"]) == (401, True)
    assert ago() >= soon
    assert len((await ada.get("/api/keys")).json["keys"]) == 1, "it is still listed, so that its owner sees why"


async def test_what_an_admin_may_do_is_what_this_file_lists(house: House, ada: Visitor) -> None:
    """With a session and with a key; another person with neither."""
    bob = await house.register("bob@example.org")
    far = {"X-Forwarded-For": "203.0.113.9"}
    asking = {
        "ada": ada, "her key": await program_with(house, ada, "admin"), "bob": bob,
        "his key": await program_with(house, bob, "admin", "read"),
    }  # fmt: skip
    for name in sorted(ADMINS):
        method, path = filled(name)
        for who, visitor in asking.items():
            answer = await visitor.ask(method, path, headers=far)
            allowed = answer.status != 403
            assert allowed is (who in {"ada", "her key"}), f"{name} by {who} -> {answer.status}"
    assert (await bob.get("/api/parking?everybody=true")).status == 403
    assert (await ada.get("/api/parking?everybody=true")).status == 200
    reader = await program_with(house, ada, "read")
    assert (await reader.get("/api/parking?everybody=true")).status == 403, "the admin's key is not good for that"
    both = await program_with(house, ada, "read", "admin")
    assert (await both.get("/api/parking?everybody=true")).status == 200


def test_scopes_are_documented_as_they_are() -> None:
    told = [[plain(row[0]), row[1]] for row in table("docs/using.md", "Keys")]
    assert told == [[str(scope), meaning] for scope, meaning in MEANINGS.items()]
    assert set(MEANINGS) == set(Scope)


@pytest.mark.parametrize("given", [{"name": "x", "isAdmin": True}, {"name": ""}, {"scopes": ["read"]}])
async def test_a_key_needs_a_name_and_nothing_unknown(ada: Visitor, given: dict[str, Any]) -> None:
    assert (await ada.post("/api/keys", given)).status == 422


async def test_a_browser_signs_in_from_our_own_page_only(house: House, ada: Visitor) -> None:
    given = {"email": "ada@example.org", "password": PASSWORD}
    assert (await house.visitor(**SAME_ORIGIN).post("/api/auth/login", given)).status == 200
    assert (await house.visitor(Origin="https://evil.example").post("/api/auth/login", given)).status == 403
