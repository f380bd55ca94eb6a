"""The front door: set up, register, sign in and out; behind it the list of posts. Nothing of a post is decided here."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from hayon.errors import Forbidden, Invalid, Mistake, TooMany, Unauthenticated
from hayon.store import sessions, users
from hayon.web import auth, people
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_browsing import show_list
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, shape
from hayon.web.pages_inside import go
from hayon.web.rendering import render

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Told = Annotated[str, Query(max_length=20)]


@router.get("/")
async def front(request: Request, desk: TheDesk, told: Told = "") -> Response:
    """The posts of whoever is signed in; for others the door."""
    me = await auth.find_caller(request, desk)
    if me is None or me.token is None:
        return await _door(desk)
    return await show_list(desk, me, request, told)


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
    except (Forbidden, Invalid, Unauthenticated, TooMany) as error:
        return await _door(desk, form=form, error=error)
    return _let_in(desk, token)


@router.post("/logout")
async def sign_out(me: Sender, desk: TheDesk) -> Response:
    """Ends the session."""
    await desk.hayon.database.write(sessions.close_session, auth.digest(me.token or ""))
    answer = go("/")
    auth.drop_cookie(answer, desk)
    return answer


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


def _let_in(desk: Desk, token: str) -> Response:
    answer = go("/")
    auth.set_cookie(answer, desk, token)
    return answer
