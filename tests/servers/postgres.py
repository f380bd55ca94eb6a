"""A private PostgreSQL server for tests, made from the programs on this machine, and databases on it. Not for production."""

import asyncio
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import asyncpg
import psutil

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import Process, ProcessFailedError, start

_ADMIN = "postgres"
_ROLE = "hayon"

# What a test may rely on: a commit that was answered is on the disk. The rest only keeps a small machine comfortable.
_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "400",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "logging_collector": "off",
    "log_min_duration_statement": "1000",
}


class PostgresMissingError(Exception):
    """No PostgreSQL server programs here."""


@dataclass(frozen=True)
class PostgresAddress:
    """Where a server listens, and what can be asked of it from any process."""

    port: int
    password: str

    def url(self, database: str) -> str:
        """For SQLAlchemy. The role owns the databases made here and is no superuser, as in production."""
        return f"postgresql+asyncpg://{_ROLE}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, *, template: str = "template0", name: str | None = None) -> str:
        """Makes a database and returns its name. A template must have no open connections; it is copied whole."""
        database = name or f"test_{secrets.token_hex(8)}"
        self.run(f'CREATE DATABASE "{database}" OWNER {_ROLE} TEMPLATE "{template}"')
        return database

    def drop_database(self, database: str) -> None:
        """Drops it with whatever is still connected to it."""
        self.run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def dump(self, database: str, to: Path) -> None:
        """A backup by `pg_dump` of the server's own version, in its custom format; whoever works there goes on."""
        self._tell("pg_dump", "--format=custom", f"--file={to}", database)

    def restore(self, database: str, dumped: Path) -> None:
        """The database as it was dumped, in place of the one of that name, which is dropped."""
        self.drop_database(database)
        self.create_database(name=database)
        self._tell("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={database}", dumped)

    def _tell(self, program: str, *arguments: str | Path) -> None:
        where = {"PGHOST": LOOPBACK, "PGPORT": str(self.port), "PGUSER": _ROLE, "PGPASSWORD": self.password}
        subprocess.run([_program(program), *arguments], check=True, env={**os.environ, **where})

    def run(self, *statements: str) -> None:
        """Runs statements as the superuser, one by one, outside a transaction, in the database `postgres`."""

        async def connect_and_run() -> None:
            connection = await asyncpg.connect(
                host=LOOPBACK, port=self.port, user=_ADMIN, password=self.password, database="postgres"
            )
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        _run_apart(connect_and_run())


