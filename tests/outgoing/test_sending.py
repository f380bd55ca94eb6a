"""What is sent is what was asked for: methods, headers, bodies; and what comes back."""

import asyncio
import email
import email.policy
import json
from collections.abc import Callable, Sequence

import pytest

from hayon.errors import Rejected
from hayon.outgoing import Outgoing, Part, Request, wire
from tests.outgoing.peer import Arrived, Peer, answer, answer_with


async def test_an_answer_comes_back_whole(outgoing: Outgoing) -> None:
    raw = b"HTTP/1.1 418 Odd\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 9\r\n\r\n" + b'{"a": 1}\n'
    async with Peer(answer_with(raw)) as peer:
        answer = await outgoing.send(Request("GET", f"{peer.url}/x"))
    assert (answer.status, answer.json(), answer.url) == (418, {"a": 1}, f"{peer.url}/x")
    assert answer.headers["x-one"] == "1, 2"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def test_methods_without_a_body_say_nothing_about_one(outgoing: Outgoing, method: str) -> None:
    async with Peer(answer_with(b"HTTP/1.1 204 Done\r\n\r\n", close=False)) as peer:
        await outgoing.send(Request(method, peer.url, headers={"Authorization": "Bearer t"}))
    (arrived,) = peer.requests
    assert arrived.method == method
    assert arrived.headers["authorization"] == "Bearer t"
    assert "content-type" not in arrived.headers
    assert arrived.headers.get("content-length", "0") == "0"


async def test_json_is_utf8_with_its_type(outgoing: Outgoing) -> None:
    async with Peer() as peer:
        await outgoing.send(Request("POST", peer.url, json={"text": "Grüße 👋", "swapRecord": None}))
        await outgoing.send(Request("POST", peer.url, json=[], headers={"content-type": "application/x+json"}))
    first, second = peer.requests
    assert first.headers["content-type"] == "application/json"
    assert json.loads(first.body) == {"text": "Grüße 👋", "swapRecord": None}
    assert "Grüße".encode() in first.body
    assert (second.headers["content-type"], second.body) == ("application/x+json", b"[]")


async def test_a_large_body_arrives_byte_for_byte(outgoing: Outgoing) -> None:
    body = bytes(range(256)) * 20_000
    async with Peer() as peer:
        await outgoing.send(Request("POST", peer.url, body=body, headers={"Content-Type": "image/png"}))
    (arrived,) = peer.requests
    assert arrived.body == body
    assert arrived.headers["content-type"] == "image/png"


async def test_a_form_with_files_reads_as_it_was_written(outgoing: Outgoing) -> None:
    picture = b"\x89PNG\r\n--not-the-boundary\r\n" * 10_000
    parts = [
        Part("json", '{"a": "ü"}', mime="application/json"),
        Part("plain", "one\r\ntwo"),
        Part("file", picture, filename='a "b"\r\n.png', mime="image/png"),
        Part("other", b"", filename="x"),
    ]
    async with Peer() as peer:
        await outgoing.send(Request("POST", peer.url, parts=parts))
    (arrived,) = peer.requests
    head = f"Content-Type: {arrived.headers['content-type']}\r\n\r\n".encode()
    read = email.message_from_bytes(head + arrived.body, policy=email.policy.HTTP)
    found = [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_content_type())
        for part in read.iter_parts()
    ]
    assert found == [
        ("json", None, "application/json"),
        ("plain", None, "text/plain"),
        ("file", "a %22b%22%0D%0A.png", "image/png"),
        ("other", "x", "application/octet-stream"),
    ]
    bodies = [part.get_payload(decode=True) for part in read.iter_parts()]
    assert bodies == ['{"a": "ü"}'.encode(), b"one\r\ntwo", picture, b""]


async def test_query_is_added_and_the_rest_of_the_address_stays_as_it_is(outgoing: Outgoing) -> None:
    async with Peer() as peer:
        await outgoing.send(Request("GET", f"{peer.url}/a%2Fb?sig=x%2Fy%3D", query={"q": "ä b+c&d", "at": "at://x"}))
        await outgoing.send(Request("GET", f"{peer.url}/straße"))
    paths = [arrived.path for arrived in peer.requests]
    assert paths == ["/a%2Fb?sig=x%2Fy%3D&q=%C3%A4%20b%2Bc%26d&at=at%3A%2F%2Fx", "/stra%C3%9Fe"]


