"""What is true of the whole house: the platforms' rules, notices, and the addresses that machines ask for its health."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hayon import __version__
from hayon.errors import Forbidden, NotFound, Unauthenticated
from hayon.store import notices, users
from hayon.web.auth import Me, find_caller, is_loopback
from hayon.web.desk import TheDesk
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Moment

router = APIRouter(tags=["operations"])


class Platforms(Answered):
    """The platforms there are, and what each takes. An account may have limits of its own: see its `rules`."""

    platforms: list[dict[str, Any]]


class NoticeOut(Answered):
    """Something you shall know."""

    notice_id: UUID
    kind: str
    message: str
    post_id: UUID | None
    target_id: UUID | None
    created_at: Moment
    read_at: Moment | None


class Notices(Answered):
    """Notices, the newest first."""

    notices: list[NoticeOut]


class Health(Answered):
    """That this process is alive, or ready."""

    status: str
    version: str


@router.get("/api/platforms", responses=refusals(401))
async def list_platforms(_me: Me, desk: TheDesk) -> Platforms:
    """The rules of each platform as data: limits, kinds of media, options."""
    return Platforms(platforms=[platform.rules({}).as_json() for _, platform in sorted(desk.hayon.platforms.items())])


@router.get("/api/notices", responses=refusals(401))
async def list_notices(
    me: Me, desk: TheDesk, unread: bool = False, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> Notices:
    """What you shall know: posts that ended, questions only a person can answer."""
    rows = await desk.hayon.database.read(notices.list_notices, me.person.id, unread_only=unread, limit=limit)
    return Notices(
        notices=[
            NoticeOut(
                notice_id=row.id, kind=row.kind, message=row.message, post_id=row.post_id, target_id=row.target_id,
                created_at=row.created_at, read_at=row.read_at,
            )
            for row in rows
        ]
    )  # fmt: skip


@router.post("/api/notices/{noticeId}/read", status_code=204, responses=refusals(401, 403, 404))
async def read_notice(notice_id: Annotated[UUID, Path(alias="noticeId")], me: Me, desk: TheDesk) -> None:
    """You have read it."""
    if not await desk.hayon.database.write(notices.mark_read, me.person.id, notice_id):
        raise NotFound("There is no such notice.")


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
async def metrics(request: Request, desk: TheDesk) -> Response:
    """Metrics for Prometheus: to programs on this machine, and to an admin's key."""
    if not is_loopback(request, desk.hayon.settings.trusted_proxies):
        caller = await find_caller(request, desk)
        if caller is None:
            raise Unauthenticated("Metrics are shown to programs on this machine and to an admin's API key.")
        if not caller.person.is_admin:
            raise Forbidden("Metrics are shown to the admin.")
    return Response(await desk.hayon.vitals.show(), media_type=CONTENT_TYPE_LATEST)
