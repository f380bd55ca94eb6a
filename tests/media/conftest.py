"""Every media store there is, for the contract tests."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hayon.media import LocalFolder, MediaStore
from hayon.media.s3 import S3Bucket
from hayon.vault import Vault
from tests.media.buckets import open_bucket, place_of
from tests.servers.rados import RadosAddress

STORES: dict[str, Callable[[Path], MediaStore]] = {
    "folder": lambda path: LocalFolder(path / "media", Vault(["a test's own secret key"])),
}


@pytest.fixture(params=[*STORES, "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    if request.param == "s3":
        bucket: S3Bucket = request.getfixturevalue("bucket")
        return bucket
    return STORES[request.param](tmp_path)


@pytest.fixture
async def bucket(rados: RadosAddress, rados_bucket: str, tmp_path: Path) -> AsyncIterator[S3Bucket]:
    """A fresh private bucket of the real S3 server as a media store."""
    async with open_bucket(place_of(rados, rados_bucket), scratch=tmp_path / "scratch") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the folder store keeps its files."""
    return tmp_path / "media"
