"""The real servers that all contestants share: one PostgreSQL, one RabbitMQ, each started for this run alone. Nothing is measured here."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.servers.postgres import PostgresAddress, running_postgres
from tests.servers.rabbitmq import RabbitAddress, running_rabbitmq


@dataclass(frozen=True)
class Servers:
    """Where they are. Every staging takes a database and a vhost of its own, and drops them when it ends.

    `lasting` ends what contestants keep from one staging to the next.
    """

    postgres: PostgresAddress
    rabbitmq: RabbitAddress
    lasting: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, compare=False)

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The name of a fresh database; `postgres.url(name)` is its address for SQLAlchemy."""
        name = self.postgres.create_database(template=template)
        try:
            yield name
        finally:
            self.postgres.drop_database(name)

    @contextlib.contextmanager
    def vhost(self) -> Iterator[str]:
        """The name of a fresh vhost; `rabbitmq.url(name)` is its address."""
        name = self.rabbitmq.new_vhost()
        try:
            yield name
        finally:
            self.rabbitmq.drop_vhost(name)


@contextlib.contextmanager
def running_servers() -> Iterator[Servers]:
    """Both, for the length of a `with`: six seconds or so. Raises PostgresMissingError, RabbitMissingError."""
    with running_postgres() as postgres, running_rabbitmq(plugins=["rabbitmq_management"]) as node:
        servers = Servers(postgres.address, node.address)
        with servers.lasting:
            yield servers
