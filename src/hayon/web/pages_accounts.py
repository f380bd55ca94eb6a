"""The pages of accounts: connect one by the platform's page or with credentials, choose, decide. They work without scripts."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.routing import APIRoute

from hayon.accounts import Fate
from hayon.connecting import Connection, Stage
from hayon.errors import DatabaseUnreachable, Invalid, Mistake, NotFound, Problem
from hayon.store import accounts as account_rows
from hayon.store.connections import REFUSALS, NoWayBack
from hayon.web import accounts, connecting
from hayon.web.auth import Caller, InPerson, digest
from hayon.web.connecting import Chosen, ConnectionId, PlatformWord, Wanted
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_connecting import SENT, SHOWN_AGAIN, connect_forms, page_way
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, shape
from hayon.web.pages_inside import go, show, unknown_button
from hayon.web.pages_left import list_left
from hayon.web.pages_view import PLATFORM_NAMES
from hayon.web.problems import answer_page
from hayon.web.steps import find_steps

router = APIRouter(route_class=PageRoute, include_in_schema=False)

AccountId = Annotated[UUID, Path(alias="accountId")]
Told = Annotated[str, Query(max_length=20)]
NOT_CONNECTED = "Not connected"
MOST_RETURNED, LONGEST_NAME, LONGEST_RETURNED = 20, 100, 4_000
"""How much a platform may send along with somebody who comes back."""


@router.get("/accounts")
async def show_accounts(
    me: Visitor, desk: TheDesk, request: Request, told: Told = "", connection: UUID | None = None
) -> Response:
    """The connected accounts, and the ways to connect more. `connection`: one that ended without an account, to say why."""
    problems = [Problem("state", told, REFUSALS[why])] if (why := told.removeprefix("way-")) in REFUSALS else []
    if connection is not None:
        with suppress(NotFound):
            ended = await desk.hayon.connecting.get(me.person.id, connection)
            problems = [Problem("connection", str(ended.stage), ended.message)] if ended.message else []
    return await _accounts(desk, me, request, told=told, problems=problems)


@router.post("/accounts")
async def connect(me: Sender, desk: TheDesk, form: TheForm, request: Request) -> Response:
    """Connects an account with credentials in hand."""
    given = {name: form.text(name).strip() for name in SENT if form.text(name).strip()}
    try:
        shaped = shape(accounts.Credentials, given)
        await accounts.connect(desk, me.person.id, form.text("platform"), shaped.root)
    except Invalid as error:
        return await _accounts(desk, me, request, form=form, problems=error.problems, status=422)
    return go("/accounts?told=connect")


@router.post("/accounts/connect")
async def begin(me: Sender, desk: TheDesk, form: TheForm, request: Request) -> Response:
    """On to the platform's own page.

    By a page of ours and not by a redirect: browsers hold a form's redirects to our own policy (CSP, form-action 'self').
    """
    platform = form.text("platform")
    given = {name: form.text(name).strip() for name in SHOWN_AGAIN if form.text(name).strip()}
    try:
        begun = await connecting.begin(desk, me, request, platform, shape(Wanted, given).root)
    except Invalid as error:
        return await _accounts(desk, me, request, form=form, problems=error.problems, status=422)
    return await show(
        desk, me, "leaving.html", here="accounts", url=begun.url, name=PLATFORM_NAMES.get(platform, platform)
    )


@router.post("/accounts/{accountId}/decide")
async def decide_account(account_id: AccountId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Check, make the default, or disconnect."""
    wish = form.text("do")
    database, user_id = desk.hayon.database, me.person.id
    match wish:
        case "check":
            await desk.hayon.accounts.check(user_id, account_id)
        case "default":
            await database.write(account_rows.make_default, user_id, account_id)
        case "disconnect":
            _, fate = await desk.hayon.accounts.disconnect(user_id, account_id)
            wish = "disconnect" if fate is Fate.GIVEN_BACK else "disconnect-left"
        case _:
            raise Invalid([unknown_button(wish)])
    return go(f"/accounts?told={wish}")


