"""The routes of connections: the way to an account by the platform's own page, for programs. Its pages are beside this file."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import Field, RootModel

from hayon.connecting import Begun, Connection, Stage
from hayon.store import accounts as account_rows
from hayon.web.accounts import AccountOut, account_out, require_platform
from hayon.web.auth import Caller, MayConnect, MayRead, digest
from hayon.web.desk import Desk, TheDesk
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Flag, Given, Moment, Text, Word

router = APIRouter(prefix="/api", tags=["accounts"])

ConnectionId = Annotated[UUID, Path(alias="connectionId")]
PlatformWord = Annotated[str, Path(max_length=50, description="The platform's word.")]


class Wanted(RootModel[Annotated[dict[Word, Flag | Annotated[Text, Field(max_length=4_000)]], Field(max_length=20)]]):
    """What has to be known before. mastodon: instanceUrl; the others need nothing.

    facebook may have businesses (true: also Pages that belong to a business portfolio), tumblr a way (oauth2, or oauth1 whose
    tokens do not run out).
    """


class BegunOut(Answered):
    """Where a person has to go with a browser, and until when they may come back."""

    connection_id: UUID
    url: str
    expires_at: Moment


class ChoiceOut(Answered):
    """An account that can be chosen. `connected`: it is one of yours already, and would be reconnected."""

    remote_id: str
    handle: str
    display_name: str
    connected: bool


class ConnectionOut(Answered):
    """How far a connection has come. `message` says why it ended without an account, where it did.

    `onlyOne`: no more than one of the choices can be connected by this consent; begin again for the next.
    """

    connection_id: UUID
    platform: str
    status: Stage
    message: str
    expires_at: Moment
    choices: list[ChoiceOut]
    only_one: bool
    account_ids: list[UUID]


class Chosen(Given):
    """Those of the choices that shall be connected."""

    remote_ids: Annotated[list[Annotated[Text, Field(max_length=1_000)]], Field(min_length=1, max_length=200)]


class ChosenOut(Answered):
    """The accounts that were connected."""

    accounts: list[AccountOut]


@router.post("/accounts/{platform}/connect", status_code=201, responses=refusals(401, 403))
async def begin_connection(
    platform: PlatformWord, me: MayConnect, desk: TheDesk, request: Request, given: Wanted | None = None
) -> BegunOut:
    """Begins a connection by the platform's own page: a person has ten minutes to go there and let Hayon in."""
    begun = await begin(desk, me, request, platform, given.root if given else {})
    return BegunOut(connection_id=begun.connection_id, url=begun.url, expires_at=begun.expires_at)


@router.get("/connections/{connectionId}", responses=refusals(401, 403, 404))
async def get_connection(connection_id: ConnectionId, me: MayRead, desk: TheDesk) -> ConnectionOut:
    """How far a connection has come, with the accounts to choose from where there are several."""
    found = await desk.hayon.connecting.get(me.person.id, connection_id)
    return ConnectionOut(
        connection_id=found.id, platform=found.platform, status=found.stage, message=found.message,
        expires_at=found.expires_at, choices=await list_choices(desk, me, found), only_one=found.only_one,
        account_ids=list(found.account_ids),
    )  # fmt: skip


@router.post("/connections/{connectionId}", responses=refusals(401, 403, 404, 409))
async def choose_accounts(connection_id: ConnectionId, given: Chosen, me: MayConnect, desk: TheDesk) -> ChosenOut:
    """Connects those of the choices that are named; the others are forgotten."""
    chosen = await desk.hayon.connecting.choose(me.person.id, connection_id, given.remote_ids)
    return ChosenOut(accounts=[account_out(desk, account) for account in chosen])


async def begin(desk: Desk, me: Caller, request: Request, platform: str, given: Mapping[str, str | bool]) -> Begun:
    """Begins a connection, bound to the session that asks where one does. Raises Invalid."""
    require_platform(desk, platform)
    session_hash = None if me.token is None else digest(me.token)
    address = redirect_address(desk, request, platform)
    return await desk.hayon.connecting.begin(me.person.id, platform, given, address, session_hash)


async def list_choices(desk: Desk, me: Caller, found: Connection) -> list[ChoiceOut]:
    """The choices of a connection, without their secrets."""
    mine = await desk.hayon.database.read(account_rows.list_accounts, me.person.id)
    known = {(one.platform, one.host, one.remote_id) for one in mine}
    return [
        ChoiceOut(
            remote_id=one.remote_id, handle=one.handle, display_name=one.display_name,
            connected=(found.platform, one.host, one.remote_id) in known,
        )
        for one in found.choices
    ]  # fmt: skip


def ways(desk: Desk, request: Request, platform: str) -> dict[str, Any]:
    """How this platform is connected, as `GET /api/platforms` tells it."""
    obstacle = desk.hayon.connecting.find_obstacle(platform)
    return {
        "credentials": True, "page": obstacle is None, "message": obstacle.message if obstacle else "",
        "redirectAddress": redirect_address(desk, request, platform),
    }  # fmt: skip


def redirect_address(desk: Desk, request: Request, platform: str) -> str:
    """Where a platform's page sends people back to: what has to be registered there.

    Where no public address is set it is the one that this very request came to: the session's cookie is good for no other.
    """
    public_url = desk.hayon.settings.public_url or str(request.base_url)
    return f"{public_url.rstrip('/')}/api/accounts/{platform}/callback"
