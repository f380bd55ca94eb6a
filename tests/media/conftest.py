"""Every media store there is, for the contract tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hayon.media import LocalFolder, MediaStore
from hayon.vault import Vault

STORES: dict[str, Callable[[Path], MediaStore]] = {
    "folder": lambda path: LocalFolder(path / "media", Vault(["a test's own secret key"])),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    return STORES[request.param](tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the folder store keeps its files."""
    return tmp_path / "media"
