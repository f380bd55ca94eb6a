"""The page of one's own settings: name and time zone, e-mail address, password, sessions. It works without scripts."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from hayon.errors import Conflict, Forbidden, Invalid, Mistake, NotFound, TooMany
from hayon.store import sessions
from hayon.web import auth, people
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, shape
from hayon.web.pages_inside import go, problems_of, show, unknown_button

router = APIRouter(route_class=PageRoute, include_in_schema=False)

BROWSERS = (("Firefox/", "Firefox"), ("Edg", "Edge"), ("OPR/", "Opera"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip
"""What browsers call themselves, the more telling word first: most of them name others, too."""
SHOWN_AGAIN = ("name", "timezone", "email")


@router.get("/settings")
async def show_settings(me: Visitor, desk: TheDesk, told: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Everything about whoever is signed in."""
    return await _settings(desk, me, told=told)


@router.post("/settings/profile")
async def keep_profile(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Another name or time zone."""
    given = {"name": form.text("name"), "timezone": form.text("timezone").strip()}
    return await _try(desk, me, form, lambda: _change(desk, me, given), told="profile")


@router.post("/settings/email")
async def change_email(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Another e-mail address."""
    given = {"email": form.text("email"), "password": form.text("password")}
    return await _try(desk, me, form, lambda: _change(desk, me, given), told="email")


@router.post("/settings/password")
async def change_password(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Another password."""

    async def change() -> None:
        given = shape(
            people.PasswordChange, {"password": form.text("password"), "newPassword": form.text("newPassword")}
        )
        await people.change_password(
            desk, me, given.password.get_secret_value(), given.new_password.get_secret_value()
        )  # fmt: skip

    return await _try(desk, me, form, change, told="password")


@router.post("/settings/sessions")
async def end_sessions(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Ends one session, all others, or all."""
    wish, database = form.text("do"), desk.hayon.database
    if wish == "everywhere":
        await database.write(sessions.close_all, me.person.id)
        answer = go("/")
        auth.drop_cookie(answer, desk)
        return answer

    async def end() -> None:
        if wish == "others":
            await database.write(sessions.close_all, me.person.id, but=me.session_id)
        else:
            await database.write(sessions.close_one, me.person.id, _id_of(wish))

    return await _try(desk, me, form, end, told="sessions")


def name_browser(agent: str) -> str:
    """What a session's browser is called, as in "Firefox on Linux"; else what it says of itself."""
    browser = next((name for word, name in BROWSERS if word in agent), "")
    system = next((name for word, name in SYSTEMS if word in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return agent or "A browser that does not say its name"


async def _change(desk: Desk, me: Caller, given: dict[str, str]) -> None:
    await people.change_person(desk, me, shape(people.PersonPatch, given))


async def _try(desk: Desk, me: Caller, form: Form, work: Callable[[], Awaitable[None]], *, told: str) -> Response:
    """Does it and says so, or shows the page with what stands in its way."""
    try:
        await work()
    except (Invalid, Conflict, Forbidden, NotFound, TooMany) as error:
        return await _settings(desk, me, form=form, error=error)
    return go(f"/settings?told={told}")


async def _settings(
    desk: Desk, me: Caller, *, told: str = "", form: Form | None = None, error: Mistake | None = None
) -> Response:
    current = {"name": me.person.name, "timezone": me.person.timezone, "email": me.person.email}
    typed = {
        name: form.text(name)[:300] if form is not None and name in form.fields else current[name] for name in SHOWN_AGAIN
    }  # fmt: skip
    return await show(
        desk, me, "settings.html", told=told, heading="Not changed", problems=problems_of(error),
        status=error.status if error else 200, here="settings", typed=typed,
        sessions=(await people.list_sessions(me, desk)).sessions, name_browser=name_browser,
    )  # fmt: skip


def _id_of(wish: str) -> UUID:
    try:
        return UUID(wish)
    except ValueError as error:
        raise Invalid([unknown_button(wish)]) from error
