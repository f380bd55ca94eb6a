"""What the matrix is played on: simulated platforms with short memories, databases, a server that hands files out."""

import asyncio
import http.client
import json
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
import uvicorn
import uvloop
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from hayon.media import LocalFolder
from hayon.sandbox.app import serve
from hayon.sandbox.bluesky.limits import PdsLimits
from hayon.sandbox.limits import DAY, Limits
from hayon.sandbox.mastodon.limits import InstanceLimits
from hayon.sandbox.model import LedgerEntry, Platform
from hayon.sandbox.world import World
from hayon.store.database import Database
from hayon.store.migrate import migrate
from hayon.vault import Vault
from tests.matrix.forks import Child, fork
from tests.matrix.hurrying import world_time
from tests.media.filming import film
from tests.servers.postgres import PostgresAddress

SECRET = "a secret of the matrix alone, and of no use elsewhere"
QUICK = (InstanceLimits(key_seconds=2), PdsLimits(access_seconds=DAY, blob_keep_seconds=DAY))
"""An Idempotency-Key is remembered for a moment only: from there on nothing but looking keeps a second copy away. What lasts an
hour or two elsewhere lasts longer here, where time hurries."""
COLOURS = ("teal", "orange", "plum", "olive", "navy", "salmon", "gold", "sienna", "pink", "gray")


@dataclass(slots=True)
class Sandbox:
    """Simulated platforms in a process of their own, without rate limits; spoken to through their control API."""

    url: str
    child: Child

    @classmethod
    def start(cls, folder: Path, began: float) -> "Sandbox":
        """Returns when it takes connections."""
        told = folder / "sandbox.url"
        told.unlink(missing_ok=True)

        def run() -> None:
            world = World(Limits.named("none").having(*QUICK), clock=world_time(began))
            uvloop.run(serve(world, ready=lambda url: _tell(told, url)))

        child = fork(run, folder / "sandbox")
        return cls(_told(told), child)

    def add_account(self, platform: str, handle: str) -> dict[str, Any]:
        """What the control API shows of a new one."""
        shown: dict[str, Any] = self._ask("POST", "/control/accounts", {"platform": platform, "handle": handle})
        return shown

    def plan(self, **fault: Any) -> str | None:
        """Plans a mishap. None, or why there can be none such."""
        told = self._ask("POST", "/control/faults", {name: value for name, value in fault.items() if value is not None})
        return told.get("problem")

    def clear_faults(self) -> None:
        """Forgets what mishaps are planned still."""
        self._ask("DELETE", "/control/faults")

    def requests(self) -> list[dict[str, Any]]:
        """The log of the last requests."""
        told: list[dict[str, Any]] = self._ask("GET", "/control/requests")["requests"]
        return told

    def ledger(self, platform: str) -> list[LedgerEntry]:
        """What took effect."""
        entries = self._ask("GET", f"/control/ledger?platform={platform}")["entries"]
        return [LedgerEntry(**{_snake(name): value for name, value in one.items()} | {"platform": Platform(platform)}) for one in entries]  # fmt: skip

    def stop(self) -> None:
        """Ends it."""
        self.child.kill()

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        try:
            sent = None if body is None else json.dumps(body).encode()
            connection.request(method, path, sent, {"content-type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def start_files(folder: Path, media: Path) -> tuple[str, Child]:
    """The part of Hayon's web that platforms see: files at their signed addresses; and a page with a picture to link to."""
    told = folder / "files.url"
    store = LocalFolder(media, Vault([SECRET]))

    async def file(request: Request) -> Response:
        served = await store.serve(request.path_params["token"], datetime.now(UTC))
        stream: AsyncIterator[bytes] = served.stream
        return StreamingResponse(stream, media_type=served.mime, headers={"content-length": str(served.size)})

    async def page(request: Request) -> Response:
        picture = f"{request.base_url}picture.png"
        return HTMLResponse(f'<title>A page</title><meta property="og:image" content="{picture}">')

    async def picture(_: Request) -> Response:
        return Response((folder / "thumb.png").read_bytes(), media_type="image/png")

    def run() -> None:
        routes = [Route("/media/files/{token}", file), Route("/page", page), Route("/picture.png", picture)]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_config=None, lifespan="off", access_log=False)
        listener = config.bind_socket()
        _tell(told, f"http://127.0.0.1:{listener.getsockname()[1]}")
        uvloop.run(uvicorn.Server(config).serve([listener]))

    child = fork(run, folder / "files")
    return _told(told), child


def draw_files(folder: Path) -> None:
    """The pictures and the video that posts hold: three seconds, upright, as every platform takes them."""
    for number, colour in enumerate(COLOURS, 1):
        Image.new("RGB", (640, 640), colour).save(folder / f"square-{number}.jpg", "JPEG")
    Image.new("RGB", (64, 64), "teal").save(folder / "thumb.png", "PNG")
    (folder / "film.mp4").write_bytes(film(size=(540, 960), frames=100, rate=30))


@dataclass(frozen=True, slots=True)
class Databases:
    """Where groups get a migrated database of their own; `postgres` None: SQLite. `version` is that of the server or library."""

    kind: str
    version: str
    template: str
    postgres: PostgresAddress | None = None

    @classmethod
    def prepare(cls, kind: str, folder: Path, postgres: PostgresAddress | None) -> "Databases":
        """Makes the template that the groups' databases are copies of."""
        template = str(folder / "template.db") if postgres is None else postgres.create_database()
        url = f"sqlite:///{template}" if postgres is None else postgres.url(template)

        async def migrated() -> str:
            await migrate(url)
            database = Database(url)
            try:
                version = sa.text("SELECT sqlite_version()" if postgres is None else "SHOW server_version")
                return str(await database.read(lambda tx: tx.value(version))).split()[0]
            finally:
                await database.close()

        version = fork(lambda: asyncio.run(migrated()), folder / f"migrate-{kind}").wait(60)
        return cls(kind, version, template, postgres)

    def make(self, folder: Path) -> str:
        """The URL of a new one."""
        if self.postgres is None:
            shutil.copyfile(self.template, folder / "hayon.db")
            return f"sqlite:///{folder / 'hayon.db'}"
        return self.postgres.url(self.postgres.create_database(template=self.template))

    def drop(self, url: str) -> None:
        """Throws one away."""
        if self.postgres is not None:
            self.postgres.drop_database(url.rsplit("/", 1)[1])


def _tell(path: Path, url: str) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(url, encoding="utf-8")
    unfinished.rename(path)


def _told(path: Path, within_seconds: float = 30) -> str:
    deadline = time.monotonic() + within_seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing was told in {path}")
        time.sleep(0.005)
    return path.read_text(encoding="utf-8")


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
