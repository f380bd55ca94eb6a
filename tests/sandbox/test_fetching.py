"""Media fetched by address, from a small server that answers whatever a test wants, and the measures of videos."""

import asyncio
import contextlib
import fractions
import io
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import pytest_asyncio
from PIL import Image

from hayon.sandbox.fetching import AGENT, Failure, Fetched, NotFetched, fetch
from hayon.sandbox.journal import Files
from hayon.sandbox.sniffing import Clip, clip_of, sniff

pytestmark = pytest.mark.asyncio(loop_scope="module")

PICTURES = ("image/jpeg", "image/png")
MEDIA = (*PICTURES, "video/mp4", "video/quicktime")


def answer(content: bytes, kind: str = "image/jpeg", *, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer as it goes over the wire."""
    told = f"content-type: {kind}\r\n" if kind else ""
    head = f"HTTP/1.1 {status}\r\n{told}content-length: {len(content) if length is None else length}\r\n"
    return head.encode() + b"connection: close\r\n\r\n" + content


class Peer:
    """A server of the given answers, by path; it keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request per connection."""
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(asked)
        path = asked.split(" ")[1]
        if path == "/silence":
            await reader.read()
        elif path == "/drops":
            writer.write(answer(b"\xff\xd8\xff", length=60))
            while not reader.at_eof():
                writer.write(b"\0")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.02)
        else:
            writer.write(self.answers[path])
            await writer.drain()
        writer.close()


@pytest_asyncio.fixture(loop_scope="module")
async def peer() -> AsyncIterator[Peer]:
    """A server on a free port."""
    made = Peer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
def files() -> Iterator[Files]:
    """Where fetched files go."""
    made = Files(None)
    yield made
    made.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real video of one second, 64 by 48."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=fractions.Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            picture = av.VideoFrame.from_image(Image.new("RGB", (64, 48), "teal"))
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path.read_bytes()


async def test_a_picture_is_kept_and_measured(peer: Peer, files: Files, picture: Callable[..., bytes]) -> None:
    content = picture(40, 30, "PNG")
    peer.answers["/p"] = answer(content, "Image/PNG; q=1")
    got = await fetch(files, f"{peer.url}/p", MEDIA, most_bytes=10_000)
    assert got == Fetched(
        f"{peer.url}/p", 200, "image/png", "image/png", len(content), files.digest(content), 40, 30, None
    )
    path = files.find(files.digest(content))
    assert path
    assert path.read_bytes() == content
    assert f"User-Agent: {AGENT}" in peer.asked[0]


async def test_a_video_is_measured_without_decoding_it(peer: Peer, files: Files, film: bytes) -> None:
    peer.answers["/v"] = answer(film, "video/mp4")
    got = await fetch(files, f"{peer.url}/v", MEDIA, most_bytes=1_000_000)
    assert isinstance(got, Fetched)
    assert (got.mime_type, got.width, got.height, got.seconds) == ("video/mp4", 64, 48, pytest.approx(1.0, abs=0.11))


@pytest.mark.parametrize("kind", ["", "application/octet-stream"])
async def test_an_undeclared_file_is_what_its_bytes_are(
    kind: str, peer: Peer, files: Files, picture: Callable[..., bytes]
) -> None:
    peer.answers["/p"] = answer(picture(), kind)
    got = await fetch(files, f"{peer.url}/p", PICTURES, most_bytes=10_000)
    assert isinstance(got, Fetched)
    assert (got.content_type, got.mime_type) == (kind, "image/jpeg")


async def test_redirects_are_followed_to_a_file_but_not_to_a_page(
    peer: Peer, files: Files, picture: Callable[..., bytes]
) -> None:
    peer.answers["/p"] = answer(picture())
    peer.answers["/login"] = answer(b"<html>Log in", "text/html; charset=utf-8")
    peer.answers["/to-p"] = b"HTTP/1.1 302 Found\r\nlocation: /p\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    peer.answers["/to-login"] = peer.answers["/to-p"].replace(b"/p", b"/login")
    got = await fetch(files, f"{peer.url}/to-p", PICTURES, most_bytes=10_000)
    assert isinstance(got, Fetched)
    assert got.address == f"{peer.url}/p"
    page = await fetch(files, f"{peer.url}/to-login", PICTURES, most_bytes=10_000)
    assert page == NotFetched(Failure.PAGE, f"{peer.url}/login is a page", 200)
    for elsewhere in (b"file:///etc/hostname", b"ftp://127.0.0.1/x"):
        peer.answers["/out"] = peer.answers["/to-p"].replace(b"/p", elsewhere)
        out = await fetch(files, f"{peer.url}/out", PICTURES, most_bytes=10_000)
        assert isinstance(out, NotFetched)
        assert (out.failure, out.status) == (Failure.STATUS, 302)


@pytest.mark.parametrize(
    ("given", "failure", "status"),
    [
        (answer(b"gone", "text/plain", status="404 Not Found"), Failure.STATUS, 404),
        (answer(b"", "", status="204 No Content"), Failure.STATUS, 204),
        (answer(b"oh", "text/html", status="500 Oh"), Failure.STATUS, 500),
        (answer(b"%PDF-1.4", "application/pdf"), Failure.TYPE, 200),
        (answer(b"GIF89a" + b"\0" * 20, "image/jpeg"), Failure.TYPE, 200),
        (answer(b"nothing known", ""), Failure.TYPE, 200),
        (answer(b"\xff\xd8\xff" + b"\0" * 10_001), Failure.TOO_LARGE, 200),
        (answer(b"\xff\xd8\xff" + b"\0" * 10_001).replace(b"content-length", b"x-length"), Failure.TOO_LARGE, 200),
        (answer(b"\xff\xd8\xff", length=10_001), Failure.TOO_LARGE, 200),
        (answer(b"\xff\xd8\xff", length=500), Failure.UNREACHABLE, None),
        (b"no HTTP at all\r\n\r\n", Failure.UNREACHABLE, None),
        (b"", Failure.UNREACHABLE, None),
    ],
)
async def test_what_is_not_fetched_says_why_and_leaves_nothing(
    given: bytes, failure: Failure, status: int | None, peer: Peer, files: Files
) -> None:
    peer.answers["/x"] = given
    got = await fetch(files, f"{peer.url}/x", PICTURES, most_bytes=10_000)
    assert isinstance(got, NotFetched)
    assert (got.failure, got.status) == (failure, status)
    assert files._folder is None


async def test_a_peer_that_is_silent_or_absent_is_not_waited_for(peer: Peer, files: Files, tmp_path: Path) -> None:
    silent = await fetch(files, f"{peer.url}/silence", PICTURES, most_bytes=10_000, most_seconds=0.2)
    drops = await fetch(files, f"{peer.url}/drops", PICTURES, most_bytes=10_000, most_seconds=0.2)
    assert drops == NotFetched(Failure.UNREACHABLE, "it took too long")
    (tmp_path / "p.jpg").write_bytes(b"\xff\xd8\xff")
    nowhere = [
        await fetch(files, address, PICTURES, most_bytes=10_000)
        for address in ("http://127.0.0.1:9/p", "http://nowhere.invalid/p", f"file://{tmp_path}/p.jpg", "", "http://[")
    ]
    assert [one.failure for one in (silent, *nowhere) if isinstance(one, NotFetched)] == [Failure.UNREACHABLE] * 6


async def test_the_loop_goes_on_while_a_peer_is_silent(peer: Peer, files: Files) -> None:
    task = asyncio.create_task(fetch(files, f"{peer.url}/silence", PICTURES, most_bytes=10, most_seconds=0.5))
    async with asyncio.timeout(5):
        while not peer.asked:  # noqa: ASYNC110 - the peer runs on this very loop, so it answers only if the loop goes on
            await asyncio.sleep(0.01)
    assert not task.done()
    assert isinstance(await task, NotFetched)


async def test_videos_as_they_are_shown(film: bytes) -> None:
    assert sniff(film) == "video/mp4"
    place = film.index(b"tkhd") + 4
    size = struct.unpack_from(">I", film, place - 8)[0] - 8
    matrix = place + size - 44
    turned = film[:matrix] + struct.pack(">4i", 0, 2**16, 0, -(2**16)) + film[matrix + 16 :]
    clip = clip_of(turned)
    assert clip
    assert (clip.width, clip.height) == (48, 64)
    with av.open(io.BytesIO(film)) as judge:
        assert judge.duration is not None
        assert clip_of(film) == Clip(64, 48, pytest.approx(judge.duration / 1_000_000, abs=0.01))


@pytest.mark.parametrize("broken", [b"", b"\0\0\0\x18ftypmp42", b"\0\0\0\x08moov", b"\0\0\0\x02moov" + b"\0" * 40])
async def test_what_is_no_video_has_no_measures(broken: bytes) -> None:
    assert clip_of(broken) is None


async def test_a_video_cut_anywhere_never_raises(film: bytes) -> None:
    start = film.index(b"moov") - 4
    for end in range(start, len(film), 7):
        cut = clip_of(film[:end])
        assert cut is None or (cut.width, cut.height) == (64, 48)


async def test_a_long_head_is_read_like_a_short_one() -> None:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 1, kind) + struct.pack(">Q", len(content) + 16) + content

    mvhd = box(b"mvhd", b"\1\0\0\0" + b"\0" * 16 + struct.pack(">IQ", 1_000, 90_500) + b"\0" * 80)
    sound = box(b"trak", box(b"tkhd", b"\0" * 40 + struct.pack(">9i2I", 2**16, *[0] * 8, 0, 0)))
    sides = struct.pack(">9i2I", 2**16, *[0] * 8, 1920 << 16, 1080 << 16)
    sight = box(b"trak", box(b"tkhd", b"\0" * 40 + sides))
    assert clip_of(box(b"moov", mvhd + sound + sight)) == Clip(1920, 1080, 90.5)
