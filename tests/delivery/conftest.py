"""A house on each database."""

import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from tests.delivery.scripted import House, open_house


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Thousands of deliveries: their log lines would be most of the work."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> str:
    """A migrated database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(migrated, tmp_path / 'hayon.db')}"
    return str(request.getfixturevalue("migrated_postgres_url"))


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """The heart on each database."""
    async with open_house(database_url) as opened:
        yield opened
