"""What every media store promises, whichever it is."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from hayon.errors import Forbidden, Invalid, NotFound
from hayon.media import KINDS, MediaStore, temp_key
from tests.media.drawing import SECRETS, photo, saved, stream, talkative

NOW = datetime(2026, 11, 3, 12, 30, tzinfo=UTC)
USER, POST = UUID(int=7), UUID(int=9)
HERE = "https://hayon.example"
COPY = f"posts/{USER}/{POST}/1.png"


async def kept(store: MediaStore, content: bytes | None = None, mime: str = "image/png") -> str:
    """A file that is there, complete."""
    key = temp_key(USER, mime)
    await store.put(key, stream(content or saved(photo(), "PNG")))
    await store.complete(key, mime)
    return key


async def test_an_upload_is_there_when_it_is_completed_and_not_before(store: MediaStore) -> None:
    content = saved(photo(), "PNG")
    key = temp_key(USER, "image/png")
    await store.put(key, stream(content))
    assert not await store.exists(key)
    with pytest.raises(NotFound):
        await store.read(key)
    measured = await store.complete(key, "image/png")
    assert (measured.mime, measured.size, measured.width, measured.height) == ("image/png", len(content), 96, 64)
    assert await store.exists(key)
    assert await store.read(key) == content
    assert b"".join([piece async for piece in store.open_stream(key)]) == content
    assert await store.size(key) == len(content)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
async def test_what_is_kept_tells_nothing_of_place_and_camera(store: MediaStore, form: str) -> None:
    content = talkative(form)
    assert all(secret in content for secret in SECRETS[:1])
    key = await kept(store, content, f"image/{form.lower()}")
    found = await store.read(key)
    assert not any(secret in found for secret in SECRETS)


async def test_completing_may_be_repeated(store: MediaStore) -> None:
    key = temp_key(USER, "image/jpeg")
    await store.put(key, stream(talkative("JPEG", orientation=6)))
    first = await store.complete(key, "image/jpeg")
    content = await store.read(key)
    assert await store.complete(key, "image/jpeg") == first
    assert await store.read(key) == content


async def test_what_is_refused_is_not_there(store: MediaStore) -> None:
    key = temp_key(USER, "image/jpeg")
    await store.put(key, stream(saved(photo(), "PNG")))
    with pytest.raises(Invalid, match="announced as image/jpeg, but is image/png"):
        await store.complete(key, "image/jpeg")
    assert not await store.exists(key)
    await store.put(key, stream(saved(photo(), "JPEG")))
    await store.complete(key, "image/jpeg")
    assert await store.exists(key)


async def test_more_than_allowed_is_not_taken(store: MediaStore) -> None:
    key = temp_key(USER, "image/png")
    seen: list[int] = []
    with pytest.raises(Invalid):
        await store.put(key, stream(bytes(100_000), 1000, seen), largest=10_000)
    assert len(seen) == 11
    with pytest.raises(NotFound):
        await store.complete(key, "image/png")


async def test_nothing_is_found_where_nothing_is(store: MediaStore) -> None:
    key = temp_key(USER, "image/png")
    assert not await store.exists(key)
    for ask in (store.read, store.size):
        with pytest.raises(NotFound):
            await ask(key)
    with pytest.raises(NotFound):
        await store.complete(key, "image/png")
    with pytest.raises(NotFound):
        _ = [piece async for piece in store.open_stream(key)]
    with pytest.raises(NotFound):
        await store.copy(key, COPY)
    await store.delete(key)


async def test_copying_may_be_repeated_and_replaces(store: MediaStore) -> None:
    first, second = await kept(store), await kept(store, saved(photo(seed=2), "PNG"))
    for source in (first, first, second):
        await store.copy(source, COPY)
        assert await store.read(COPY) == await store.read(source)
    await store.copy(COPY, COPY)
    await store.delete(second)
    await store.copy(second, COPY)
    assert await store.read(COPY) == saved(photo(seed=2), "PNG")
    assert await store.read(first) == saved(photo(), "PNG")


async def test_deleting_may_be_repeated_and_takes_what_arrived_too(store: MediaStore) -> None:
    key = await kept(store)
    for _ in range(2):
        await store.delete(key)
        assert not await store.exists(key)
    await store.put(key, stream(saved(photo(), "PNG")))
    await store.delete(key)
    with pytest.raises(NotFound):
        await store.complete(key, "image/png")


BAD_KEYS = [
    "", "/", ".", "..", "temp", "/etc/passwd", "../secret.key", "temp/../../secret.key",
    f"temp/{USER}/../{USER}/{POST}.png", f"temp/{USER}/{POST}.png/..", f"temp/{USER}/{POST}", f"temp/{USER}/{POST}.exe",
    f"temp/{USER}/{POST}.png\n", f"temp/{USER}/{POST}.png\0", f"temp/{USER}/{POST}.PNG", f"temp//{POST}.png",
    f"/temp/{USER}/{POST}.png", f"temp\\{USER}\\{POST}.png", f"posts/{USER}/{POST}/0.png", f"posts/{USER}/{POST}/-1.png",
    f"posts/{USER}/{POST}/99999.png", f"posts/{USER}/1.png", f"posts/{USER}/{POST}/1.png.arrived", f"other/{USER}/{POST}.png",
    f"temp/{USER}/.{POST}.png", f"temp/{str(USER).upper()}/{POST}.p", "temp/%2e%2e/x.png", f"posts/{USER}/{POST}/١.png",
]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_what_is_no_key_leads_nowhere(store: MediaStore, key: str) -> None:
    good = await kept(store)
    for ask in (store.read, store.size, store.exists, store.delete):
        with pytest.raises(NotFound):
            await ask(key)
    for source, to in ((good, key), (key, COPY)):
        with pytest.raises(NotFound):
            await store.copy(source, to)
    with pytest.raises(NotFound):
        await store.put(key, stream(b"x"))
    with pytest.raises(NotFound):
        await store.complete(key, "image/png")
    with pytest.raises(NotFound):
        store.public_url(key, timedelta(hours=1), HERE, NOW)


async def test_a_grant_names_type_size_owner_and_time(store: MediaStore) -> None:
    grant = await store.upload_grant(USER, "image/JPG", 1000, HERE, NOW)
    assert grant.key.startswith(f"temp/{USER}/")
    assert grant.key.endswith(".jpg")
    assert (grant.method, grant.headers["Content-Type"]) == ("PUT", "image/jpeg")
    assert grant.expires_at == NOW + timedelta(minutes=15)
    assert grant.url.startswith("https://")


@pytest.mark.parametrize(
    ("mime", "size"),
    [("image/png", 0), ("image/png", -1), ("image/png", 50_000_001), ("text/html", 5), ("image/svg+xml", 5), ("", 5)],
)
async def test_no_grant_for_what_is_not_taken(store: MediaStore, mime: str, size: int) -> None:
    with pytest.raises(Invalid) as caught:
        await store.upload_grant(USER, mime, size, HERE, NOW)
    assert caught.value.problems[0].field in ("mimeType", "size")


async def test_a_public_address_serves_its_file_until_its_time(store: MediaStore) -> None:
    key = await kept(store)
    token = store.public_url(key, timedelta(hours=1), f"{HERE}/", NOW).rsplit("/", 1)[1]
    served = await store.serve(token, NOW + timedelta(minutes=59))
    assert (served.key, served.mime, served.size) == (key, "image/png", await store.size(key))
    assert b"".join([piece async for piece in served.stream]) == await store.read(key)
    for bad in (token[:-2], token.replace(".", "A."), "", "a.b"):
        with pytest.raises(Forbidden):
            await store.serve(bad, NOW)
    with pytest.raises(Forbidden):
        await store.serve(token, NOW + timedelta(hours=1))
    await store.delete(key)
    with pytest.raises(NotFound):
        await store.serve(token, NOW)


async def test_the_sweep_asks_before_it_throws_away(store: MediaStore) -> None:
    used, unused, arrived = await kept(store), await kept(store), temp_key(USER, "image/png")
    await store.put(arrived, stream(saved(photo(), "PNG")))
    await store.copy(used, COPY)
    asked: list[str] = []

    async def keep(key: str) -> bool:
        asked.append(key)
        return key == used

    assert await store.sweep(timedelta(hours=1), keep) == 0
    assert asked == []
    assert await store.sweep(timedelta(hours=-1), keep) == 2
    assert sorted(asked) == sorted([used, unused, arrived])
    assert [await store.exists(key) for key in (used, unused, COPY)] == [True, False, True]
    with pytest.raises(NotFound):
        await store.complete(arrived, "image/png")


def test_there_is_an_ending_for_every_kind() -> None:
    assert {mime: temp_key(USER, mime).rsplit(".", 1)[1] for mime in KINDS} == KINDS
