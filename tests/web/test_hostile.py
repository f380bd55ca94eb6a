"""Hostile input at the front door: every route of the OpenAPI document and every form of every page, walked with one table.

Nothing may be answered with a 5xx, nothing may tell of the inside, and whatever was taken in is shown as words and as
nothing else. Routes and forms are found, not written down: a new one is walked from its first day.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import aiohttp
import pytest
from fastapi.routing import APIRoute

from hayon.web.app import build
from tests.web.hostile import (
    MARK,
    NOBODY,
    TEXTS,
    Judged,
    Shapes,
    frame_of,
    operations_of,
    told_too_much,
)
from tests.web.house import PASSWORD, SAME_ORIGIN, Answer, House, Visitor, open_house
from tests.web.test_media import picture, upload
from tests.web.test_posts import make

LAST = ("POST /api/auth/logout", "DELETE /api/auth/sessions", "POST /logout", "DELETE /api/auth/sessions/{sessionId}")
"""These end the session that walks."""
AT_ONCE = 8
SHOWN = [name for name, text in TEXTS.items() if MARK in text and "\x00" not in text] + [
    "template",
    "format",
    "right to left",
]


class Siege:
    """A Hayon, a person with one of everything, and a walk through all that it offers. `faults` says what went wrong."""

    def __init__(self, house: House, visitor: Visitor, document: Mapping[str, Any], values: dict[str, Any]) -> None:
        self.house = house
        self.visitor = visitor
        self.stranger = house.visitor(**SAME_ORIGIN)
        self.open = {path for _, path, operation in operations_of(document) if not operation.get("security")}
        self.document = document
        self.values = values
        self.shapes = Shapes(document, values)
        self.faults: list[str] = []
        self.statuses: dict[str, set[int]] = {}
        self.taken: list[tuple[str, str]] = []
        self._room = asyncio.Semaphore(AT_ONCE)

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Every operation but those that end the session, which come last, and the stream that ends only with its post."""
        found = [one for one in operations_of(self.document) if not one[1].endswith("/events")]
        yield from sorted(found, key=lambda one: f"{one[0]} {one[1]}" in LAST)

    def path(self, path: str, **given: str) -> str:
        """An address with our own things in it, where nothing else is given."""
        return re.sub(
            r"\{(\w+)[^}]*\}", lambda found: given.get(found[1], str(self.values.get(found[1], NOBODY))), path
        )

    async def ask(self, method: str, path: str, *, sent: str = "", about: str = "", **options: Any) -> Answer:
        """One request, judged."""
        who = self.stranger if (about or path).partition(" <-")[0] in self.open else self.visitor
        async with self._room:
            answer = await who.ask(method, path, **options)
        self.judge(answer, f"{method} {about or path}", sent)
        return answer

    def judge(self, answer: Answer, about: str, sent: str) -> None:
        """Notes whatever an answer must not be or hold."""
        self.statuses.setdefault(about.split(" <-", maxsplit=1)[0], set()).add(answer.status)
        if answer.status >= 500:
            self.faults.append(f"{about}: {answer.status} {answer.text[:300]}")
        if leak := told_too_much(answer, sent + TEXTS["format"], str(self.house.hayon.settings.data_dir), PASSWORD):
            self.faults.append(f"{about}: tells {leak!r}")
        if missing := frame_of(answer):
            self.faults.append(f"{about}: without {', '.join(missing)}")
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if kind == "text/html":
            self.faults += [f"{about}: {fault}" for fault in Judged(answer.text).faults]
            self.faults += [f"{about}: a template was filled in"] * ("7100996029" in answer.text)
        elif kind.endswith("json") and not (about.startswith("HEAD ") or answer.status == 204):
            json.loads(answer.body)
        elif MARK in answer.text and not kind.startswith(("image/", "video/", "text/event-stream")):
            self.faults.append(f"{about}: somebody's words as {kind or 'anything'}")

    async def all(self, *walks: Any) -> None:
        """At once, and to the end."""
        await asyncio.gather(*walks)

    def stand(self) -> None:
        """Fails with what was found."""
        assert not self.faults, "\n".join(
            [f"{len(self.faults)} faults", *sorted(set(self.faults), key=lambda one: ": 5" not in one)[:40]]
        )


@pytest.fixture
async def siege(house: House, ada: Visitor) -> Siege:
    """Ada with one of everything that an address can name."""
    return await lay_siege(house, ada)


@pytest.fixture
async def siege_on_postgres(folder: Path, migrated_postgres_url: str) -> AsyncIterator[Siege]:
    """The same on a database that takes less than SQLite: no NUL, no halves of pairs, no keys without end."""
    async with open_house(folder, database_url=migrated_postgres_url) as house:
        ada = await house.register()
        await house.account(ada)
        yield await lay_siege(house, ada)


