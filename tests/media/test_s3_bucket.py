"""The bucket store on the real S3 server: what a broken process or server leaves, parts and pages, and what is refused."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hayon.errors import Invalid, NotFound, Unavailable
from hayon.media import temp_key
from hayon.media.s3 import S3Bucket, calls, setup
from hayon.media.s3 import bucket as bucket_module
from hayon.outgoing import Answer, Deadline, Outgoing, Request
from tests.media.buckets import Breaking, Killed, open_bucket, place_of
from tests.media.drawing import photo, saved, stream, talkative
from tests.media.test_contract import COPY, USER, kept
from tests.servers.ports import free_port
from tests.servers.rados import RadosAddress, RadosServer

CONTENT = saved(photo(), "PNG")


async def test_a_completion_cut_off_anywhere_can_be_repeated(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    place = place_of(rados, rados_bucket)
    want = None
    cuts = 0
    for after in (False, True):
        for at in range(1, 20):
            key = temp_key(USER, "image/jpeg")
            await bucket.put(key, stream(talkative("JPEG", orientation=6)))
            async with open_bucket(place, way=partial(Breaking, at=at, after=after)) as doomed:
                try:
                    await doomed.complete(key, "image/jpeg")
                except Killed:
                    cuts += 1
                else:
                    break
            left = {name for name in rados.keys(rados_bucket) if name.startswith(key)}
            assert left in ({f"{key}.arrived"}, {key, f"{key}.arrived"}, {key})
            assert await bucket.exists(key) is (key in left)
            done = await bucket.complete(key, "image/jpeg"), await bucket.read(key)
            want = want or done
            assert done == want
            assert await bucket.complete(key, "image/jpeg") == want[0]
            assert [name for name in rados.keys(rados_bucket) if name.startswith(key)] == [key]
    assert cuts == 2 * len(("is it there", "fetch", "put", "remove"))


async def test_a_removal_cut_off_anywhere_can_be_repeated(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    for at in range(1, 20):
        await bucket.keep(COPY, CONTENT)
        await bucket.keep(COPY.replace(".png", ".0123456789abcdef.jpg"), CONTENT)
        async with open_bucket(place_of(rados, rados_bucket), way=partial(Breaking, at=at, after=True)) as doomed:
            try:
                await doomed.delete(COPY)
            except Killed:
                assert not await bucket.exists(COPY)
            else:
                break
        await bucket.delete(COPY)
        assert rados.keys(rados_bucket) == []
    assert at == 1 + len(("the file", "what arrived", "a listing", "a rendition"))


async def test_a_copy_whose_answer_was_lost_is_kept_when_its_source_has_gone(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    key = await kept(bucket)
    async with open_bucket(place_of(rados, rados_bucket), way=partial(Breaking, at=1, after=True)) as doomed:
        with pytest.raises(Killed):
            await doomed.copy(key, COPY)
    await bucket.delete(key)
    await bucket.copy(key, COPY)
    assert await bucket.read(COPY) == CONTENT


async def test_what_a_killed_process_left_under_work_is_swept(bucket: S3Bucket, tmp_path: Path) -> None:
    desk = tmp_path / "scratch" / "hayon-media-left"
    desk.mkdir(parents=True)
    (desk / "arrived").write_bytes(b"half")
    strange = tmp_path / "scratch" / "strange"
    strange.mkdir()
    assert await bucket.sweep(timedelta(hours=1), nobody) == 0
    assert await bucket.sweep(timedelta(hours=-1), nobody) == 1
    assert [one.name for one in (tmp_path / "scratch").iterdir()] == ["strange"]


async def test_two_who_complete_at_once_come_to_the_same(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    key = temp_key(USER, "image/png")
    await bucket.put(key, stream(CONTENT))
    first, *others = await asyncio.gather(*(bucket.complete(key, "image/png") for _ in range(5)))
    assert others == [first] * 4
    assert rados.keys(rados_bucket) == [key]
    assert await bucket.read(key) == CONTENT


async def test_a_part_of_a_file_is_all_that_is_fetched(bucket: S3Bucket) -> None:
    key = await kept(bucket)
    size = len(CONTENT)
    for start, stop in (
        (0, None),
        (0, 1),
        (5, 10),
        (size - 1, size),
        (7, None),
        (0, size),
        (4, 4),
        (size, size),
        (9, 2),
    ):
        part = b"".join([piece async for piece in bucket.open_stream(key, start, stop)])
        assert part == CONTENT[start:stop], (start, stop)
    with pytest.raises(NotFound):
        _ = [piece async for piece in bucket.open_stream(temp_key(USER, "image/png"), 3, 3)]


async def test_a_file_goes_with_its_renditions_and_no_other(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    key, ten = COPY, COPY.replace("/1.png", "/10.png")
    small, large = (COPY.replace(".png", f".{word}.jpg") for word in ("0123456789abcdef", "fedcba9876543210"))
    for one in (key, ten, small, large):
        await bucket.keep(one, CONTENT)
    await bucket.put(key, stream(CONTENT))
    await bucket.delete(small)
    assert rados.keys(rados_bucket) == sorted([key, f"{key}.arrived", ten, large])
    await bucket.delete(key)
    assert rados.keys(rados_bucket) == [ten]


async def test_the_sweep_goes_through_all_pages_and_leaves_what_is_not_ours(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LISTED", 2)
    word = "0123456789abcdef"

    async def upload() -> str:
        key = await kept(bucket)
        await bucket.keep(key.replace(".png", f".{word}.jpg"), CONTENT)
        return key

    wanted, unwanted, lost = [await upload() for _ in range(3)]
    lone = lost.replace(".png", f".{word}.jpg")
    await bucket.calls.delete(lost)
    arrived = temp_key(USER, "image/png")
    await bucket.put(arrived, stream(CONTENT))
    strangers = ["temp/readme.txt", "temp/a b+c&d/ü<é>.png", "other/x.png"]
    for name in strangers:
        assert rados.call("PUT", f"/{rados_bucket}/{name}", b"theirs").status == 200
    asked: list[str] = []

    async def keep(key: str) -> bool:
        asked.append(key)
        return key == wanted

    assert await bucket.sweep(timedelta(hours=1), keep) == 0
    assert asked == []
    assert await bucket.sweep(timedelta(hours=-1), keep) == 4
    assert sorted(asked) == sorted([wanted, unwanted, arrived])
    left = rados.keys(rados_bucket)
    assert {wanted, wanted.replace(".png", f".{word}.jpg")} | set(strangers) == set(left)
    assert lone not in left


@pytest.mark.parametrize("size", [0, 1, 999_999, 1_000_001])
async def test_files_of_every_length_arrive_whole(bucket: S3Bucket, size: int) -> None:
    content = os.urandom(size)
    await bucket.keep(COPY, content)
    assert await bucket.read(COPY) == content
    assert await bucket.size(COPY) == size
    await bucket.put(COPY, stream(content, 70_000))
    async with bucket.calls.get(f"{COPY}.arrived") as answer:
        assert answer is not None
        assert b"".join([piece async for piece in answer.pieces]) == content


async def test_a_file_that_grew_beyond_its_bound_is_not_fetched(
    rados: RadosAddress, rados_bucket: str, tmp_path: Path
) -> None:
    async with open_bucket(place_of(rados, rados_bucket), largest=len(CONTENT) - 1, scratch=tmp_path) as small:
        key = temp_key(USER, "image/png")
        assert rados.call("PUT", f"/{rados_bucket}/{key}.arrived", CONTENT).status == 200
        with pytest.raises(Invalid, match="there are more"):
            await small.complete(key, "image/png")
    assert files_in(tmp_path) == []


async def test_an_upload_that_breaks_off_leaves_nothing(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str, tmp_path: Path
) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield CONTENT[:50]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await bucket.put(temp_key(USER, "image/png"), breaking())
    assert rados.keys(rados_bucket) == []
    assert files_in(tmp_path) == []


class Altering(Outgoing):
    """Changes every body on its way, not its length."""

    async def send(self, request: Request, *, deadline: Deadline | None = None, commit: bool = False) -> Answer:
        if request.body is not None:
            request = replace(request, body=bytes(len(request.body)))
        return await super().send(request, deadline=deadline, commit=commit)


async def test_a_file_changed_on_its_way_is_refused(rados: RadosAddress, rados_bucket: str) -> None:
    async with open_bucket(place_of(rados, rados_bucket), way=Altering) as bucket:
        for what in ("keep", "put"):
            with pytest.raises(Unavailable) as caught:
                await EVERYTHING[what](bucket)
            assert (caught.value.code, caught.value.http_status) == ("XAmzContentSHA256Mismatch", 400)
    assert rados.keys(rados_bucket) == []


async def test_what_is_wanted_is_made_new_again_before_the_bucket_throws_it_away(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(days=1) < bucket_module.RENEWED_AFTER < timedelta(days=setup.EXPIRES_AFTER_DAYS - 2)
    key = await kept(bucket)
    rendition = key.replace(".png", ".0123456789abcdef.jpg")
    await bucket.keep(rendition, CONTENT)
    assert rados.call("PUT", f"/{rados_bucket}/{key}.arrived", CONTENT).status == 200

    def written() -> dict[str, str]:
        told = rados.call("GET", f"/{rados_bucket}").body.decode()
        return dict(re.findall(r"<Key>([^<]*)</Key><LastModified>([^<]*)<", told))

    async def wanted(_key: str) -> bool:
        return True

    before = written()
    assert await bucket.sweep(timedelta(hours=-1), wanted) == 0
    assert written() == before
    monkeypatch.setattr(bucket_module, "RENEWED_AFTER", timedelta(hours=-1))
    assert await bucket.sweep(timedelta(hours=1), wanted) == 0
    assert written() == before
    assert await bucket.sweep(timedelta(hours=-1), wanted) == 0
    after = written()
    assert {name for name in before if after[name] > before[name]} == {key, rendition}
    assert after.keys() == before.keys()
    assert await bucket.read(key) == CONTENT
    told = rados.call("HEAD", f"/{rados_bucket}/{rendition}").headers
    assert (told["content-type"], told["content-length"]) == ("image/jpeg", str(len(CONTENT)))


EVERYTHING: dict[str, Callable[[S3Bucket], Any]] = {
    "read": lambda bucket: bucket.read(COPY),
    "size": lambda bucket: bucket.size(COPY),
    "exists": lambda bucket: bucket.exists(COPY),
    "copy": lambda bucket: bucket.copy(COPY, COPY.replace("/1.", "/2.")),
    "keep": lambda bucket: bucket.keep(COPY, CONTENT),
    "put": lambda bucket: bucket.put(COPY, stream(CONTENT)),
    "complete": lambda bucket: bucket.complete(COPY, "image/png"),
    "delete": lambda bucket: bucket.delete(COPY),
    "sweep": lambda bucket: bucket.sweep(timedelta(hours=1), nobody),
}


async def nobody(_key: str) -> bool:
    return False


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob("**/*") if path.is_file()]


@pytest.mark.parametrize("what", EVERYTHING)
async def test_a_server_that_is_not_there_is_unavailable_for_now(rados: RadosAddress, what: str) -> None:
    nowhere = RadosAddress(free_port(), rados.access_key, rados.secret_key)
    async with open_bucket(place_of(nowhere, "pics")) as gone:
        with pytest.raises(Unavailable, match=r"Files cannot be reached at the moment\. .* refuses connections"):
            await EVERYTHING[what](gone)


@pytest.mark.parametrize("what", [what for what in EVERYTHING if what not in ("size", "exists")])
async def test_a_bucket_that_is_not_there_is_no_missing_file(rados: RadosAddress, what: str) -> None:
    async with open_bucket(place_of(rados, "no-such-bucket-here")) as lost:
        with pytest.raises(Unavailable, match="There is no bucket no-such-bucket-here"):
            await EVERYTHING[what](lost)


@pytest.mark.parametrize("what", EVERYTHING)
async def test_refused_keys_are_said_and_no_missing_file(rados: RadosAddress, rados_bucket: str, what: str) -> None:
    async with open_bucket(place_of(rados, rados_bucket, secret_key="another")) as forged:
        with pytest.raises(Unavailable, match=r"HAYON_S3_SECRET_KEY|Allow them"):
            await EVERYTHING[what](forged)


async def test_a_clock_that_is_wrong_is_named(rados: RadosAddress, rados_bucket: str) -> None:
    def ahead() -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)

    async with open_bucket(place_of(rados, rados_bucket), clock=ahead) as early:
        with pytest.raises(Unavailable, match=r"clock is 3\d\d\d seconds ahead of the S3 server's") as caught:
            await early.read(COPY)
    assert caught.value.code == "RequestTimeTooSkewed"


async def test_a_server_killed_and_back_goes_on_where_it_was(own_rados: RadosServer, tmp_path: Path) -> None:
    name = own_rados.address.new_bucket()
    async with open_bucket(place_of(own_rados.address, name), scratch=tmp_path) as bucket:
        key = temp_key(USER, "image/png")
        await bucket.put(key, stream(CONTENT))
        own_rados.kill9_gateway()
        with pytest.raises(Unavailable):
            await bucket.complete(key, "image/png")
        assert files_in(tmp_path) == []
        own_rados.start_gateway()
        assert (await bucket.complete(key, "image/png")).width == 96
        assert await bucket.read(key) == CONTENT
        assert own_rados.address.keys(name) == [key]