async def test_identity_is_the_same_on_every_request_and_no_cookie_is_kept(
    make_outgoing: Callable[..., Outgoing],
) -> None:
    async def resolver(host: str) -> Sequence[str]:
        return ["127.0.0.1"]

    outgoing = make_outgoing(resolver=resolver)
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with Peer(answer_with(raw, close=False)) as peer:
        url = f"http://cookie.example:{peer.port}/"
        for headers in ({}, {"user-agent": "Other", "Cookie": "c=d"}):
            for commit in (False, True):
                await outgoing.send(Request("POST", url, headers=headers), commit=commit)
        await outgoing.fetch_public(url, largest=10, accept="")
    assert [arrived.headers["user-agent"] for arrived in peer.requests] == ["Hayon/0.1 (+https://example.org)"] * 5
    assert all("cookie" not in arrived.headers for arrived in peer.requests)


async def test_redirects_are_answers(outgoing: Outgoing) -> None:
    raw = b"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with Peer(answer_with(raw)) as peer:
        answer = await outgoing.send(Request("GET", peer.url))
    assert (answer.status, answer.headers["location"], len(peer.requests)) == (307, "/elsewhere", 1)


async def test_what_a_server_says_unasked_is_no_answer_to_a_commit(outgoing: Outgoing) -> None:
    """Some say 408 before they hang up; the next call would take that for its own."""
    said = asyncio.Event()

    async def talk(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        await answer(peer, arrived, writer)
        if len(peer.requests) == 1:
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            said.set()

    async with Peer(talk) as peer:
        first = await outgoing.send(Request("POST", peer.url, json={}), commit=True)
        await said.wait()
        await asyncio.sleep(0.05)
        second = await outgoing.send(Request("POST", peer.url, json={}), commit=True)
    assert (first.status, second.status) == (200, 200)
    assert [arrived.connection for arrived in peer.requests] == [1, 2]


async def test_a_commit_uses_no_connection_that_was_idle_for_longer_than_a_second(
    make_outgoing: Callable[..., Outgoing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one of other calls: those are kept for longer."""
    assert wire._KEEP_FOR_COMMIT_SECONDS == 1.0
    monkeypatch.setattr(wire, "_KEEP_FOR_COMMIT_SECONDS", 0.2)
    outgoing = make_outgoing()
    async with Peer() as peer:
        for pause in (0, 0, 0.4):
            await asyncio.sleep(pause)
            await outgoing.send(Request("POST", peer.url, json={}))
        for pause in (0, 0, 0.4):
            await asyncio.sleep(pause)
            await outgoing.send(Request("POST", peer.url, json={}), commit=True)
        await outgoing.send(Request("POST", peer.url, json={}))
    assert [arrived.connection for arrived in peer.requests] == [1, 1, 1, 2, 2, 3, 1]


@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", "/", json={"a": object()}),
        Request("POST", "/", json={}, body=b""),
        Request("POST", "/", headers={"X": "a\r\nInjected: 1"}),
        Request("POST", "/", parts=[Part("a", b"", mime="text/plain\r\nX: 1")]),
    ],
)
async def test_what_cannot_be_put_together_is_refused_and_not_sent(outgoing: Outgoing, request_: Request) -> None:
    async with Peer() as peer:
        request = Request(**{**_fields(request_), "url": peer.url})
        with pytest.raises(Rejected) as caught:
            await outgoing.send(request, commit=True)
    assert caught.value.proves_absence
    assert (peer.begun, peer.requests) == (0, [])


async def test_many_at_once_go_over_no_more_connections_than_allowed(make_outgoing: Callable[..., Outgoing]) -> None:
    outgoing = make_outgoing(per_host=4)
    async with Peer() as peer:
        await asyncio.gather(*(outgoing.send(Request("POST", peer.url, json={"n": n})) for n in range(100)))
    assert sorted(json.loads(arrived.body)["n"] for arrived in peer.requests) == list(range(100))
    assert peer.connections <= 4


def test_neither_requests_nor_answers_show_secrets() -> None:
    request = Request(
        "POST", "https://u:geheim@example.org/x?token=geheim", {"Authorization": "geheim"}, {"q": "geheim"}
    )
    assert repr(request) == "<Request POST https://example.org/x>"
    assert "geheim" not in repr(Part("a", "geheim"))


def _fields(request: Request) -> dict[str, object]:
    return {name: getattr(request, name) for name in ("method", "headers", "json", "body", "parts")}
