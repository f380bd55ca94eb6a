"""Bodies, headers and files made to harm, sent to every route there is; and what platforms and servers of others say.

The walk and the judge are those of test_hostile.py.
"""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import pytest
from yarl import URL

from hayon.errors import Rejected
from hayon.store.database import Tx
from hayon.store.schema import targets
from tests.delivery.scripted import Scripted
from tests.outgoing.peer import Arrived, Peer
from tests.web.hostile import BODIES, FILES, HEADERS, MARK, NAMES, TEXTS, Judged
from tests.web.house import House, Visitor
from tests.web.test_deciding import stage, wait_for
from tests.web.test_hostile import Siege, pages_of, siege, siege_on_postgres, walked_routes
from tests.web.test_posts import make

__all__ = ["siege", "siege_on_postgres", "stage"]


async def test_no_body_does_harm(siege: Siege) -> None:
    await send_bodies(siege, share=6)


@pytest.mark.long
async def test_no_body_of_the_whole_table_does_harm(siege: Siege) -> None:
    await send_bodies(siege, share=1)


async def send_bodies(siege: Siege, *, share: int) -> None:
    """To every route one of so many of the table, each time others, and to those that take in posts all."""
    routes = [one for one in walked_routes(siege) if one[0] != "GET"]
    assert len(routes) > 40
    for number, (name, (body, kind)) in enumerate(BODIES.items()):
        await siege.all(*(
            siege.ask(method, siege.path(path), sent=body[:1_000].decode("latin-1"), about=f"{path} <- {name}",
                      data=body, headers={"Content-Type": kind})
            for turn, (method, path) in enumerate(routes)
            if (turn + number) % share == 0 or path in {"/api/posts", "/compose", "/api/auth/login"}
        ))  # fmt: skip
    siege.stand()


async def test_no_header_does_harm(siege: Siege) -> None:
    for name, headers in HEADERS.items():
        await siege.all(*(
            siege.ask(method, siege.path(path), sent="".join(headers.values()), about=f"{path} <- {name}", headers=headers)
            for method, path in walked_routes(siege)
        ))  # fmt: skip
    siege.stand()


async def test_no_host_of_somebodys_choice_is_believed(siege: Siege) -> None:
    """Neither in a link that is sent by mail nor anywhere that others see it."""
    hosts = {"Host": f"{MARK}.example", "X-Forwarded-Host": f"{MARK}.example", "X-Forwarded-Proto": "https"}
    for method, path in walked_routes(siege):
        answer = await siege.ask(method, siege.path(path), about=f"{path} <- host", headers=hosts)
        assert MARK not in answer.headers.get("Location", ""), path
    await siege.stranger.post("/api/auth/forgot", {"email": "ada@example.org"}, headers=hosts)
    siege.stand()


