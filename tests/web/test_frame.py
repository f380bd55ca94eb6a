"""The frame around every answer: correlation ids, security headers, bounded bodies, and errors that give nothing away."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hayon.errors import DatabaseUnreachable, Misconfigured
from hayon.web.app import serve
from hayon.web.frame import SECURITY_HEADERS
from tests.web.house import House, Visitor, open_house

S3_KEYS = {"s3_access_key": "an-access-key", "s3_secret_key": "a-secret-key"}


@pytest.mark.parametrize("path", ["/", "/api/posts", "/nowhere", "/static/frame.css", "/healthz", "/api/openapi.json"])
async def test_every_answer_is_framed(house: House, path: str) -> None:
    answer = await house.visitor().get(path)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Correlation-Id"]
    assert answer.headers["Cache-Control"] == ("public, max-age=3600" if path.startswith("/static") else "no-store")
    assert "Server" not in answer.headers


@pytest.mark.parametrize(
    ("settings", "connects"),
    [
        ({}, ["'self'"]),
        ({"media_url": "s3://hayon-media?endpoint=https://s3.example.org:9000", **S3_KEYS}, ["'self'", "https://s3.example.org:9000"]),
        ({"media_url": "s3://hayon-media?region=eu-central-1", **S3_KEYS}, ["'self'", "https://hayon-media.s3.eu-central-1.amazonaws.com"]),
        (
            {"media_url": "s3://hayon-media?endpoint=https://S3.example.org:443&publicUrl=https://files.example.org", **S3_KEYS},
            ["'self'", "https://s3.example.org"],
        ),
    ],
)  # fmt: skip
async def test_pages_send_to_us_and_to_where_files_are_kept_alone(
    folder: Path, settings: dict[str, str], connects: list[str]
) -> None:
    async with open_house(folder, **settings) as house:
        policy = (await house.visitor().get("/")).headers["Content-Security-Policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules.pop("connect-src").split(" ") == connects
        rest = dict(rule.strip().split(" ", 1) for rule in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
        assert rest.pop("connect-src") == "'self'"
        assert rules == rest
        if len(connects) > 1:
            ada = await house.register()
            grant = (await ada.post("/api/media/uploads", {"mimeType": "image/png", "size": 5})).json
            assert grant["url"].startswith(f"{connects[1]}/")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("order-1.a:b_C", True), ("x" * 100, True), ("x" * 101, False), ("a b", False), ("é", False), ("<b>", False)],
)
async def test_a_sane_correlation_id_is_taken(house: House, given: str, kept: bool) -> None:
    answer = await house.visitor().get("/healthz", headers={"X-Correlation-Id": given})
    assert (answer.headers["X-Correlation-Id"] == given) is kept


async def test_bodies_are_bounded_whether_they_tell_their_length_or_not(ada: Visitor) -> None:
    told = await ada.ask("POST", "/api/posts", data=b" " * 1_000_001, headers={"Content-Type": "application/json"})

    async def dribble() -> object:
        for _ in range(11):
            yield b" " * 100_000

    untold = await ada.ask("POST", "/api/posts", data=dribble(), headers={"Content-Type": "application/json"})
    for answer in (told, untold):
        assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
        assert "1,000,000 bytes" in answer.json["detail"]


async def test_an_unforeseen_error_gives_nothing_away(
    house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch, log: list[Any]
) -> None:
    async def break_down(*_: object, **__: object) -> object:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(type(house.hayon.database), "read", break_down)
    answer = await ada.get("/api/posts", headers={"X-Correlation-Id": "trace-7"})
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.headers["Content-Security-Policy"]
    assert answer.json["correlationId"] == "trace-7"
    (line,) = [one for one in log if one["event"] == "request.failed"]
    assert (line["error"], line["method"]) == ("RuntimeError", "GET")
    assert "test_frame.py" in line["at"]
    assert "hunter2" not in answer.text + str(log)


async def test_an_unforeseen_error_in_the_middle_of_a_stream_cuts_it(
    house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch, log: list[Any]
) -> None:
    async def break_down(*_: object) -> object:
        yield b"event: status\n\n"
        raise RuntimeError("the password is hunter2")

    made = await ada.post("/api/posts", {"content": {"text": "a"}, "draft": True})
    monkeypatch.setattr("hayon.web.watching.Watch._follow", break_down)
    log.clear()
    with pytest.raises(aiohttp.ClientPayloadError):
        await ada.get(f"/api/posts/{made.json['postId']}/events")
    assert [line["event"] for line in log] == ["request.failed"]
    assert "hunter2" not in str(log)


async def test_a_database_that_does_not_answer_is_told_as_such(
    house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> object:
        raise DatabaseUnreachable("The database did not answer: OSError.")

    monkeypatch.setattr(type(house.hayon.database), "read", away)
    for path in ("/api/posts", "/readyz"):
        answer = await ada.get(path)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json["type"] == "urn:hayon:problem:unavailable"
    assert (await ada.get("/healthz")).status == 200
    page = await ada.get("/accounts")
    assert (page.status, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/api/posts", 405), ("GET", "/static/../app.py", 404)],
)
async def test_what_is_not_there(house: House, method: str, path: str, status: int) -> None:
    answer = await house.visitor().ask(method, path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    if status == 405:
        assert answer.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "There is nothing at this address."),
        ("GET", "/posts/nonsense", 404, "There is nothing at this address."),
        ("GET", "/static/nothing.css", 404, "There is nothing at this address."),
        ("GET", "/media/files/nonsense", 403, "Not allowed"),
        ("GET", "/compose/keep", 405, "This address takes POST, not GET."),
    ],
)
async def test_a_browser_is_answered_with_a_page(ada: Visitor, method: str, path: str, status: int, words: str) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = await ada.ask(method, path, headers=browser)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert words in answer.text
    assert answer.headers["X-Correlation-Id"] in answer.text
    if status == 405:
        assert answer.headers["Allow"] == "POST"
    api = await ada.get("/api/nowhere", headers=browser)
    assert (api.status, api.headers["Content-Type"]) == (404, "application/problem+json")


async def test_a_browser_sees_a_page_for_what_is_too_large(ada: Visitor) -> None:
    answer = await ada.ask("POST", "/accounts", data=b" " * 1_000_001, headers={"Accept": "text/html"})
    assert (answer.status, "Too large" in answer.text) == (413, True)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_an_address_that_is_taken_is_told(house: House) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Misconfigured, match="HAYON_PORT"):
            await serve(house.hayon, "127.0.0.1", taken.getsockname()[1])


async def test_serving_ends_when_it_is_cancelled(house: House) -> None:
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(house.hayon, "127.0.0.1", 0, address.set_result))
    url = await address
    assert (await house.visitor().get(f"{url}/healthz")).status == 200
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    with pytest.raises(OSError):  # noqa: PT011 - refused, by whatever words
        await house.visitor().get(f"{url}/healthz")