async def lay_siege(house: House, ada: Visitor) -> Siege:
    """All that a walk needs."""
    document = (await ada.get("/api/openapi.json")).json
    (account,) = (await ada.get("/api/accounts")).json["accounts"]
    media_id = await upload(ada, picture())
    post_id = await make(ada, draft=True)
    key = (await ada.post("/api/keys", {"name": "another"})).json
    values = {
        "postId": post_id, "mediaId": media_id, "which": account["accountId"], "accountId": account["accountId"],
        "keyId": key["id"], "platform": "bluesky", "selectedPlatforms": ["bluesky"], "draft": True, "text": "hello",
        "email": "b@example.org", "password": "wrong password", "currentPassword": "wrong password",
        "mimeType": "image/png", "timezone": "UTC",
    }  # fmt: skip
    return Siege(house, ada, document, values)


def shown(text: str) -> str:
    """The name of a text of the table."""
    return next((name for name, one in TEXTS.items() if one == text), repr(text[:40]))


def walked(name: str, number: int, *, whole: bool) -> bool:
    """Which part of the table a place meets in the short form: those that were bad most often, and a share of the rest."""
    return whole or name in {"script", "half a pair"} or (list(TEXTS).index(name) + number) % 8 == 0


async def write_everywhere(siege: Siege, *, whole: bool) -> None:
    """Every text in every place of every body, query and path."""
    walks, number = [], 0
    for method, path, operation in siege.operations():
        shape = siege.shapes.of(operation)
        aims = [] if shape is None else list(siege.shapes.places(shape))
        for aim in aims:
            number += 1
            every = whole or (path == "/api/posts" and aim == ("content", "text"))
            walks += [
                _write(siege, method, path, shape, aim, text)
                for name, text in TEXTS.items()
                if walked(name, number, whole=every)
            ]
        for parameter in operation.get("parameters", ()):
            number += 1
            walks += [
                _address(siege, method, path, parameter, text)
                for name, text in TEXTS.items()
                if walked(name, number, whole=whole)
            ]
    await siege.all(*walks)


async def _write(siege: Siege, method: str, path: str, shape: Any, aim: tuple[str, ...], text: str) -> None:
    which = "bluesky" if path == "/api/accounts/{which}" else str(siege.values["which"])
    body = json.dumps(siege.shapes.make(shape, aim, text))
    answer = await siege.ask(
        method, siege.path(path, which=which), sent=text, about=f"{path} <- {'.'.join(aim)} {shown(text)}",
        data=body.encode(), headers={"Content-Type": "application/json"},
    )  # fmt: skip
    if answer.status < 300:
        siege.taken.append((f"{method} {path} {'.'.join(aim)}", text))


async def _address(siege: Siege, method: str, path: str, parameter: Mapping[str, Any], text: str) -> None:
    about, name = f"{path} <- {parameter['name']} {shown(text)}", parameter["name"]
    options: dict[str, Any] = {"json": {}} if method in {"POST", "PUT", "PATCH"} else {}
    quoted = quote(text.encode("utf-8", "surrogatepass"), safe="")[
        :20_000
    ]  # a longer line is refused before it is read
    if parameter["in"] == "path":
        await siege.ask(method, siege.path(path, **{name: quoted or "%20"}), sent=text, about=about, **options)
    elif parameter["in"] == "query":
        await siege.ask(method, f"{siege.path(path)}?{name}={quoted}", sent=text, about=about, **options)
    else:
        plain = re.sub(r"[^\x20-\x7e\xa0-\xff]", "?", text)[:4_000]
        await siege.ask(method, siege.path(path), sent=text, about=about, headers={name: plain}, **options)


PAGES = ("/", "/register", "/accounts")


def walked_routes(siege: Siege) -> list[tuple[str, str]]:
    """Every route, pages among them, those that end the session last; but for the stream that ends only with its post."""
    found: set[tuple[str, str]] = set()
    pending = list(build(siege.house.hayon).routes)
    while pending:
        route = pending.pop()
        pending.extend(getattr(getattr(route, "original_router", None), "routes", ()))
        if isinstance(route, APIRoute) and not route.path_format.endswith("/events"):
            found |= {(method, route.path_format) for method in route.methods or ()}
    return sorted(found, key=lambda one: (f"{one[0]} {one[1]}" in LAST, one))


async def pages_of(siege: Siege) -> list[str]:
    """Every page there is: those without schema that answer to GET, with our own things in their addresses."""
    found, pending = set(PAGES), list(build(siege.house.hayon).routes)
    while pending:
        route = pending.pop()
        pending.extend(getattr(getattr(route, "original_router", None), "routes", ()))
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and not route.include_in_schema:
            found.add(siege.path(route.path_format))
    return sorted(page for page in found if not page.startswith("/media"))


