"""Platforms that fetch our files get an address that was seen to work; what hinders them is said in words, before it matters."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from hayon.domain.model import Media
from hayon.errors import Unavailable
from hayon.media import LocalFolder, Reach, temp_key
from hayon.outgoing import Outgoing
from hayon.vault import Vault
from tests.media.drawing import photo, saved
from tests.outgoing.peer import Peer, answer_with
from tests.servers.ports import free_port

NOW = datetime(2026, 11, 21, tzinfo=UTC)
USER = uuid4()
PICTURE = saved(photo(), "JPEG")


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    way = Outgoing(identity="Hayon/test", timeout_seconds=2, allow_private_addresses=True)
    yield way
    await way.aclose()


@pytest.fixture
async def kept(tmp_path: Path) -> tuple[LocalFolder, Media]:
    store = LocalFolder(tmp_path, Vault(["a test's own secret key"]))
    key = temp_key(USER, "image/jpeg")
    await store.keep(key, PICTURE)
    return store, Media(uuid4(), USER, key, "image/jpeg", len(PICTURE), 96, 64, ready=True)


def answering(
    body: bytes = PICTURE, kind: str = "image/jpeg", status: str = "200 OK", length: int | None = None
) -> Callable[..., object]:
    size = len(body) if length is None else length
    return answer_with(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n".encode() + body)


async def test_an_address_that_gives_the_very_file_is_given_out(
    kept: tuple[LocalFolder, Media], outgoing: Outgoing
) -> None:
    store, one = kept
    async with Peer(answering()) as peer:
        url = await Reach(store, outgoing, peer.url).try_out(one.key, one, NOW)
    (asked,) = peer.requests
    assert url == f"{peer.url}{asked.path}"
    assert (await store.serve(url.rsplit("/", 1)[1], NOW)).key == one.key


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (answering(status="404 Not Found"), "HTTP 404"),
        (answering(status="302 Found"), "HTTP 302"),
        (answering(kind="text/html"), "text/html instead of image/jpeg"),
        (answering(body=PICTURE[:-10]), f"{len(PICTURE) - 10} bytes instead of {len(PICTURE)}"),
        (answering(body=PICTURE[:-1] + b"x"), "another file"),
        (answering(body=b"x", length=len(PICTURE)), "its answer was broken"),
    ],
)
async def test_an_address_that_gives_anything_else_is_not_and_says_why(
    behave: Callable[..., object], words: str, kept: tuple[LocalFolder, Media], outgoing: Outgoing
) -> None:
    store, one = kept
    async with Peer(behave) as peer:
        with pytest.raises(Unavailable, match=words) as told:
            await Reach(store, outgoing, peer.url).try_out(one.key, one, NOW)
    assert "HAYON_PUBLIC_URL" in told.value.message
    assert told.value.proves_absence


async def test_nobody_there_is_said_too(kept: tuple[LocalFolder, Media], outgoing: Outgoing) -> None:
    store, one = kept
    with pytest.raises(Unavailable, match="refuses connections"):
        await Reach(store, outgoing, f"http://127.0.0.1:{free_port()}").try_out(one.key, one, NOW)


@pytest.mark.parametrize(
    ("base_url", "platform", "words"),
    [
        ("https://hayon.example.org", "https://graph.threads.net", None),
        ("http://hayon.example.org", "https://graph.threads.net", "by https only"),
        ("https://192.168.1.7", "https://graph.threads.net", "private network"),
        ("https://localhost", "https://graph.threads.net", "private network"),
        ("https://hayon.lan", "https://graph.threads.net", "private network"),
        ("https://hayon", "https://graph.threads.net", "private network"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8090/threads", None),
        ("http://127.0.0.1:8080", "https://graph.lan", None),
    ],
)
async def test_what_an_address_alone_says_is_known_at_once(
    base_url: str, platform: str, words: str | None, kept: tuple[LocalFolder, Media], outgoing: Outgoing
) -> None:
    store, one = kept
    found = Reach(store, outgoing, base_url).find_hindrance(one.key, platform, NOW)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert words in found


async def test_our_own_address_may_be_private_once_it_is_known(kept: tuple[LocalFolder, Media]) -> None:
    store, one = kept
    guarded = Outgoing(identity="Hayon/test", timeout_seconds=2)
    try:
        async with Peer(answering()) as peer:
            reach = Reach(store, guarded, peer.url)
            with pytest.raises(Unavailable, match="private"):
                await reach.try_out(one.key, one, NOW)
            reach.be_at(peer.url)
            assert (await reach.try_out(one.key, one, NOW)).startswith(peer.url)
    finally:
        await guarded.aclose()
