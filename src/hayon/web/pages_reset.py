"""The pages for whoever has forgotten their password: ask for a link, and set a new one by it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from hayon.errors import Invalid, Mistake, NotFound
from hayon.store import sessions
from hayon.web import auth, resets
from hayon.web.desk import TheDesk
from hayon.web.pages_form import PageRoute, TheForm, shape
from hayon.web.rendering import render

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/forgot")
async def forgot() -> Response:
    """The form that asks for a link."""
    return _page("forgot.html")


@router.post("/forgot")
async def ask(request: Request, desk: TheDesk, form: TheForm) -> Response:
    """Has a link mailed, where somebody has this address; says the same to everybody."""
    auth.refuse_foreign_page(request, desk)
    try:
        given = shape(resets.Forgotten, {"email": form.text("email")})
        await resets.ask_for_reset(desk, request, given.email)
    except Mistake as error:
        return _page("forgot.html", error, email=form.text("email")[:254])
    return _page("forgot.html", done=resets.SENT)


@router.get("/reset")
async def resetting(desk: TheDesk, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The form for a new password, for whoever has a link that is still good."""
    try:
        await desk.hayon.database.read(sessions.find_reset, auth.digest(token))
    except NotFound as error:
        return _page("reset.html", error, over=True)
    return _page("reset.html", token=token)


@router.post("/reset")
async def reset(request: Request, desk: TheDesk, form: TheForm) -> Response:
    """Sets the new password."""
    auth.refuse_foreign_page(request, desk)
    token = form.text("token")[:200]
    try:
        given = shape(resets.Reset, {"token": token, "password": form.text("password")})
        await resets.set_by_reset(desk, request, given.token, given.password.get_secret_value())
    except Mistake as error:
        return _page("reset.html", error, token=token, over=isinstance(error, NotFound))
    answer = _page("reset.html", done=resets.SET)
    auth.drop_cookie(answer, desk)
    return answer


def _page(
    page: str, error: Mistake | None = None, *, email: str = "", token: str = "", done: str = "", over: bool = False
) -> Response:
    problems = [one.message for one in error.problems] if isinstance(error, Invalid) else [str(error)] if error else []
    shown = render(page, problems=problems, email=email, token=token, done=done, over=over)
    return HTMLResponse(shown, error.status if error else 200)
