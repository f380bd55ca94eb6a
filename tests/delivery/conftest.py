"""A house on each database."""

import logging
from collections.abc import AsyncIterator

import pytest
import structlog

from tests.delivery.scripted import House, open_house


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Thousands of deliveries: their log lines would be most of the work."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """The heart on each database."""
    async with open_house(database_url) as opened:
        yield opened
