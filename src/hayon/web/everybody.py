"""The routes by which an admin looks after people: who is here, who is an admin, who is shut out."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path

from hayon.errors import NotFound
from hayon.store import users
from hayon.store.database import Tx
from hayon.web.auth import Admin
from hayon.web.desk import TheDesk
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Flag, Given, Moment

router = APIRouter(prefix="/api", tags=["people"])

PersonId = Annotated[UUID, Path(alias="personId")]


class PersonSeen(Answered):
    """Somebody as an admin sees them. `disabledAt`: since when they are shut out. `lastUsedAt`: of their open sessions."""

    id: UUID
    email: str
    name: str
    is_admin: bool
    created_at: Moment
    disabled_at: Moment | None
    last_used_at: Moment | None


class Everybody(Answered):
    """Everybody, in the order in which they came."""

    people: list[PersonSeen]


class Decision(Given):
    """What shall be different about somebody; what is left out stays."""

    is_admin: Flag | None = None
    disabled: Flag | None = None


@router.get("/people", responses=refusals(401, 403))
async def list_people(_admin: Admin, desk: TheDesk) -> Everybody:
    """Who has registered here, in the order in which they came; for the admin."""
    return Everybody(people=[_seen(row) for row in await desk.hayon.database.read(users.list_people)])


@router.patch("/people/{personId}", responses=refusals(401, 403, 404, 409))
async def decide_person(person_id: PersonId, given: Decision, _admin: Admin, desk: TheDesk) -> PersonSeen:
    """Makes somebody an admin, shuts somebody out, or takes either back; for the admin. What they planned goes out all the same."""

    def work(tx: Tx) -> PersonSeen:
        if given.is_admin is not None:
            users.set_admin(tx, person_id, is_admin=given.is_admin)
        if given.disabled is not None:
            users.set_disabled(tx, person_id, disabled=given.disabled)
        for row in users.list_people(tx):
            if row.id == person_id:
                return _seen(row)
        raise NotFound(users.NOBODY)

    return await desk.hayon.database.write(work)


def _seen(row: Any) -> PersonSeen:
    return PersonSeen(
        id=row.id, email=row.email, name=row.name, is_admin=row.is_admin, created_at=row.created_at,
        disabled_at=row.disabled_at, last_used_at=row.used_at,
    )  # fmt: skip
