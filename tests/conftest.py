"""The servers that tests use, and the spans and log lines they record, as fixtures. What a folder's own tests need beyond them is in that folder's conftest."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hayon.store.migrate import migrate
from hayon.telemetry import spans
from tests.servers.pds.server import PdsAccount, SharedPds
from tests.servers.postgres import PostgresAddress, PostgresServer, running_postgres
from tests.servers.processes import Process, start
from tests.servers.rabbitmq import RabbitAddress, RabbitNode, running_rabbitmq
from tests.servers.rados import RadosAddress, RadosServer, running_rados
from tests.servers.sandbox import Sandbox, running_sandbox
from tests.servers.shared import TestRun

_RUN = pytest.StashKey[TestRun]()
_FOLDER, _PID = "hayon_run_folder", "hayon_run_pid"


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> PostgresAddress:
    """The run's shared PostgreSQL server, never stopped by a test. For a database use `postgres_url`."""
    told = request.config.stash[_RUN].get_shared("postgres")
    return PostgresAddress(port=told["port"], password=told["password"])


@pytest.fixture
def postgres_url(postgres: PostgresAddress) -> Iterator[str]:
    """A fresh empty database as an SQLAlchemy URL; dropped at the end, with whoever is still connected."""
    database = postgres.create_database()
    yield postgres.url(database)
    postgres.drop_database(database)


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresAddress) -> Iterator[str]:
    """The name of an empty database in the newest shape, to copy: migrating one for each test would take most of its time."""
    database = postgres.create_database()
    _migrate(postgres.url(database))
    yield database
    postgres.drop_database(database)


@pytest.fixture
def migrated_postgres_url(postgres: PostgresAddress, migrated_postgres: str) -> Iterator[str]:
    """A fresh empty database in the newest shape, as `postgres_url` else."""
    database = postgres.create_database(template=migrated_postgres)
    yield postgres.url(database)
    postgres.drop_database(database)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database in the newest shape, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "hayon.db"
    _migrate(f"sqlite:///{path}")
    return path


def _migrate(url: str) -> None:
    """In a thread of its own: a test may ask for its database when its event loop runs already."""
    with ThreadPoolExecutor(1) as apart:
        apart.submit(lambda: asyncio.run(migrate(url))).result()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> str:
    """A migrated database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(migrated, tmp_path / 'hayon.db')}"
    return str(request.getfixturevalue("migrated_postgres_url"))


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, to kill and restart (a second or so; where that is not needed use `postgres_url`)."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def pds(request: pytest.FixtureRequest) -> SharedPds:
    """The run's shared AT Protocol server, real and without rate limits; a test that writes takes `pds_account`."""
    told = request.config.stash[_RUN].get_shared("pds")
    return SharedPds(**told["address"], accounts=tuple(PdsAccount(**account) for account in told["accounts"]))


@pytest.fixture
def pds_account(pds: SharedPds) -> PdsAccount:
    """A fresh account on it, this test's alone."""
    return pds.new_account()


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> RabbitAddress:
    """The run's shared RabbitMQ node with its management API, never stopped by a test. For a vhost use `rabbitmq_url`."""
    return RabbitAddress(**request.config.stash[_RUN].get_shared("rabbitmq")["address"])


@pytest.fixture
def rabbitmq_vhost(rabbitmq: RabbitAddress) -> Iterator[str]:
    """The name of a fresh empty vhost on it; dropped at the end, with whoever is still connected."""
    vhost = rabbitmq.new_vhost()
    yield vhost
    rabbitmq.drop_vhost(vhost)


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitAddress, rabbitmq_vhost: str) -> str:
    """The address of a fresh empty vhost."""
    return rabbitmq.url(rabbitmq_vhost)


@pytest.fixture
def own_rabbitmq() -> Iterator[RabbitNode]:
    """A node of the test's own, to kill, wipe and start again (four to six seconds; else use `rabbitmq_url`)."""
    with running_rabbitmq() as node:
        yield node


@pytest.fixture(scope="session")
def rados(request: pytest.FixtureRequest) -> RadosAddress:
    """The run's shared S3 server, never stopped by a test. For a bucket use `rados_bucket`."""
    return RadosAddress(**request.config.stash[_RUN].get_shared("rados")["address"])


@pytest.fixture
def rados_bucket(rados: RadosAddress) -> Iterator[str]:
    """The name of a fresh private bucket on it, removed at the end with all that is in it."""
    bucket = rados.new_bucket()
    yield bucket
    rados.drop_bucket(bucket)


@pytest.fixture
def own_rados() -> Iterator[RadosServer]:
    """A server of the test's own, to kill and start again (two or three seconds)."""
    with running_rados() as server:
        yield server


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sandbox]:
    """The simulated platforms in a process of their own, with real limits.

    Others by `@pytest.mark.parametrize("sandbox", ["none"], indirect=True)`.
    """
    with running_sandbox(tmp_path / "sandbox", limits=getattr(request, "param", "real")) as running:
        yield running


@pytest.fixture(autouse=True)
def _told_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Who sets up how lines are told does so for one test."""
    before = structlog.get_config() if structlog.is_configured() else None
    # a logger that an earlier test used keeps what was set up then
    monkeypatch.setattr("hayon.telemetry.vocabulary._log", structlog.get_logger("hayon"))
    yield
    if before is None:
        structlog.reset_defaults()
    else:
        structlog.configure(**before)


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    """Every span that ends, in that order."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    spans.record_with(provider.get_tracer("test"))
    yield memory
    spans.record_with(None)


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """`tests.servers.processes.start`, logging into tmp_path; what the test leaves running is killed."""
    started: list[Process] = []

    def start_one(*arguments: object, **options: object) -> Process:
        options.setdefault("log", tmp_path / f"process-{len(started)}")
        process = start([str(argument) for argument in arguments], **options)
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill9()


@pytest.fixture
def log() -> Iterator[list[Any]]:
    """Every line that is told."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with structlog.testing.capture_logs() as lines:
        yield lines


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", None)
    config.stash[_RUN] = TestRun.open() if given is None else TestRun(Path(given[_FOLDER]), given[_PID])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "object") -> None:
    """xdist: the main process tells a worker which run it belongs to."""
    run = node.config.stash[_RUN]
    node.workerinput |= {_FOLDER: str(run.folder), _PID: run.pid}


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_RUN].close()
