"""The page on which an admin looks after people: who is here, who is an admin, who is shut out. It works without scripts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from hayon.errors import Conflict, Invalid, Mistake
from hayon.web import everybody
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.everybody import Decision
from hayon.web.pages_form import AdminSender, AdminVisitor, PageRoute, TheForm, shape
from hayon.web.pages_inside import go, problems_of, show, unknown_button

router = APIRouter(route_class=PageRoute, include_in_schema=False)

WISHES = {
    "person-admin": {"isAdmin": True}, "person-plain": {"isAdmin": False}, "person-out": {"disabled": True},
    "person-in": {"disabled": False},
}  # fmt: skip


@router.get("/settings/people")
async def show_people(me: AdminVisitor, desk: TheDesk, told: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Everybody, in the order in which they came."""
    return await _people(desk, me, told=told)


@router.post("/settings/people/{personId}")
async def decide(
    person_id: Annotated[UUID, Path(alias="personId")], me: AdminSender, desk: TheDesk, form: TheForm
) -> Response:
    """Makes somebody an admin, shuts somebody out, or takes either back."""
    wish = form.text("do")
    if wish not in WISHES:
        raise Invalid([unknown_button(wish)])
    try:
        await everybody.decide_person(person_id, shape(Decision, WISHES[wish]), me, desk)
    except Conflict as error:
        return await _people(desk, me, error=error)
    myself = person_id == me.person.id
    if myself and wish == "person-out":
        return go("/")
    return go("/settings" if myself and wish == "person-plain" else f"/settings/people?told={wish}")


async def _people(desk: Desk, me: Caller, *, told: str = "", error: Mistake | None = None) -> Response:
    known = await everybody.list_people(me, desk)
    return await show(
        desk, me, "people.html", told=told, heading="Not changed", problems=problems_of(error),
        status=error.status if error else 200, here="settings", people=known.people,
        registration=desk.hayon.settings.registration,
    )  # fmt: skip