class WayBack(APIRoute):
    """The route on which a platform sends people back: they see a page, whatever comes of it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own handler with its refusals turned into pages; nobody is sent to the front door without a word."""
        answer = super().get_route_handler()

        async def page(request: Request) -> Response:
            try:
                return await answer(request)
            except Mistake as error:
                told = "Sign in with this browser, and begin again." if error.status == 401 else str(error)
                return answer_page(request, error.status, error.title, told)
            except DatabaseUnreachable:
                message = "The database does not answer. Begin again in a moment."
                return answer_page(request, 503, "Not available right now", message)

        return page


async def come_back(platform: PlatformWord, me: InPerson, desk: TheDesk, request: Request) -> Response:
    """Somebody comes back from a platform's page. What they bring is good once, and only for who went there."""
    try:
        returned = _returned(request)
        session_hash = digest(me.token or "")
        found = await desk.hayon.connecting.finish(me.person.id, platform, session_hash, returned)
    except NoWayBack as error:
        return go(f"/accounts?told=way-{error.why}")
    return _on(found)


router.add_api_route("/api/accounts/{platform}/callback", come_back, methods=["GET"], route_class_override=WayBack)


@router.get("/connections/{connectionId}")
async def show_choices(connection_id: ConnectionId, me: Visitor, desk: TheDesk) -> Response:
    """The accounts to choose from; elsewhere where there is nothing to choose."""
    found = await desk.hayon.connecting.get(me.person.id, connection_id)
    return await _choices(desk, me, found) if found.stage is Stage.CHOOSING else _on(found)


@router.post("/connections/{connectionId}")
async def choose(connection_id: ConnectionId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Connects those that were chosen."""
    try:
        chosen = shape(Chosen, {"remoteIds": form.texts("remoteId")})
        await desk.hayon.connecting.choose(me.person.id, connection_id, chosen.remote_ids)
    except Invalid as error:
        found = await desk.hayon.connecting.get(me.person.id, connection_id)
        return await _choices(desk, me, found, problems=error.problems, status=422)
    return go("/accounts?told=connect")


def _returned(request: Request) -> dict[str, str]:
    """What the platform sent along. Raises NoWayBack for what no platform sends."""
    pairs = request.query_params.multi_items()
    returned = dict(pairs)
    short = all(len(name) <= LONGEST_NAME and len(value) <= LONGEST_RETURNED for name, value in pairs)
    # one meaning for each name (RFC 6749, section 3.1)
    if not short or len(pairs) > MOST_RETURNED or len(returned) != len(pairs):
        raise NoWayBack("unknown")
    return returned


def _on(found: Connection) -> Response:
    """Where a connection goes on."""
    match found.stage:
        case Stage.CHOOSING:
            return go(f"/connections/{found.id}")
        case Stage.CONNECTED:
            return go("/accounts?told=connect")
    return go(f"/accounts?connection={found.id}")


async def _choices(desk: Desk, me: Caller, found: Connection, *, problems: Any = (), status: int = 200) -> Response:
    return await show(
        desk, me, "choosing.html", problems=problems, status=status, here="accounts", connection=found,
        choices=await connecting.list_choices(desk, me, found), name=PLATFORM_NAMES.get(found.platform, found.platform),
    )  # fmt: skip


async def _accounts(
    desk: Desk, me: Caller, request: Request, *, told: str = "", form: Form | None = None, problems: Any = (),
    status: int = 200,
) -> Response:  # fmt: skip
    mine = await accounts.list_whole(desk, me.person.id)
    now = await desk.hayon.database.read(lambda tx: tx.now())
    typed = {name: form.text(name)[:300] if form else "" for name in SHOWN_AGAIN}
    typed["instanceUrl"] = typed["instanceUrl"] or desk.hayon.settings.mastodon_url
    ways = {
        platform: page_way(
            platform, desk.hayon.connecting.find_obstacle(platform),
            connecting.redirect_address(desk, request, platform), typed,
        )
        for platform in desk.hayon.platforms
    }  # fmt: skip
    return await show(
        desk, me, "accounts.html", told=told, heading=NOT_CONNECTED, problems=problems, status=status, here="accounts",
        accounts=mine, forms=connect_forms(desk.hayon.settings, typed), ways=ways,
        tried=form.text("platform") if form else "", fresh=told == "connect", steps=await find_steps(desk, me),
        left={one.account_id: list_left(one.allowances, me.person.timezone, now) for one in mine},
    )  # fmt: skip