async def fill_in_every_form(siege: Siege, *, whole: bool) -> None:
    """Every text in every field of every form, and in what its buttons say."""
    number = 0
    forms: dict[str, dict[str, Any]] = {}
    for page in await pages_of(siege):
        for visitor in (siege.stranger, siege.visitor):
            answer = await visitor.get(page)
            for form in Judged(answer.text).forms if answer.status == 200 else ():
                fields = "-".join(form["fields"])
                forms[f"{form['action']} {fields} {form['fields'].get('platform')}"] = form | {"visitor": visitor}
    assert len(forms) > 8
    for form in forms.values():
        assert form["method"] == "POST" or form["action"] == "/", form  # but for the filters of the list
        for field in [*form["fields"], *{name for name, _ in form["buttons"]}]:
            number += 1
            if field == "csrf" or form["action"] == "/logout":
                continue
            await siege.all(*(
                _fill_in(siege, form, field, text) for name, text in TEXTS.items() if walked(name, number, whole=whole)
            ))  # fmt: skip


async def _fill_in(siege: Siege, form: Mapping[str, Any], field: str, text: str) -> None:
    told = [value for _, value in form["buttons"]]
    given = {name: value for name, (_, value) in form["fields"].items()}
    given |= {name: ("draft" if "draft" in told else told[0]) for name, _ in form["buttons"]}
    given |= {"key": uuid4().hex} if "key" in given else {}
    given |= {"text": "by a form"} if "text" in given else {}
    given[field] = text
    kinds = {name: kind for name, (kind, _) in form["fields"].items()}
    data = aiohttp.FormData(default_to_multipart=form["parts"])
    for name, value in given.items():
        if kinds.get(name) == "file":
            if name == field and text:
                plain = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "?", text)[:3_000]
                data.add_field(name, picture(), filename=plain, content_type="image/png")
        elif kinds.get(name) != "checkbox":
            data.add_field(name, value.encode("utf-8", "replace").decode())
    visitor: Visitor = form["visitor"]
    async with siege._room:
        if form["method"] == "GET":
            query = urlencode({name: value.encode("utf-8", "replace")[:4_000] for name, value in given.items()})
            answer = await visitor.get(f"{form['action']}?{query}")
        else:
            answer = await visitor.post(form["action"], data=data)
    siege.judge(answer, f"form {form['action']} <- {field} {shown(text)}", text)
    if answer.status == 303:
        siege.taken.append((f"form {form['action']} {field}", text))


async def read_everything(siege: Siege) -> str:
    """Every list with all its entries, every page, and every thing in them by its own address; all words that pages showed."""
    said = []
    for method, path, operation in siege.operations():
        if method == "GET":
            small = any(one["name"] == "limit" for one in operation.get("parameters", ()))
            await siege.ask("GET", siege.path(path) + ("?limit=100" if small else ""), sent="".join(TEXTS.values()))
    seen: set[str] = set()
    pending = set(await pages_of(siege))
    while pending:
        page = pending.pop()
        kind = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "{id}", page.partition("?")[0])
        seen |= {page}
        answer = await siege.ask("GET", page, sent="".join(TEXTS.values()), about=kind)
        if answer.status == 200:
            judged = Judged(answer.text)
            said.append(judged.words)
            pending |= {link for link in judged.links if not link.startswith(("/static", "/api"))} - seen
    return "\n".join(said)


async def besiege(siege: Siege, *, whole: bool) -> None:
    """Writes everywhere, then looks at everything."""
    await write_everywhere(siege, whole=whole)
    await fill_in_every_form(siege, whole=whole)
    words = await read_everything(siege)
    siege.stand()
    shown = {name for name in SHOWN if _spaced(TEXTS[name]) in _spaced(words)}
    assert shown == set(SHOWN), f"never shown: {set(SHOWN) - shown}"  # else nothing was proved of them
    kept = {place for place, _ in siege.taken}
    assert {"POST /api/posts content.text", "POST /api/keys name", "form /compose text"} <= kept
    person = (await siege.visitor.get("/api/auth/me")).json
    assert person["id"] == str(siege.visitor.person_id)  # it was Ada to the end


def _spaced(text: str) -> str:
    return " ".join(text.replace("\ufeff", "").split())


async def test_no_text_in_any_place_does_harm(siege: Siege) -> None:
    await besiege(siege, whole=False)


@pytest.mark.long
async def test_no_text_of_the_whole_table_does_harm(siege: Siege) -> None:
    await besiege(siege, whole=True)


@pytest.mark.long
async def test_no_text_in_any_place_does_harm_on_postgres(siege_on_postgres: Siege) -> None:
    await besiege(siege_on_postgres, whole=False)
