"""The folder store: uploads by signed address, and what is on disk when."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hayon.errors import Conflict, Forbidden, Invalid, NotFound
from hayon.media import Grant, LocalFolder, Measured, MediaStore, clean_file, temp_key
from hayon.vault import Vault
from tests.media.drawing import photo, saved, stream
from tests.media.filming import film
from tests.media.test_contract import COPY, HERE, NOW, USER, kept

CONTENT = saved(photo(), "PNG")


@pytest.fixture
def local(folder: Path) -> LocalFolder:
    return LocalFolder(folder, Vault(["a test's own secret key"]))


async def granted(local: LocalFolder, size: int = len(CONTENT)) -> tuple[Grant, str]:
    """A grant and the token in its address."""
    grant = await local.upload_grant(USER, "image/png", size, HERE, NOW)
    address, token = grant.url.rsplit("/", 1)
    assert address == f"{HERE}/media/uploads"
    return grant, token


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("**/*") if path.is_file())


async def test_an_upload_by_its_address_arrives(local: LocalFolder) -> None:
    grant, token = await granted(local)
    for length in (len(CONTENT), None):
        key = await local.receive(token, stream(CONTENT), "image/png; q=1", length, NOW)
        assert key == grant.key
        assert not await local.exists(key)
    await local.complete(key, "image/png")
    assert await local.read(key) == CONTENT
    with pytest.raises(Conflict):
        await local.receive(token, stream(CONTENT), "image/png", len(CONTENT), NOW)
    assert await local.read(key) == CONTENT


async def test_a_public_address_serves_its_file_until_its_time(local: LocalFolder) -> None:
    key = await kept(local)
    token = local.public_url(key, timedelta(hours=1), f"{HERE}/", NOW).rsplit("/", 1)[1]
    served = await local.serve(token, NOW + timedelta(minutes=59))
    assert (served.key, served.mime, served.size) == (key, "image/png", await local.size(key))
    assert b"".join([piece async for piece in served.stream]) == await local.read(key)
    for bad in (token[:-2], token.replace(".", "A."), "", "a.b"):
        with pytest.raises(Forbidden):
            await local.serve(bad, NOW)
    with pytest.raises(Forbidden):
        await local.serve(token, NOW + timedelta(hours=1))
    await local.delete(key)
    with pytest.raises(NotFound):
        await local.serve(token, NOW)


async def test_an_address_that_is_forged_or_too_old_takes_nothing(local: LocalFolder, folder: Path) -> None:
    grant, token = await granted(local)
    other = LocalFolder(folder, Vault(["another secret key, not ours"]))
    _, foreign = await granted(other)
    shown = local.public_url(grant.key, timedelta(hours=1), HERE, NOW).rsplit("/", 1)[1]
    for bad in (foreign, shown, token + "A", token[1:], ""):
        with pytest.raises(Forbidden):
            await local.receive(bad, stream(CONTENT), "image/png", None, NOW)
    with pytest.raises(Forbidden):
        await local.receive(token, stream(CONTENT), "image/png", None, grant.expires_at)
    with pytest.raises(Forbidden):
        await local.serve(token, NOW)
    assert files(folder) == []


@pytest.mark.parametrize(
    ("content", "mime", "length"),
    [
        (CONTENT, "image/jpeg", None),
        (CONTENT, None, None),
        (CONTENT, "image/png", len(CONTENT) + 1),
        (CONTENT, "image/png", 0),
        (CONTENT + b"!", "image/png", None),
        (CONTENT + b"!", "image/png", len(CONTENT)),
        (CONTENT[:-1], "image/png", None),
        (b"", "image/png", None),
    ],
)
async def test_another_type_or_size_than_granted_is_not_taken(
    local: LocalFolder, folder: Path, content: bytes, mime: str | None, length: int | None
) -> None:
    _, token = await granted(local)
    with pytest.raises(Invalid):
        await local.receive(token, stream(content), mime, length, NOW)
    assert files(folder) == []


async def test_an_endless_upload_is_cut_at_its_bound(local: LocalFolder, folder: Path) -> None:
    _, token = await granted(local, 10_000)
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield bytes(1000)

    with pytest.raises(Invalid):
        await local.receive(token, endless(), "image/png", None, NOW)
    assert asked == 11
    assert files(folder) == []


async def test_an_upload_that_breaks_off_leaves_nothing(local: LocalFolder, folder: Path) -> None:
    _, token = await granted(local)

    async def breaking() -> AsyncIterator[bytes]:
        yield CONTENT[:50]
        raise ConnectionResetError

    async def hanging() -> AsyncIterator[bytes]:
        yield CONTENT[:50]
        begun.set()
        await asyncio.Event().wait()

    with pytest.raises(ConnectionResetError):
        await local.receive(token, breaking(), "image/png", None, NOW)
    begun = asyncio.Event()
    task = asyncio.create_task(local.receive(token, hanging(), "image/png", None, NOW))
    await begun.wait()
    assert [name.endswith(".draft") for name in files(folder)] == [True]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(folder) == []


async def test_a_large_upload_is_never_whole_in_memory(local: LocalFolder, folder: Path) -> None:
    size = 40_000_000
    _, token = await granted(local, size)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(size // 50_000):
            yield bytes(50_000)

    tracemalloc.start()
    try:
        key = await local.receive(token, large(), "image/png", size, NOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (folder / f"{key}.arrived").stat().st_size == size
    assert peak < 5_000_000


async def test_a_file_is_on_disk_before_it_has_its_name(
    local: LocalFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(number: int) -> None:
        done.append("flush " + ("folder" if Path(f"/proc/self/fd/{number}").readlink().is_dir() else "file"))
        fsync(number)

    def noted_replace(self: Path, target: Path) -> Path:
        done.append("name")
        return replace(self, target)

    key = await kept(local)
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    await local.put(key, stream(CONTENT))
    assert done == ["flush file", "name", "flush folder"]
    done.clear()
    await local.complete(key, "image/png")
    assert done == ["flush file", "name", "flush folder"]
    done.clear()
    await local.copy(key, COPY)
    assert done[-2:] == ["name", "flush folder"]


async def test_copies_work_on_disks_that_know_no_second_names(
    local: LocalFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    key = await kept(local)
    monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        await local.copy(key, COPY)
    assert await local.read(COPY) == await local.read(key)
    assert len(files(folder)) == 2


async def test_nothing_is_left_lying_about(local: LocalFolder, folder: Path) -> None:
    key = await kept(local)
    for _ in range(3):
        await local.copy(key, COPY)
    await local.delete(key)
    assert files(folder) == ["1.png"]


async def test_what_arrives_while_another_is_completed_is_not_mixed_in(local: LocalFolder) -> None:
    key = temp_key(USER, "image/png")
    one, two = saved(photo(400, 300), "PNG"), saved(photo(300, 400, seed=2), "PNG")
    await local.put(key, stream(one))
    measured, _ = await asyncio.gather(local.complete(key, "image/png"), local.put(key, stream(two, 100_000)))
    assert await local.read(key) == (one if measured.width == 400 else two)


async def test_what_is_refused_leaves_only_what_arrived(local: LocalFolder, folder: Path) -> None:
    for mime, content in (("image/png", CONTENT[:-20]), ("video/mp4", film()[:-20]), ("video/mp4", b"<html>")):
        key = temp_key(USER, mime)
        await local.put(key, stream(content))
        with pytest.raises(Invalid):
            await local.complete(key, mime)
        assert files(folder) == [f"{key.rsplit('/', 1)[1]}.arrived"]
        await local.delete(key)


async def test_what_is_deleted_while_it_is_looked_at_stays_deleted(
    local: LocalFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = temp_key(USER, "video/mp4")
    await local.put(key, stream(film()))

    async def look_and_be_late(source: Path, declared: str, to: Path) -> Measured:
        measured = await clean_file(source, declared, to)
        await local.delete(key)
        return measured

    monkeypatch.setattr("hayon.media.folder.clean_file", look_and_be_late)
    with pytest.raises(NotFound):
        await local.complete(key, "video/mp4")
    assert files(folder) == []


async def test_two_that_complete_the_same_upload_at_once_agree(local: LocalFolder, folder: Path) -> None:
    key = temp_key(USER, "video/mp4")
    await local.put(key, stream(film()))
    first, second = await asyncio.gather(local.complete(key, "video/mp4"), local.complete(key, "video/mp4"))
    assert first == second
    assert files(folder) == [key.rsplit("/", 1)[1]]


async def test_a_picture_is_bound_by_its_own_kind_whoever_brings_it(
    local: LocalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hayon.media.contract.LARGEST_PICTURE", 5000)
    seen: list[int] = []
    with pytest.raises(Invalid):
        await local.put(temp_key(USER, "image/png"), stream(bytes(100_000), 1000, seen))
    assert len(seen) == 6
    await local.put(temp_key(USER, "video/mp4"), stream(bytes(100_000), 1000))


async def test_a_young_rendition_goes_with_its_old_upload(local: LocalFolder, folder: Path) -> None:
    old, young = await kept(local), await kept(local)
    for key in (old, young):
        await local.keep(f"{key.removesuffix('png')}0123456789abcdef.jpg", b"made")
    os.utime(folder / old, (0, 0))

    async def keep(key: str) -> bool:
        return False

    assert await local.sweep(timedelta(hours=1), keep) == 2
    assert len(files(folder)) == 2
    assert all(name.startswith(young.rsplit("/", 1)[1].removesuffix("png")) for name in files(folder))


async def test_what_is_not_ours_is_left_alone(local: LocalFolder, folder: Path) -> None:
    key = await kept(local)
    (folder / key).with_name("notes.txt").write_text("somebody's")
    asked: list[str] = []

    async def keep(key: str) -> bool:
        asked.append(key)
        return False

    assert await local.sweep(timedelta(hours=-1), keep) == 1
    assert (asked, files(folder)) == ([key], ["notes.txt"])


async def test_drafts_that_broke_off_long_ago_are_swept(local: LocalFolder, folder: Path) -> None:
    key = await kept(local)
    await local.copy(key, COPY)
    for beside in (key, COPY):
        (folder / beside).with_name(".x.png.0123.draft").write_bytes(b"half")

    async def keep(key: str) -> bool:
        return True

    assert await local.sweep(timedelta(hours=1), keep) == 0
    assert await local.sweep(timedelta(hours=-1), keep) == 2
    assert files(folder) == sorted(["1.png", key.rsplit("/", 1)[1]])


def test_the_folder_is_a_media_store(local: LocalFolder) -> None:
    store: MediaStore = local
    assert store is local
