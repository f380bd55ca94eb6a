"""The page of somebody's files, without a script: what stands there, page by page; adding, deleting; parts for scripts."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from aiohttp import FormData

from hayon.delivery.tending import FORGOTTEN_AFTER
from hayon.media import KINDS, LARGEST_PICTURE, LARGEST_VIDEO
from hayon.store.schema import media as table
from hayon.web import pages_library
from hayon.web.pages_library import length_words, size_words
from tests.media.filming import film
from tests.web.house import House, Visitor
from tests.web.test_media import picture, upload
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_posts import make


def tiles(page: str) -> list[str]:
    """The tiles of a page, one after the other."""
    return re.findall(r'<li class="tile.*?</li>', page, re.DOTALL)


def ids(page: str) -> list[str]:
    return re.findall(r'<li class="tile sheet" id="media-([^"]+)"', page)


async def several(visitor: Visitor, count: int) -> list[str]:
    """So many pictures, the oldest first."""
    return [await upload(visitor, picture(size=(40 + number, 30))) for number in range(count)]


async def uses(visitor: Visitor, media_id: str, text: str = "Words") -> str:
    """A draft with this file: its id."""
    return str(await make(visitor, draft=True, content={"text": text, "mediaItems": [{"mediaId": media_id}]}))


async def test_what_stands_there(ada: Visitor) -> None:
    """The newest first; each with its kind, its facts, who uses it, and until when it is kept."""
    shown = await upload(ada, picture(size=(4000, 3000)))
    video = await upload(ada, film(), "video/mp4")
    post_id = await uses(ada, shown, HOSTILE)
    page = (await ada.get("/media")).text
    await read(ada, "/media")
    assert ids(page) == [video, shown]
    of_video, of_picture = tiles(page)
    assert "PNG picture" in of_picture
    assert "4,000 \u00d7 3,000 pixels, " in of_picture
    assert f'In 1 post: <a href="/posts/{post_id}">&lt;script&gt;alert(' in of_picture
    assert HOSTILE not in page
    assert "MP4 video" in of_video
    assert "160 \u00d7 96 pixels, 1.0 s, " in of_video
    assert f'poster="/api/media/{video}/thumbnail" src="/api/media/{video}/content"' in of_video
    assert "In no post; kept until <time" in of_video
    assert f'src="/api/media/{shown}/thumbnail" alt="" loading="lazy"' in of_picture
    for media_id, tile in ((video, of_video), (shown, of_picture)):
        assert f'href="/compose?media={media_id}"' in tile
    hours = round(FORGOTTEN_AFTER.total_seconds() / 3600)
    assert f"A file that no post or draft uses is deleted {hours} hours after it was added" in page


async def test_until_when_a_file_is_kept_is_true(house: House, ada: Visitor) -> None:
    """What the page says of a file no post uses is what the upkeep does."""
    media_id = await upload(ada, picture())
    for age, said, kept in ((-1, "kept until", True), (1, "about to be deleted", False)):
        came = datetime.now(UTC) - FORGOTTEN_AFTER - timedelta(minutes=age)
        mine = sa.update(table).where(table.c.id == UUID(media_id)).values(created_at=came)
        await house.hayon.database.write(lambda tx, mine=mine: tx.run(mine))
        assert said in (await ada.get("/media")).text
        await house.hayon.tending.forget_once()
        assert (media_id in (await ada.get("/media")).text) is kept


async def test_deleted_posts_hold_their_files_and_are_not_linked(ada: Visitor) -> None:
    media_id = await upload(ada, picture())
    gone = await uses(ada, media_id)
    assert (await ada.ask("DELETE", f"/api/posts/{gone}")).status in {200, 204}
    (tile,) = tiles((await ada.get("/media")).text)
    assert "In 1 post, deleted meanwhile" in tile
    assert gone not in tile
    stays = [await uses(ada, media_id, f"Post {number}") for number in range(4)]
    (tile,) = tiles((await ada.get("/media")).text)
    assert "In 5 posts, 1 of them deleted: " in tile
    assert re.findall(r'/posts/([^"]+)', tile) == stays[:0:-1]
    assert "</a>, …</p>" in tile


async def test_page_by_page(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_library, "PAGE", 2)
    mine = await several(ada, 5)
    address, found = "/media", []
    while address:
        page = (await ada.get(address)).text
        found.append(ids(page))
        older = re.search(r'<p class="older"><a href="([^"]+)">Older files</a>', page)
        address = older[1].replace("&amp;", "&") if older else ""
    assert found == [mine[:2:-1], mine[2:0:-1], mine[:1]]
    picks, address = [], "/media/pick"
    while address:
        part = (await ada.get(address)).text
        picks += re.findall(r'data-media="([^"]+)"', part)
        older = re.search(r'data-older="([^"]+)"', part)
        address = older[1] if older else ""
    assert picks == mine[::-1]


async def test_pictures_or_videos_alone(ada: Visitor) -> None:
    shown = await upload(ada, picture())
    video = await upload(ada, film(), "video/mp4")
    for which, expected in (("all", [video, shown]), ("pictures", [shown]), ("videos", [video])):
        page = (await ada.get(f"/media?show={which}")).text
        assert ids(page) == expected
        assert re.search(rf'aria-current="page">{which}<', page, re.IGNORECASE)


@pytest.mark.parametrize(("asked", "status"), [("show=songs", 404), ("cursor=nonsense", 422), ("cursor=" + "x" * 201, 404)])  # fmt: skip
async def test_an_address_that_is_none_of_ours(ada: Visitor, asked: str, status: int) -> None:
    assert (await ada.get(f"/media?{asked}")).status == status


async def test_an_empty_library_says_what_belongs_there(ada: Visitor) -> None:
    assert "No files yet" in (await ada.get("/media")).text
    assert "No videos here" in (await ada.get("/media?show=videos")).text
    assert "There is no file here yet" in (await ada.get("/media/pick")).text


async def test_a_file_is_added_by_the_form(ada: Visitor) -> None:
    fields = (await read(ada, "/media")).form("/media")

    async def send(content: bytes | None, mime: str = "image/png") -> tuple[int, str]:
        form = FormData(fields)
        if content is not None:
            form.add_field("picture", content, filename="a.png", content_type=mime)
        answer = await ada.post("/media", data=form)
        return answer.status, answer.headers.get("Location", "") or answer.text

    assert await send(picture()) == (303, "/media?told=file")
    assert "The file is here" in (await ada.get("/media?told=file")).text
    assert len(ids((await ada.get("/media")).text)) == 1
    for content, said in ((None, "Choose a picture or a video first."), (b"<script>", "This is a web page.")):
        status, page = await send(content)
        assert (status, said in page) == (422, True), page
        assert len(ids(page)) == 1


async def test_a_file_is_deleted_once_no_post_uses_it(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """And afterwards the same page of the library is shown."""
    monkeypatch.setattr(pages_library, "PAGE", 1)
    free, used = await several(ada, 2)
    post_id = await uses(ada, used)
    path = f"/media/{used}/delete"
    page = await read(ada, "/media?show=pictures")
    refused = await ada.post(path, data=page.form(path))
    assert refused.status == 409
    assert "A post uses this; it stays until the post no longer does." in refused.text
    assert ids(refused.text) == [used]
    older = re.search(r'<p class="older"><a href="([^"]+)"', (await ada.get("/media?show=pictures")).text)
    assert older is not None
    address = older[1].replace("&amp;", "&")
    path = f"/media/{free}/delete"
    done = await ada.post(path, data=(await read(ada, address)).form(path))
    assert (done.status, done.headers["Location"]) == (303, f"{address}&told=file-deleted")
    after = (await ada.get(done.headers["Location"])).text
    assert "The file is deleted." in after
    assert "No older files" in after
    assert (await ada.get(f"/api/media/{free}/content")).status == 404
    assert (await ada.get(f"/api/posts/{post_id}")).status == 200


async def test_only_ones_own_form_deletes(house: House, ada: Visitor) -> None:
    media_id = await upload(ada, picture())
    path = f"/media/{media_id}/delete"
    assert (await ada.post(path, data={"csrf": "x"})).status == 403
    bob = await house.register("bob@example.org")
    csrf = (await read(bob, "/media")).form("/media")
    assert (await bob.post(path, data=csrf)).status == 404
    large = await ada.post(path, data={"csrf": "x" * 1_000_001})
    assert large.status == 413
    assert ids((await ada.get("/media")).text) == [media_id]
    assert ids((await bob.get("/media")).text) == []


async def test_one_files_tile(house: House, ada: Visitor) -> None:
    media_id = await upload(ada, picture())
    for place in ("compose", "library"):
        tile = await ada.get(f"/media/{media_id}/tile?for={place}")
        assert (tile.status, tile.text.strip()[:4], tile.text.strip()[-5:]) == (200, "<li ", "</li>")
        assert Fields(tile.text).inline == []
    (listed,) = tiles((await ada.get("/media")).text)
    assert re.sub(r"\s+", " ", listed) == re.sub(r"\s+", " ", tile.text.strip())
    grant = (await ada.post("/api/media/uploads", {"mimeType": "image/png", "size": 5})).json
    bob = await house.register("bob@example.org")
    for visitor, path in (
        (ada, f"{media_id}/tile"), (ada, f"{media_id}/tile?for=supper"), (ada, f"{grant['mediaId']}/tile?for=compose"),
        (ada, f"{uuid4()}/tile?for=compose"), (bob, f"{media_id}/tile?for=compose"), (bob, f"{media_id}/tile?for=library"),
    ):  # fmt: skip
        assert (await visitor.get(f"/media/{path}")).status == 404, path


async def test_what_a_page_refuses_by_itself_is_what_is_refused_here(ada: Visitor) -> None:
    page = (await ada.get("/media")).text
    (kinds,) = re.findall(r'data-kinds="([^"]+)"', page)
    assert set(KINDS) <= set(kinds.split())
    for mime in kinds.split():
        assert (await ada.post("/api/media/uploads", {"mimeType": mime, "size": 5})).status == 201, mime
    for name, mime, most in (("picture", "image/png", LARGEST_PICTURE), ("video", "video/mp4", LARGEST_VIDEO)):
        assert f'data-largest-{name}="{most}"' in page
        for size, status in ((most, 201), (most + 1, 422)):
            assert (await ada.post("/api/media/uploads", {"mimeType": mime, "size": size})).status == status


@pytest.mark.parametrize(
    ("size", "words"),
    [(2, "2 bytes"), (999, "999 bytes"), (1000, "1 kB"), (740_400, "740 kB"), (999_400, "999 kB"), (999_900, "1.0 MB"),
     (1_440_000, "1.4 MB"), (9_960_000, "10 MB"), (48_000_000, "48 MB"), (999_999_999, "1.0 GB"), (1_000_000_000, "1.0 GB")],
)  # fmt: skip
def test_sizes_in_words(size: int, words: str) -> None:
    assert size_words(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (8.44, "8.4 s"), (9.96, "10 s"), (42.4, "42 s"), (59.6, "1 min 0 s"), (65, "1 min 5 s"), (3725, "62 min 5 s")],
)  # fmt: skip
def test_lengths_in_words(seconds: float, words: str) -> None:
    assert length_words(seconds) == words