PARTS = [b"Content-Length: 99999999999999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]


@pytest.mark.parametrize("part", PARTS, ids=["told", "chunked"])
async def test_no_body_is_read_beyond_its_bounds(siege: Siege, part: bytes) -> None:
    """Told, it is refused unread; untold, after what an address takes. An upload's address refuses before it reads."""
    where = urlsplit(siege.house.url)
    cookies = siege.visitor.http.cookie_jar.filter_cookies(URL(siege.house.url))
    cookie = "; ".join(f"{one.key}={one.value}" for one in cookies.values())
    piece = b"10000\r\n" + b"[" * 65_536 + b"\r\n"

    async def pour(method: str, path: str) -> tuple[str, int]:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        head = f"{method} {siege.path(path)} HTTP/1.1\r\nHost: {where.netloc}\r\nCookie: {cookie}\r\n"
        kind = "application/x-www-form-urlencoded" if not path.startswith("/api") else "application/json"
        writer.write(f"{head}Sec-Fetch-Site: same-origin\r\nContent-Type: {kind}\r\n".encode() + part)
        try:
            for _ in range(40 if b"chunked" in part else 0):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        answer = await asyncio.wait_for(reader.read(20), 20)
        writer.close()
        return f"{method} {path}", int(answer.split(b" ")[1])

    told = dict([await pour(method, path) for method, path in walked_routes(siege) if method != "GET"])
    assert {name: status for name, status in told.items() if status >= 500} == {}
    if part.startswith(b"Content-Length"):
        assert set(told.values()) == {413}
    assert {told["POST /api/posts"], told["POST /api/keys"], told["POST /login"]} == {413}


async def test_no_file_does_harm(siege: Siege) -> None:
    """By the form with names of all kinds, and by the way of programs."""
    ada, kept = siege.visitor, 0
    for number, (name, (mime, content)) in enumerate(FILES.items()):
        form = next(one for one in Judged((await ada.get("/compose")).text).forms if one["action"] == "/compose")
        data = aiohttp.FormData(default_to_multipart=True)
        data.add_field("csrf", form["fields"]["csrf"][1])
        data.add_field("key", form["fields"]["key"][1])
        data.add_field("do", "draft")
        field = next(field for field, (kind, _) in form["fields"].items() if kind == "file")
        named = NAMES[number % len(NAMES)].replace("\x00", "%00").replace("\r\n", "%0d%0a")
        data.add_field(field, content, filename=named, content_type=mime)
        answer = await ada.post(form["action"], data=data)
        siege.judge(answer, f"form <- {name}", named)
        grant = await siege.ask("POST", "/api/media/uploads", about=f"/api/media/uploads <- {name}", json={"mimeType": mime, "size": len(content), "name": named[:255]})  # fmt: skip
        if grant.status == 201:
            sent = await siege.ask(
                "PUT", grant.json["url"], about=f"upload <- {name}", data=content, headers=grant.json["headers"]
            )
            done = await siege.ask("POST", f"/api/media/{grant.json['mediaId']}/complete", about=f"complete <- {name}")
            kept += done.status == 200
            assert sent.status in {204, 422}, sent.text
    for one in (await ada.get("/api/media?limit=200")).json["media"]:
        shown = await ada.get(one["url"])
        assert shown.headers["Content-Type"].startswith(("image/", "video/")), one
        assert "svg" not in shown.headers["Content-Type"]
        assert shown.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert MARK.encode() not in shown.body, one  # what is not of the picture is not kept
    assert kept < len(FILES) / 2
    media = siege.house.hayon.settings.data_dir / "media"
    assert all(path.resolve().is_relative_to(media) and MARK not in path.name for path in media.rglob("*"))
    siege.stand()


async def test_what_a_platform_says_is_words(stage: tuple[House, Visitor, Scripted]) -> None:
    """Messages, addresses of posts and names of profiles come from servers of others: any of them may be an attack."""
    house, ada, scripted = stage
    for name in ("script", "attribute", "script address", "closing", "template"):
        scripted.preparing.append(Rejected(TEXTS[name], proves_absence=True))
        await wait_for(ada, await make(ada, content={"text": name}), "failed")
    for text in (TEXTS["script address"], TEXTS["data address"], f"//{MARK}.example", TEXTS["attribute"]):
        scripted.addresses.clear()
        post_id = await make(ada, content={"text": "out"})
        told = await wait_for(ada, post_id, "completed")
        await house.hayon.database.write(_receipt_says, told["platformStatuses"][0]["targetId"], text)
    for name in ("script", "attribute", "closing", "right to left"):
        await house.account(ada, "mastodon", TEXTS[name])
    words = []
    for page in ("/", "/accounts", f"/posts/{post_id}"):
        judged = Judged((await ada.get(page)).text)
        assert judged.faults == [], page
        words.append(judged.words)
    assert all(TEXTS[name] in "\n".join(words) for name in ("script", "attribute", "closing"))


def _receipt_says(tx: Tx, target_id: str, url: str) -> None:
    tx.run(targets.update().where(targets.c.id == UUID(target_id)).values(url=url))


SAID: dict[str, Any] = {
    "scripts": {"id": "1", "username": f"<{MARK}>", "display_name": TEXTS["script"], "avatar": TEXTS["script address"]},
    "NUL": {"id": "1\x00", "username": "a\x00b", "display_name": "\x00", "avatar": "https://a/\x00"},
    "halves of pairs": {"id": "\ud800", "username": "a\udfff", "display_name": "\ud800", "avatar": "https://a/\ud800"},
    "long": {"id": "1" * 100_000, "username": "a" * 1_000_000, "display_name": TEXTS["combining"], "avatar": "https://" + "a" * 100_000},
    "kinds": {"id": 5, "username": [], "display_name": {}, "avatar": 1},
    "kinds within": {"id": "1", "username": "a", "display_name": {"a": [1]}, "avatar": ["https://a"]},
    "turned": {"id": "1", "username": "a", "display_name": TEXTS["right to left"], "avatar": "data:text/html,x"},
    "nothing": {},
    "list": [],
    "number": 10**400,
}  # fmt: skip


@pytest.mark.parametrize("name", [*SAID, "deep", "no JSON", "page"])
async def test_what_a_server_of_ones_own_says_is_bounded(siege: Siege, name: str) -> None:
    await bound_answers(siege, name)


@pytest.mark.long
async def test_what_a_server_of_ones_own_says_is_bounded_on_postgres(siege_on_postgres: Siege) -> None:
    for name in SAID:
        await bound_answers(siege_on_postgres, name)


async def bound_answers(siege: Siege, name: str) -> None:
    """Somebody connects an instance that is theirs: whatever it answers, it is refused or kept, and shown as words."""
    said = json.dumps(SAID[name]).encode() if name in SAID else {"deep": b"[" * 100_000, "no JSON": b"\xff\x00", "page": TEXTS["script"].encode()}[name]  # fmt: skip
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n".encode()

    async def behave(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        writer.write(head + said)
        await writer.drain()

    async with Peer(behave) as peer:
        for platform, given in (
            ("mastodon", {"instanceUrl": peer.url, "accessToken": "a"}),
            ("bluesky", {"identifier": "ada.test", "appPassword": "aaaa-bbbb-cccc-dddd", "service": peer.url}),
        ):
            await siege.ask("POST", f"/api/accounts/{platform}", about=f"{platform} <- {name}", sent=said[:500].decode("latin-1"), json=given)  # fmt: skip
            await siege.ask("POST", f"/api/accounts/{platform}/connect", about=f"{platform} connect <- {name}", sent=said[:500].decode("latin-1"), json=given)  # fmt: skip
        assert peer.requests
    for page in await pages_of(siege):
        await siege.ask("GET", page, sent=said.decode("latin-1") if len(said) < 1_000 else "")
    await siege.ask("GET", "/api/accounts", sent="")
    siege.stand()


INSIDE = ["http://127.0.0.1:{port}", "http://localhost:{port}", "http://2130706433:{port}", "http://[::1]:{port}", "http://[::ffff:127.0.0.1]:{port}", "http://a@127.0.0.1:{port}", "http://127.0.0.1.:{port}", "http://１２７.0.0.1:{port}", "http://169.254.169.254", "http://10.0.0.1", "file:///etc/passwd"]  # fmt: skip


async def test_nobody_leads_the_way_out_inside(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address that a person may name: a Mastodon instance, a Bluesky server, a webhook. Nothing of the house is called."""
    monkeypatch.setattr(siege.house.hayon.outgoing, "_allow_private_addresses", False)
    places = [
        ("/api/accounts/mastodon", lambda url: {"instanceUrl": url, "accessToken": "a"}),
        ("/api/accounts/mastodon/connect", lambda url: {"instanceUrl": url}),
        ("/api/accounts/bluesky", lambda url: {"identifier": "ada.test", "appPassword": "aaaa-bbbb-cccc-dddd", "service": url}),
        ("/api/webhooks", lambda url: {"url": url}),
    ]  # fmt: skip
    async with Peer() as peer:
        siege.house.hayon.outgoing.trust(peer.url)  # as if our own files were there
        for path, given in places:
            for inside in INSIDE:
                answer = await siege.ask(
                    "POST", path, about=f"{path} <- {inside}", sent=inside, json=given(inside.format(port=peer.port))
                )
                if answer.status == 201 and path == "/api/webhooks":
                    await siege.ask("POST", f"/api/webhooks/{answer.json['webhookId']}/test", about="webhook test")
                    continue
                assert answer.status in {409, 422}, (path, inside, answer.text)
        assert peer.connections == 0
    siege.stand()
