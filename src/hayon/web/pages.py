"""The plain pages around posts: set up, sign in, the front page, connect accounts. They work without scripts."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from hayon.errors import Invalid, Mistake, TooMany, Unauthenticated
from hayon.store import accounts as account_rows
from hayon.store import users
from hayon.web import accounts, auth, people
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_connecting import SENT, SHOWN_AGAIN, connect_forms
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, shape
from hayon.web.pages_inside import go, show, unknown_button
from hayon.web.pages_posts import show_home
from hayon.web.rendering import render

router = APIRouter(route_class=PageRoute, include_in_schema=False)

AccountId = Annotated[UUID, Path(alias="accountId")]
Told = Annotated[str, Query(max_length=20)]


@router.get("/")
async def front(
    request: Request, desk: TheDesk, told: Told = "", cursor: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """The posts of whoever is signed in; for others the door."""
    me = await auth.find_caller(request, desk)
    if me is None or me.token is None:
        return await _door(desk)
    return await show_home(desk, me, told=told, cursor=cursor)


@router.get("/register")
async def registering(desk: TheDesk) -> Response:
    """The form for somebody new."""
    return await _door(desk, registering=True)


@router.post("/register")
async def register(request: Request, desk: TheDesk, form: TheForm) -> Response:
    """Registers somebody and lets them in."""
    auth.refuse_foreign_page(request, desk)
    try:
        given = shape(people.Registering, {"email": form.text("email"), "password": form.text("password"),
                                           "timezone": form.text("timezone") or "UTC"})  # fmt: skip
        password = given.password.get_secret_value()
        _, token = await people.register_person(desk, request, given.email, password, "", given.timezone)
    except Mistake as error:
        return await _door(desk, registering=True, form=form, error=error)
    return _let_in(desk, token)


@router.post("/login")
async def sign_in(request: Request, desk: TheDesk, form: TheForm) -> Response:
    """Lets somebody in."""
    auth.refuse_foreign_page(request, desk)
    try:
        given = shape(people.SigningIn, {"email": form.text("email"), "password": form.text("password")})
        _, token = await people.sign_person_in(desk, request, given.email, given.password.get_secret_value())
    except (Invalid, Unauthenticated, TooMany) as error:
        return await _door(desk, form=form, error=error)
    return _let_in(desk, token)


@router.post("/logout")
async def sign_out(me: Sender, desk: TheDesk) -> Response:
    """Ends the session."""
    await desk.hayon.database.write(users.close_session, auth.digest(me.token or ""))
    answer = go("/")
    auth.drop_cookie(answer, desk)
    return answer


@router.get("/accounts")
async def show_accounts(me: Visitor, desk: TheDesk, told: Told = "") -> Response:
    """The connected accounts, and the forms to connect more."""
    return await _accounts(desk, me, told=told)


@router.post("/accounts")
async def connect(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Connects an account with credentials in hand."""
    given = {name: form.text(name).strip() for name in SENT if form.text(name).strip()}
    try:
        shaped = shape(accounts.Credentials, given)
        await accounts.connect(desk, me.person.id, form.text("platform"), shaped.root)
    except Invalid as error:
        return await _accounts(desk, me, form=form, problems=error.problems, status=422)
    return go("/accounts?told=connect")


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
            await database.write(account_rows.disconnect, user_id, account_id)
        case _:
            raise Invalid([unknown_button(wish)])
    return go(f"/accounts?told={wish}")


async def _door(
    desk: Desk, *, registering: bool = False, form: Form | None = None, error: Mistake | None = None
) -> Response:
    first = not await desk.hayon.database.read(users.anybody_registered)
    is_open = desk.hayon.settings.registration == "open"
    problems = [one.message for one in error.problems] if isinstance(error, Invalid) else [str(error)] if error else []
    page = render(
        "front.html", first=first, is_open=is_open, registering=first or (registering and (is_open or bool(error))),
        problems=problems, email=form.text("email")[:254] if form else "",
        timezone=(form.text("timezone")[:64] if form else "") or "UTC",
    )  # fmt: skip
    return HTMLResponse(page, error.status if error else 200)


async def _accounts(
    desk: Desk, me: Caller, *, told: str = "", form: Form | None = None, problems: Any = (), status: int = 200
) -> Response:
    mine = (await accounts.list_accounts(me, desk)).accounts
    typed = {name: form.text(name)[:300] if form else "" for name in SHOWN_AGAIN}
    return await show(
        desk, me, "accounts.html", told=told, heading="Not connected", problems=problems, status=status,
        here="accounts", accounts=mine, forms=connect_forms(desk.hayon.settings, typed),
    )  # fmt: skip


def _let_in(desk: Desk, token: str) -> Response:
    answer = go("/")
    auth.set_cookie(answer, desk, token)
    return answer
