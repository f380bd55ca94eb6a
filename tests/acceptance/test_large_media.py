"""Large and many: a video of 200 MB goes through in little memory, and a thousand pictures at once are all there afterwards."""

import asyncio
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import psutil
import pytest
from PIL import Image

from tests.media.filming import film_large
from tests.servers.processes import Process
from tests.servers.sandbox import Sandbox

HAYON = Path(sys.executable).with_name("hayon")
MB = 1_000_000
ADDITIONAL = 100 * MB
"""What a process may take more than it took idle."""


@dataclass(frozen=True)
class Served:
    """A running `hayon serve` beside simulated platforms in another process, spoken to with an API key."""

    process: Process
    url: str
    key: str
    sandbox: Sandbox

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    def ask(self, path: str, body: Any = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, sent, self.headers), timeout=300) as answer:  # noqa: S310 - our own
            return json.loads(answer.read() or b"null")

    def memory(self) -> int:
        """Bytes resident now, children included."""
        process = psutil.Process(self.process.pid)
        return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


@pytest.fixture
def served(start_process: Callable[..., Process], tmp_path: Path, sandbox: Sandbox) -> Served:
    tumblr = sandbox.add_account("tumblr", "ada")
    process = start_process(HAYON, "serve", env={
        "HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_PORT": "0", "HAYON_LOG": "json",
        "HAYON_TUMBLR_URL": f"{sandbox.url}/tumblr", "HAYON_TUMBLR_APP_ID": tumblr["consumerKey"],
        "HAYON_TUMBLR_APP_SECRET": tumblr["consumerSecret"], "HAYON_THREADS_URL": f"{sandbox.url}/threads",
        "HAYON_FACEBOOK_URL": f"{sandbox.url}/facebook", "HAYON_ALLOW_PRIVATE_ADDRESSES": "true",
    })  # fmt: skip
    url = process.ready["url"]
    given = json.dumps({"email": "ann@example.test", "password": "a long enough password"}).encode()
    asked = Request(f"{url}/api/auth/register", given, {"Content-Type": "application/json"})  # noqa: S310 - our own
    with urlopen(asked) as answer:  # noqa: S310 - our own
        cookie = answer.headers["set-cookie"].split(";")[0]
    signed_in = {"Content-Type": "application/json", "Cookie": cookie, "Origin": url}
    with urlopen(Request(f"{url}/api/keys", b'{"name":"test"}', signed_in)) as answer:  # noqa: S310 - our own
        one = Served(process, url, json.loads(answer.read())["key"], sandbox)
    for platform in ("tumblr", "threads", "facebook"):
        account = tumblr if platform == "tumblr" else sandbox.add_account(platform, "ada")
        one.ask(f"/api/accounts/{platform}", account)
    return one


def pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(MB):
            yield piece


@pytest.mark.long  # less than this would fit into memory unnoticed
def test_a_large_video_is_taken_in_checked_and_published_in_little_memory(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    film_large(path, 200 * MB, quantizer=48)  # Threads takes 25 Mbit/s
    idle = served.memory()
    highest = [idle]

    def watch() -> bool:
        highest.append(served.memory())
        return False

    length = path.stat().st_size
    grant = served.ask("/api/media/uploads", {"mimeType": "video/mp4", "size": length, "name": path.name})
    put = Request(grant["url"], pieces_of(path), grant["headers"] | {"Content-Length": str(length)}, method="PUT")  # noqa: S310 - our own
    with urlopen(put, timeout=300):  # noqa: S310 - our own
        pass
    watch()
    done = served.ask(f"/api/media/{grant['mediaId']}/complete", {})
    watch()
    assert (done["videoCodec"], done["width"], done["height"]) == ("h264", 640, 480)
    assert done["size"] > 200 * MB
    made = served.ask("/api/posts", {
        "content": {"text": "large", "mediaItems": [{"mediaId": grant["mediaId"], "altText": "noise"}]},
        "selectedPlatforms": ["tumblr", "threads", "facebook"],
    })  # fmt: skip

    def ended() -> bool:
        watch()
        return bool(
            served.ask(f"/api/posts/{made['postId']}/status")["status"] in {"COMPLETED", "FAILED", "PARTIAL_SUCCESS"}
        )

    served.process.wait_until(ended, "the end of the post", within_seconds=300)
    post = served.ask(f"/api/posts/{made['postId']}")
    assert post["status"] == "COMPLETED", [(one["platform"], one["error"]) for one in post["platformStatuses"]]
    for platform in ("tumblr", "threads", "facebook"):
        landed = [
            one for one in served.sandbox.ledger(platform) if one["text"].strip() == "large" and not one["repeat"]
        ]
        assert len(landed) == 1, platform
    assert max(highest) - idle < ADDITIONAL, f"{(max(highest) - idle) / MB:.0f} MB more than idle"


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.long)])
async def test_many_pictures_at_once_are_all_there(count: int, served: Served) -> None:
    """Each of another size, so that none can stand for another."""

    def drawn(number: int) -> bytes:
        written = io.BytesIO()
        Image.new("RGB", (number % 40 + 8, number // 40 + 8), "teal").save(written, "PNG")
        return written.getvalue()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def upload(number: int) -> tuple[str, int, int]:
            content = drawn(number)
            wanted = {"mimeType": "image/png", "size": len(content)}
            async with http.post(f"{served.url}/api/media/uploads", json=wanted, headers=served.headers) as answer:
                grant = await answer.json()
                assert answer.status == 201, grant
            async with http.put(grant["url"], data=content, headers=grant["headers"]) as answer:
                assert answer.status == 204, await answer.text()
            done = f"{served.url}/api/media/{grant['mediaId']}/complete"
            async with http.post(done, headers=served.headers) as answer:
                told = await answer.json()
                assert answer.status == 200, told
            return told["mediaId"], told["width"], told["height"]

        uploaded = await asyncio.gather(*(upload(number) for number in range(count)))

        async def read(number: int, media_id: str) -> None:
            async with http.get(f"{served.url}/api/media/{media_id}/content", headers=served.headers) as answer:
                assert answer.status == 200
                with Image.open(io.BytesIO(await answer.read())) as picture:
                    assert picture.size == (number % 40 + 8, number // 40 + 8)

        assert len({media_id for media_id, _, _ in uploaded}) == count
        await asyncio.gather(*(read(number, media_id) for number, (media_id, _, _) in enumerate(uploaded)))
