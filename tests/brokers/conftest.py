"""Brokers as fixtures: each implementation for the contract, RabbitMQ alone for what only it has."""

import os
from collections.abc import AsyncIterator

import pytest

from hayon.brokers.contract import Broker
from hayon.brokers.embedded import EmbeddedBroker
from hayon.brokers.rabbitmq import RabbitMQ
from tests.brokers.bells import kept, make_rabbitmq

# These need a broker with a plugin that no registry carries: they are collected where somebody has one.
collect_ignore = [] if os.environ.get("HAYON_TEST_DELAYED_PLUGIN") else ["test_delayed_plugin.py"]


@pytest.fixture(params=["embedded", "rabbitmq"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """Opened and kept; on RabbitMQ in a vhost of its own."""
    made: Broker
    if request.param == "embedded":
        made = EmbeddedBroker()
    else:
        made = make_rabbitmq(request.getfixturevalue("rabbitmq_url"))
    async with kept(made):
        yield made


@pytest.fixture
async def rabbit(rabbitmq_url: str) -> AsyncIterator[RabbitMQ]:
    """A broker on RabbitMQ, opened and kept, in a vhost of its own."""
    made = make_rabbitmq(rabbitmq_url)
    async with kept(made):
        yield made
