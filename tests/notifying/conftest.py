"""A house on each database that writes down what is to be mailed, an SMTP server, and a receiver of webhooks."""

import logging
from collections.abc import AsyncIterator

import pytest
import structlog

from hayon.outgoing import Outgoing
from tests.delivery.scripted import House, open_house
from tests.notifying.office import Office, Receiver, open_office, open_receiver


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """The heart, with a mail server set."""
    async with open_house(database_url) as opened:
        opened.database.mailing = True
        await opened.connect("ann")
        yield opened


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """An SMTP server that takes everything."""
    async with open_office() as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes everything."""
    async with open_receiver() as opened:
        yield opened


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    """The way out, which may lead to this machine: that is where the receivers of these tests are."""
    opened = Outgoing(identity="Hayon/test", timeout_seconds=10, allow_private_addresses=True)
    yield opened
    await opened.aclose()
