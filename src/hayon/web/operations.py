"""What is true of the whole house: the platforms' rules, and the addresses that machines ask for its health."""

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hayon import __version__
from hayon.store import users
from hayon.web import connecting
from hayon.web.auth import AdminOrMachine, MayRead
from hayon.web.desk import TheDesk
from hayon.web.problems import refusals
from hayon.web.wire import Answered

router = APIRouter(tags=["operations"])


class Platforms(Answered):
    """The platforms there are, what each takes, and how it is connected. An account may have limits of its own: see its `rules`.

    `connecting`: `page` says whether people can be sent to the platform's own page, and `message` what to do where they
    cannot; `redirectAddress` is where they come back to, to be registered there.
    """

    platforms: list[dict[str, Any]]


class Health(Answered):
    """That this process is alive, or ready."""

    status: str
    version: str


@router.get("/api/platforms", responses=refusals(401, 403))
async def list_platforms(_me: MayRead, desk: TheDesk, request: Request) -> Platforms:
    """The rules of each platform as data: limits, kinds of media, options; and how it is connected."""
    return Platforms(
        platforms=[
            platform.rules({}).as_json() | {"connecting": connecting.ways(desk, request, word)}
            for word, platform in sorted(desk.hayon.platforms.items())
        ]
    )


@router.get("/healthz")
async def alive() -> Health:
    """This process is alive."""
    return Health(status="alive", version=__version__)


@router.get("/readyz", responses=refusals())
async def ready(desk: TheDesk) -> Health:
    """The database answers, so requests can be met."""
    await desk.hayon.database.read(users.anybody_registered)
    return Health(status="ready", version=__version__)


@router.get(
    "/metrics",
    response_model=None,
    responses=refusals(401, 403)
    | {200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(_watcher: AdminOrMachine, desk: TheDesk) -> Response:
    """Metrics for Prometheus: to programs on this machine, and to an admin's key."""
    return Response(await desk.hayon.vitals.show(), media_type=CONTENT_TYPE_LATEST)
