"""A served Hayon for each test, and simulated platforms for those that publish."""

import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from hayon.sandbox.app import running
from hayon.sandbox.world import World
from tests.web.house import House, Visitor, open_house


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost little: hundreds of people register here, and none of them has anything to lose."""
    monkeypatch.setattr("hayon.web.passwords.PasswordHasher", partial(PasswordHasher, 1, 8, 1))


@pytest.fixture
def folder(tmp_path: Path, migrated: Path) -> Path:
    """A data folder."""
    made = tmp_path / "data"
    made.mkdir()
    shutil.copy(migrated, made / "hayon.db")
    return made


@pytest.fixture
async def house(folder: Path) -> AsyncIterator[House]:
    """A served Hayon in which anybody may register."""
    async with open_house(folder) as opened:
        yield opened


@pytest.fixture
async def ada(house: House) -> Visitor:
    """The first person, signed in with a browser, with one Bluesky account."""
    visitor = await house.register()
    await house.account(visitor)
    return visitor


@pytest.fixture
async def world() -> AsyncIterator[tuple[World, str]]:
    """Simulated platforms in this process, and their address."""
    made = World("none")
    async with running(made) as url:
        yield made, url
    made.close()


@pytest.fixture
async def published(folder: Path, world: tuple[World, str]) -> AsyncIterator[House]:
    """A served Hayon whose Bluesky is the simulated one."""
    async with open_house(folder, bluesky_url=f"{world[1]}/bluesky", mastodon_url=f"{world[1]}/mastodon") as opened:
        yield opened
