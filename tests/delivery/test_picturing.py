"""Pictures of accounts: copied once, anew when they change, thrown away with their account; whatever else lies there harms nobody."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from hayon.delivery import picturing
from hayon.delivery.picturing import WAITS, Picturing
from hayon.delivery.tending import Tending
from hayon.errors import DatabaseUnreachable, Unavailable
from hayon.media import LocalFolder, MediaStore
from hayon.outgoing import Outgoing, wire
from hayon.outgoing.addresses import is_public
from hayon.store.schema import accounts
from hayon.vault import Vault
from tests.delivery.scripted import House
from tests.media.drawing import SECRETS, photo, png_bomb, saved, talkative
from tests.outgoing.peer import Arrived, Peer


class Gallery(Peer):
    """The platform's server: what it answers at its paths, bytes for a picture, or an answer's head and body; 404 elsewhere."""

    def __init__(self, **options: Any) -> None:
        super().__init__(self._answer, **options)
        self.shows: dict[str, bytes | tuple[str, bytes]] = {}

    @property
    def asked(self) -> list[str]:
        return [arrived.path for arrived in self.requests]

    async def _answer(self, peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        held = self.shows.get(arrived.path, ("404 No\r\nContent-Type: text/plain", b""))
        head, body = ("200 OK\r\nContent-Type: image/png", held) if isinstance(held, bytes) else held
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


@pytest.fixture
async def gallery() -> AsyncIterator[Gallery]:
    async with Gallery() as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "media", Vault(["a test's own secret key"]))


@pytest.fixture
async def duty(house: House, gallery: Gallery, files: MediaStore) -> AsyncIterator[Picturing]:
    """Copies from a platform that the operator set; every other private address is guarded."""
    outgoing = Outgoing(identity="Hayon/test", trusted_origins=[gallery.url])
    yield Picturing(house.database, files, outgoing, every=timedelta(seconds=5))
    await outgoing.aclose()


async def show(house: House, gallery: Gallery, url: str | None = "/a.png", **values: Any) -> None:
    """One account, whose platform says that its picture is there."""
    await house.connect("ann")
    where = f"{gallery.url}{url}" if url is not None and url.startswith("/") else url
    await change(house, host=f"{gallery.url}/api", avatar_url=where, **values)


async def change(house: House, **values: Any) -> None:
    await house.database.write(lambda tx: tx.run(sa.update(accounts).values(**values)))


async def row_of(house: House) -> Any:
    return await house.database.read(lambda tx: tx.first(sa.select(accounts)))


def stored(folder: Path) -> list[Path]:
    return [path for path in (folder / "media").glob("**/*") if path.is_file()]


async def test_a_picture_is_copied_small_square_and_silent(
    house: House, gallery: Gallery, duty: Picturing, files: LocalFolder, tmp_path: Path
) -> None:
    gallery.shows["/a.png"] = talkative("PNG", picture=photo(600, 300))
    await show(house, gallery)
    assert await duty.copy_once() == 1
    row = await row_of(house)
    assert (row.avatar_source, row.avatar_due_at, row.avatar_failures) == (row.avatar_url, None, 0)
    kept = await files.read(row.avatar_key)
    with Image.open(BytesIO(kept)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (128, 128))
    assert not any(secret in kept for secret in SECRETS)
    assert (await duty.copy_once(), len(gallery.asked), len(stored(tmp_path))) == (0, 1, 1)


async def test_another_address_is_copied_anew_and_the_old_copy_goes(
    house: House, gallery: Gallery, duty: Picturing, tmp_path: Path
) -> None:
    gallery.shows |= {"/a.png": saved(photo(), "PNG"), "/b.png": saved(photo(seed=2), "PNG")}
    await show(house, gallery)
    await duty.copy_once()
    first = (await row_of(house)).avatar_key
    await change(house, avatar_url=f"{gallery.url}/b.png")
    assert await duty.copy_once() == 1
    second = (await row_of(house)).avatar_key
    assert first != second
    assert [path.name for path in stored(tmp_path)] == [second.rsplit("/", 1)[1]]


@pytest.mark.parametrize("values", [{"avatar_url": None}, {"disconnected_at": sa.func.current_timestamp()}])
async def test_a_copy_goes_with_its_account_or_its_picture(
    house: House, gallery: Gallery, duty: Picturing, tmp_path: Path, values: dict[str, Any]
) -> None:
    gallery.shows["/a.png"] = saved(photo(), "PNG")
    await show(house, gallery)
    await duty.copy_once()
    assert await duty.forget_once() == 0
    if "disconnected_at" in values:
        await house.accounts.disconnect(house.user_id, (await row_of(house)).id)
    else:
        await change(house, **values)
    assert (await duty.copy_once(), await duty.forget_once(), await duty.forget_once()) == (0, 1, 0)
    assert ((await row_of(house)).avatar_key, stored(tmp_path)) == (None, [])


async def test_connected_again_it_is_copied_again(house: House, gallery: Gallery, duty: Picturing) -> None:
    gallery.shows["/a.png"] = saved(photo(), "PNG")
    await show(house, gallery)
    await duty.copy_once()
    await house.accounts.disconnect(house.user_id, (await row_of(house)).id)
    await duty.forget_once()
    await change(house, disconnected_at=None)
    assert await duty.copy_once() == 1
    assert (await row_of(house)).avatar_key is not None


HOSTILE: dict[str, bytes | tuple[str, bytes]] = {
    "huge": b"\x89PNG\r\n\x1a\n" + b"\0" * picturing.LARGEST,
    "a bomb": png_bomb(20_000),
    "more than a face": saved(Image.new("L", (5_000, 5_000)), "PNG"),
    "no picture": b"<script>alert(1)</script>",
    "a drawing that can act": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "cut off": saved(photo(), "JPEG")[:300],
    "a page": ("200 OK\r\nContent-Type: text/html", saved(photo(), "PNG")),
    "nothing": ("404 No\r\nContent-Type: image/png", saved(photo(), "PNG")),
    "not whole": ("206 Part\r\nContent-Type: image/png", saved(photo(), "PNG")),
    "in circles": ("302 Go\r\nLocation: /a.png", b""),
    "to a private address": ("302 Go\r\nLocation: http://127.0.0.1:{private}/secret.png", b""),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_whatever_else_lies_there_is_not_kept_and_harms_nothing(
    house: House, gallery: Gallery, duty: Picturing, tmp_path: Path, what: str
) -> None:
    async with Gallery() as private:
        private.shows["/secret.png"] = saved(photo(), "PNG")
        held = HOSTILE[what]
        if isinstance(held, tuple):
            held = (held[0].replace("{private}", str(private.port)), held[1])
        gallery.shows["/a.png"] = held
        await show(house, gallery)
        assert await duty.copy_once() == 1
    row = await row_of(house)
    assert (row.avatar_key, row.avatar_failures, stored(tmp_path), private.connections) == (None, 1, [], 0)
    assert row.health == "active"


@pytest.mark.parametrize("by", ["another server", "the account's own, which nobody set", "a name for it"])
async def test_no_address_within_the_house_is_asked(
    house: House, gallery: Gallery, duty: Picturing, tmp_path: Path, by: str
) -> None:
    async with Gallery() as private:
        private.shows["/a.png"] = saved(photo(), "PNG")
        where = private.url.replace("127.0.0.1", "localhost") if by == "a name for it" else private.url
        await show(house, gallery, f"{where}/a.png")
        if by != "another server":
            await change(house, host=f"{where}/api")
        assert await duty.copy_once() == 1
    assert (private.connections, (await row_of(house)).avatar_key) == (0, None)


async def test_elsewhere_in_the_public_a_picture_is_fetched_without_anything_of_ours(
    house: House, gallery: Gallery, duty: Picturing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "is_public", lambda address: address == "127.0.0.2" or is_public(address))
    async with Gallery(address="127.0.0.2") as public:
        public.shows["/a.png"] = saved(photo(), "PNG")
        await show(house, gallery, f"{public.url}/a.png")
        await duty.copy_once()
    assert (await row_of(house)).avatar_key is not None
    (request,) = public.requests
    assert not {"authorization", "cookie", "referer"} & set(request.headers)


async def test_a_failure_is_tried_again_later_and_some_day_no_more(
    house: House, gallery: Gallery, duty: Picturing
) -> None:
    await show(house, gallery)
    for number, wait in enumerate(WAITS, 1):
        assert (await duty.copy_once(), len(gallery.asked)) == (1, number)
        house.clock.forward(wait.total_seconds() - 1)
        assert await duty.copy_once() == 0
        house.clock.forward(1)
    assert await duty.copy_once() == 1
    house.clock.forward(timedelta(days=30).total_seconds())
    assert (await duty.copy_once(), len(gallery.asked)) == (0, len(WAITS) + 1)
    gallery.shows["/new.png"] = saved(photo(), "PNG")
    await change(house, avatar_url=f"{gallery.url}/new.png")
    assert await duty.copy_once() == 1
    row = await row_of(house)
    assert (row.avatar_key is not None, row.avatar_failures) == (True, 0)


async def test_an_older_copy_stays_while_the_new_address_gives_none(
    house: House, gallery: Gallery, duty: Picturing, files: LocalFolder
) -> None:
    gallery.shows["/a.png"] = saved(photo(), "PNG")
    await show(house, gallery)
    await duty.copy_once()
    before = (await row_of(house)).avatar_key
    await change(house, avatar_url=f"{gallery.url}/gone.png")
    await duty.copy_once()
    row = await row_of(house)
    assert (row.avatar_key, row.avatar_failures, await files.exists(before)) == (before, 1, True)


async def test_of_two_relays_one_copy_is_kept_and_none_left_over(
    house: House, gallery: Gallery, duty: Picturing, tmp_path: Path
) -> None:
    gallery.shows["/a.png"] = saved(photo(), "PNG")
    await show(house, gallery)
    await asyncio.gather(duty.copy_once(), duty.copy_once())
    row = await row_of(house)
    assert [path.name for path in stored(tmp_path)] == [row.avatar_key.rsplit("/", 1)[1]]


async def test_a_copy_is_known_to_the_sweep(
    house: House, gallery: Gallery, duty: Picturing, files: LocalFolder, tmp_path: Path
) -> None:
    gallery.shows["/a.png"] = saved(photo(), "PNG")
    await show(house, gallery)
    await duty.copy_once()
    ago = time.time() - timedelta(hours=25).total_seconds()
    for path in stored(tmp_path):
        os.utime(path, (ago, ago))
    assert await Tending(house.database, files).sweep_once() == 0
    await change(house, avatar_key=None)
    assert (await Tending(house.database, files).sweep_once(), stored(tmp_path)) == (1, [])


@pytest.mark.parametrize("error", [Unavailable("away"), OSError("no room"), DatabaseUnreachable("away")])
async def test_what_is_away_ends_nothing_and_blames_no_picture(
    house: House, gallery: Gallery, duty: Picturing, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    gallery.shows["/a.png"] = saved(photo(), "PNG")
    await show(house, gallery)
    asked, often = 0, asyncio.Event()

    async def keep(*_: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            often.set()
        raise error

    monkeypatch.setattr(duty._files, "keep", keep)
    monkeypatch.setattr(duty, "_every", 0.01)
    task = asyncio.create_task(duty.run())
    try:
        await asyncio.wait_for(often.wait(), 20)
        assert not task.done()
    finally:
        task.cancel()
    assert ((await row_of(house)).avatar_failures, (await row_of(house)).avatar_key) == (0, None)
