"""What every media store promises, whichever it is."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from hayon.errors import Invalid, NotFound
from hayon.media import KINDS, MediaStore, temp_key
from hayon.media.contract import mime_of, plain_mime
from tests.media.drawing import SECRETS, photo, saved, stream, talkative
from tests.media.filming import TAGS, TOLD, film

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
    f"temp/{USER}/{POST}.0123456789abcde.jpg", f"temp/{USER}/{POST}.0123456789ABCDEF.jpg", f"temp/{USER}/{POST}..jpg",
    f"temp/{USER}/{POST}.0123456789abcdef.0123456789abcdef.jpg", f"temp/{USER}/{POST}.0123456789abcdef", f"temp/{USER}/{POST}.mov",
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
        await store.keep(key, b"x")
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
    assert grant.url.startswith(("https://", "http://127.0.0.1:"))


@pytest.mark.parametrize(
    ("mime", "size"),
    [
        ("image/png", 0),
        ("image/png", -1),
        ("image/png", 50_000_001),
        ("image/gif", 900_000_000),
        ("video/mp4", 1_000_000_001),
        ("video/webm", 0),
        ("text/html", 5),
        ("image/svg+xml", 5),
        ("video/x-msvideo", 5),
        ("", 5),
    ],
)
async def test_no_grant_for_what_is_not_taken(store: MediaStore, mime: str, size: int) -> None:
    with pytest.raises(Invalid) as caught:
        await store.upload_grant(USER, mime, size, HERE, NOW)
    assert caught.value.problems[0].field in ("mimeType", "size")


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


async def test_a_grant_is_as_large_as_its_kind_may_be(store: MediaStore) -> None:
    for mime, size in (("image/png", 50_000_000), ("video/mp4", 1_000_000_000), ("video/quicktime", 50_000_001)):
        grant = await store.upload_grant(USER, mime, size, HERE, NOW)
        assert grant.headers["Content-Type"] == mime


@pytest.mark.parametrize(
    ("form", "declared", "options"),
    [
        ("mp4", "video/mp4", {}),
        ("mov", "video/quicktime", {}),
        ("webm", "video/webm", {"video": "libvpx", "audio": "libopus"}),
    ],
)
async def test_a_video_is_kept_as_what_its_key_says(
    store: MediaStore, form: str, declared: str, options: dict[str, str]
) -> None:
    key = (await store.upload_grant(USER, declared, 1000, HERE, NOW)).key
    content = film(form, **options, tags=tuple(TAGS.items()))
    await store.put(key, stream(content))
    measured = await store.complete(key, declared)
    assert measured.mime == mime_of(key) == ("video/webm" if form == "webm" else "video/mp4")
    assert (measured.width, measured.height, measured.duration_seconds, measured.size) == (
        160, 96, pytest.approx(1, abs=0.05), await store.size(key),
    )  # fmt: skip
    found = b"".join([piece async for piece in store.open_stream(key)])
    assert not any(word in found for word in TOLD)
    assert await store.complete(key, declared) == measured
    assert await store.complete(key, measured.mime) == measured


async def test_a_video_that_breaks_off_is_not_there(store: MediaStore) -> None:
    key = temp_key(USER, "video/mp4")
    await store.put(key, stream(film()[:-1000]))
    with pytest.raises(Invalid, match="breaks off"):
        await store.complete(key, "video/mp4")
    assert not await store.exists(key)


async def test_a_part_of_a_file_can_be_asked_for(store: MediaStore) -> None:
    content = bytes(range(256)) * 9000
    key = temp_key(USER, "video/mp4")
    await store.keep(key, content)
    end = len(content)
    for start, stop in (
        (0, None), (0, end), (0, 1), (1, 2), (5, 5), (255, 1_500_000), (end - 1, None), (end - 1, end), (1_000_000, 2_000_001),
    ):  # fmt: skip
        assert b"".join([piece async for piece in store.open_stream(key, start, stop)]) == content[start:stop]
    gone = temp_key(USER, "video/mp4")
    for start, stop in ((5, None), (0, 9), (5, 5)):
        with pytest.raises(NotFound):
            _ = [piece async for piece in store.open_stream(gone, start, stop)]


WORD, OTHER = "0123456789abcdef", "fedcba9876543210"


def rendition(key: str, word: str = WORD, ending: str = "jpg") -> str:
    return f"{key.rsplit('.', 1)[0]}.{word}.{ending}"


async def test_what_we_made_ourselves_is_there_at_once(store: MediaStore) -> None:
    key = await kept(store)
    made = rendition(key)
    for content in (b"first", b"second"):
        await store.keep(made, content)
        assert await store.exists(made)
        assert (await store.read(made), await store.size(made)) == (content, len(content))
    assert await store.read(key) == saved(photo(), "PNG")
    await store.copy(made, rendition(COPY))
    assert await store.read(rendition(COPY)) == b"second"
    assert store.public_url(made, timedelta(hours=1), HERE, NOW)


async def test_renditions_go_with_their_file_and_with_no_other(store: MediaStore) -> None:
    key, other = await kept(store), await kept(store)
    await store.copy(key, COPY)
    same_number, eleventh = COPY.replace(".png", ".gif"), COPY.replace("/1.png", "/11.png")
    await store.copy(key, same_number)
    await store.copy(key, eleventh)
    made = [rendition(one, word) for one in (key, COPY) for word in (WORD, OTHER)]
    others = [rendition(other), rendition(eleventh)]
    for one in (*made, *others):
        await store.keep(one, b"made")
    await store.delete(made[0])
    assert [await store.exists(one) for one in (key, *made)] == [True, False, True, True, True]
    for one in (key, COPY):
        await store.delete(one)
    assert [await store.exists(one) for one in (key, COPY, *made)] == [False] * 6
    assert [await store.exists(one) for one in (other, same_number, eleventh, *others)] == [True] * 5


async def test_the_sweep_keeps_renditions_as_long_as_their_file(store: MediaStore) -> None:
    used, unused, gone = await kept(store), await kept(store), temp_key(USER, "image/png")
    for one in (used, unused, gone, COPY):
        await store.keep(rendition(one), b"made")
    asked: list[str] = []

    async def keep(key: str) -> bool:
        asked.append(key)
        return key == used

    assert await store.sweep(timedelta(hours=1), keep) == 0
    assert await store.sweep(timedelta(hours=-1), keep) == 3
    assert sorted(asked) == sorted([used, unused])
    left = [await store.exists(rendition(one)) for one in (used, unused, gone, COPY)]
    assert left == [True, False, False, True]


async def test_the_note_beside_the_files_is_replaced_whole_and_no_sweep_takes_it(store: MediaStore) -> None:
    async def nobody_refers(key: str) -> bool:
        return False

    assert await store.read_note() is None
    for words in ("hayon 1\n", "a longer one, with ümlauts\n", "short\n"):
        await store.write_note(words)
        assert await store.read_note() == words
    assert await store.sweep(timedelta(hours=-1), nobody_refers) == 0
    assert await store.read_note() == "short\n"


def test_there_is_an_ending_for_every_kind() -> None:
    assert {mime: temp_key(USER, mime).rsplit(".", 1)[1] for mime in KINDS} == KINDS


def test_a_type_has_one_spelling() -> None:
    told = ["image/JPG", "image/pjpeg; q=1", "video/x-m4v", "Video/MP4; codecs=avc1", "video/webm;codecs=vp9"]
    assert [plain_mime(one) for one in told] == ["image/jpeg", "image/jpeg", "video/mp4", "video/mp4", "video/webm"]
