"""The upkeep of files: what a row knows stays, what nobody knows goes, and a store that is away ends nothing."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from hayon.delivery import tending
from hayon.domain.model import Media
from hayon.errors import Unavailable
from hayon.media import LocalFolder, temp_key
from hayon.store import media
from hayon.vault import Vault
from tests.delivery.scripted import House


def picture(folder: Path) -> bytes:
    path = folder / "drawn.png"
    Image.new("RGB", (8, 8), "teal").save(path)
    return path.read_bytes()


async def test_files_that_no_row_knows_are_swept_after_a_day_and_no_others(house: House, tmp_path: Path) -> None:
    files = LocalFolder(tmp_path / "media", Vault(["a test's own secret key"]))
    known, forgotten, young = (temp_key(house.user_id, "image/png") for _ in range(3))
    for key in (known, forgotten, young):
        await files.keep(key, picture(tmp_path))
    ago = time.time() - timedelta(hours=25).total_seconds()
    for key in (known, forgotten):
        os.utime(tmp_path / "media" / key, (ago, ago))
    row = Media(UUID(known.rsplit("/", 1)[1].split(".", maxsplit=1)[0]), house.user_id, known, "image/png", 9)
    await house.database.write(media.insert_media, row)
    assert await tending.Tending(house.database, files).sweep_once() == 1
    assert [await files.exists(key) for key in (known, forgotten, young)] == [True, False, True]


async def test_a_store_that_is_away_ends_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, often = 0, asyncio.Event()

    class Away:
        async def sweep(self, *_: Any) -> int:
            nonlocal asked
            asked += 1
            if asked == 3:
                often.set()
            raise Unavailable("The bucket does not answer.")

    monkeypatch.setattr(tending, "EVERY_SECONDS", 0.01)
    duty = asyncio.create_task(tending.Tending(house.database, Away()).run())
    try:
        await asyncio.wait_for(often.wait(), 20)
        assert not duty.done()
    finally:
        duty.cancel()