class PostgresServer:
    """A server of one's own: data in a new temporary folder, one port for its whole life, however often it restarts."""

    def __init__(self, folder: Path, address: PostgresAddress, user: str | None) -> None:
        self.folder = folder
        self._user = user
        self._process: Process | None = None
        self.address = address

    @classmethod
    def create(cls) -> Self:
        """initdb, start and the role `hayon`: half a second to a second. Raises PostgresMissingError."""
        user = _unprivileged_user()
        folder = _new_folder(user)
        password = secrets.token_hex(16)
        try:
            _initdb(folder, password, user)
            server = cls(folder, PostgresAddress(free_port(), password), user)
            server._start_on_a_free_port()
            server.address.run(f"CREATE ROLE {_ROLE} LOGIN PASSWORD '{password}'")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return server

    @property
    def port(self) -> int:
        return self.address.port

    @property
    def log(self) -> str:
        """All that the server has said, over all its starts."""
        return (self.folder / "log.err").read_text(errors="replace")

    def url(self, database: str | None = None) -> str:
        """As PostgresAddress.url; without a name, of a new empty database."""
        return self.address.url(database or self.address.create_database())

    def start(self) -> None:
        """Starts it and returns when it takes connections, recovery included."""
        assert self._process is None, "the server runs already"
        settings = _SETTINGS | {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = start(
            [_program("postgres"), "-D", self._data, *options],
            log=self.folder / "log",
            cwd=self.folder,
            user=self._user,
            ready_within_seconds=None,
            on_parent_death=signal.SIGQUIT,  # immediate shutdown: unlike SIGKILL it leaves no System V memory behind
        )
        process.wait_until(lambda: self._ready(process.pid), "it took connections")
        self._process = process

    def stop(self) -> None:
        """Fast shutdown: sessions are cut, open transactions rolled back. Harmless when it is stopped."""
        if self._process is not None:
            process, self._process = self._process, None
            process.stop(by=signal.SIGINT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill9(self) -> None:
        """SIGKILL to the postmaster and every backend: what is not on the disk is gone. `start` recovers."""
        assert self._process is not None, "the server does not run"
        process, self._process = self._process, None
        backends = psutil.Process(process.pid).children(recursive=True)
        process.kill9()
        for backend in backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                backend.kill()
        while any(_alive(backend) for backend in backends):
            time.sleep(0.002)

    def close(self) -> None:
        """Stops it for good and removes its data."""
        self.stop()
        self._remove_shared_memory()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _start_on_a_free_port(self) -> None:
        for tries_left in (2, 1, 0):
            try:
                self.start()
            except ProcessFailedError:
                if not tries_left or "could not bind" not in self.log:
                    raise
                self.address = PostgresAddress(free_port(), self.address.password)
            else:
                return

    def _ready(self, pid: int) -> bool:
        # The file pg_ctl itself looks at: the pid in line 1, the status in line 8 (postgres: src/include/utils/pidfile.h).
        lines = self._find_pid_file_lines()
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _find_pid_file_lines(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _remove_shared_memory(self) -> None:
        """A killed postmaster leaves its pid file and a few bytes of System V memory, named in line 7."""
        lines = self._find_pid_file_lines()
        if len(lines) >= 7 and len(key_and_id := lines[6].split()) == 2:
            subprocess.run(["ipcrm", "-m", key_and_id[1]], check=False, capture_output=True)


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server for the length of a `with`."""
    server = PostgresServer.create()
    try:
        yield server
    finally:
        server.close()


def _alive(process: psutil.Process) -> bool:
    """A zombie is dead: whoever inherits the backends may take a while to bury them."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _program(name: str) -> Path:
    """From the folder in TEST_POSTGRES_PROGRAMS; else Debian's newest (one folder for each version); else the PATH."""
    if asked_for := os.environ.get("TEST_POSTGRES_PROGRAMS"):
        if not (Path(asked_for) / name).exists():
            raise PostgresMissingError(f"no {name} in {asked_for}")
        return Path(asked_for) / name
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    for folder in reversed(versions):
        if (folder / name).exists():
            return folder / name
    if on_path := shutil.which(name):
        return Path(on_path)
    raise PostgresMissingError(
        f"{name} is not installed (Debian: postgresql): run tests/tools/install, as `make test` does"
    )


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root, so root lends it the user that Debian's package made."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return _ADMIN if _ADMIN in names else "nobody"


def _new_folder(user: str | None) -> Path:
    # Not pytest's own temporary folder: that one is closed to the user we lend to.
    for place in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a closed folder in it
        if user is None or _open_to_all(Path(place)):
            folder = Path(tempfile.mkdtemp(prefix="hayon-postgres-", dir=place))
            if user is not None:
                shutil.chown(folder, user)
            return folder
    raise PostgresMissingError(f"the user {user} cannot reach /tmp")


def _open_to_all(place: Path) -> bool:
    resolved = place.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (resolved, *resolved.parents))


def _initdb(folder: Path, password: str, user: str | None) -> None:
    password_file = folder / "password"
    password_file.write_text(password)
    if user is not None:
        shutil.chown(password_file, user)
    made = start(
        [
            *(_program("initdb"), "-D", folder / "data", "--no-sync", "--username", _ADMIN),
            *("--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C.UTF-8"),
        ],
        log=folder / "initdb",
        cwd=folder,
        user=user,
        ready_within_seconds=None,
    )
    if made.wait(within_seconds=60) != 0:
        raise ProcessFailedError(f"initdb failed:\n{made.output()}")
    password_file.unlink()


def _run_apart(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine in a thread of its own: a fixture may be called while the test's event loop exists already."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, work).result()
