"""What stands around every answer of every route, and what never stands in one: a password, a token, a key that was sent."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.web.hostile import Judged, Shapes, frame_of
from tests.web.house import PASSWORD, House, Visitor, open_house
from tests.web.test_hostile import Siege, pages_of, siege, walked_routes

__all__ = ["siege"]
FILES = ("/api/media/{mediaId:uuid}/content", "/api/media/{mediaId:uuid}/thumbnail", "/media/files/{token}")
SECRET = "geheim-4711"


async def test_every_route_is_framed_for_everybody(siege: Siege) -> None:
    """Signed in or not, found or not, by its method or another: the same frame, and nothing of it is kept by anybody."""
    asked = 0
    for method, path in walked_routes(siege):
        for visitor in (siege.stranger, siege.visitor):
            answer = await visitor.ask(method, siege.path(path))
            about, asked = f"{method} {path} {answer.status}", asked + 1
            assert frame_of(answer) == [], about
            kept = "private, max-age=3600" if path in FILES and answer.status == 200 else "no-store"
            assert answer.headers["Cache-Control"] == kept, about
            assert "Strict-Transport-Security" not in answer.headers, about
            assert not {"Server", "X-Powered-By", "Access-Control-Allow-Origin"} & set(answer.headers), about
            assert answer.headers.get("Location", "/").startswith(("/", siege.house.url)), about
            cookie = answer.headers.get("Set-Cookie", "httponly samesite=lax").lower()
            assert "httponly" in cookie, about
            assert "samesite=lax" in cookie, about
    assert asked > 120
    for path in (
        "/nowhere",
        "/api/nowhere",
        "/static/nowhere",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "//",
        "/%00",
    ):
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"):
            answer = await siege.visitor.ask(method, path)
            assert answer.status in {303, 400, 403, 404, 405}, (method, path)
            assert frame_of(answer) == [], (method, path)


@pytest.mark.parametrize("address", ["https://hayon.example", "http://hayon.example"])
async def test_only_behind_https_is_https_demanded(folder: Path, address: str) -> None:
    async with open_house(folder, public_url=address) as house:
        for path in ("/", "/api/posts", "/static/frame.css", "/nowhere"):
            demanded = (await house.visitor().get(path)).headers.get("Strict-Transport-Security")
            assert demanded == ("max-age=31536000" if address.startswith("https") else None)


async def test_no_refusal_repeats_what_was_sent_in_secret(siege: Siege) -> None:
    """Misshapen bodies with secrets in every place, to every route that takes one, by JSON and by form."""
    shapes, told = siege.shapes, 0
    for method, path, operation in siege.operations():
        shape = shapes.of(operation)
        if shape is None:
            continue
        for body in _misshapen(shapes, shape):
            answer = await siege.ask(method, siege.path(path), sent=json.dumps(body), json=body)
            if answer.status < 400:
                continue
            told += 1
            for secret in _secrets(body):
                assert secret not in answer.text, f"{method} {path} {body}"
    assert told > 100
    for page in await pages_of(siege):
        for form in Judged((await siege.visitor.get(page)).text).forms:
            hidden = [name for name, (kind, _) in form["fields"].items() if kind == "password"]
            given = {name: value for name, (kind, value) in form["fields"].items() if kind not in {"file", "checkbox"}}
            for name in hidden:
                answer = await siege.visitor.post(form["action"], data=given | {name: SECRET})
                assert SECRET not in answer.text, f"{form['action']} {name}"
    siege.stand()


SECRETIVE = (
    "password",
    "newPassword",
    "appPassword",
    "accessToken",
    "refreshToken",
    "token",
    "tokenSecret",
    "secret",
    "key",
    "code",
)


def _misshapen(shapes: Shapes, shape: Mapping[str, Any]) -> Iterator[Any]:
    """Bodies that are refused for their shape, each with secrets where such a thing may stand."""
    good = shapes.make(shape, None, "")
    secrets = {name: f"{SECRET}-{name}" for name in SECRETIVE}
    yield secrets
    yield [secrets]
    if isinstance(good, dict):
        yield good | secrets
        for name in good:
            yield {one: value for one, value in (good | secrets).items() if one != name} | {name: [f"{SECRET}-{name}"]}
        for name in set(good) & set(SECRETIVE):
            yield good | {name: {"a": f"{SECRET}-within"}}
            yield good | {name: f"{SECRET}-long" * 1_000}
            yield good | {name: [f"{SECRET}-list"]}


def _secrets(body: Any) -> Iterator[str]:
    match body:
        case str() if SECRET in body:
            yield body[:40]
        case list():
            for one in body:
                yield from _secrets(one)
        case dict():
            for one in body.values():
                yield from _secrets(one)


async def test_no_secret_comes_back_after_it_was_taken(house: House, ada: Visitor) -> None:
    """What was given in secret is in no answer that comes later, and not in the file of the database either."""
    await ada.post("/api/auth/login", {"email": "ada@example.org", "password": f"{SECRET}-wrong"})
    made = (await ada.post("/api/keys", {"name": "once"})).json
    for path in ("/", "/accounts", "/settings", "/api/keys", "/api/auth/me", "/api/accounts"):
        page = (await ada.get(path)).text
        assert made["key"] not in page, path
        assert PASSWORD not in page, path
    kept = b"".join(path.read_bytes() for path in house.hayon.settings.data_dir.glob("hayon.db*"))
    assert made["key"].encode() not in kept
    assert SECRET.encode() not in kept
    assert PASSWORD.encode() not in kept
