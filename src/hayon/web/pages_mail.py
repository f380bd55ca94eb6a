"""The page on which people choose which notices they get by mail; each such mail leads here. It works without scripts."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from hayon.errors import Conflict, Invalid, Mistake, TooMany
from hayon.web import notices
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import PageRoute, Sender, TheForm, Visitor
from hayon.web.pages_inside import go, problems_of, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/settings/mail")
async def show_mail(me: Visitor, desk: TheDesk, told: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Every kind of notice, and whether it is mailed."""
    return await _page(desk, me, told=told)


@router.post("/settings/mail")
async def choose_mail(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Which kinds are mailed from now on; or a mail to see whether mails arrive."""
    test = form.text("do") == "test"
    try:
        if test:
            await notices.test_mail(me, desk)
        else:
            await notices.choose(desk, me.person.id, form.texts("mailed"))
    except (Invalid, Conflict, TooMany) as error:
        return await _page(desk, me, error=error)
    return go(f"/settings/mail?told={'mail-test' if test else 'mail'}")


async def _page(desk: Desk, me: Caller, *, told: str = "", error: Mistake | None = None) -> Response:
    known = await notices.list_kinds(me, desk)
    return await show(
        desk, me, "mail.html", told=told, heading="Not done", problems=problems_of(error),
        status=error.status if error else 200, here="settings", kinds=known.kinds, sends_mail=known.sends_mail, address=known.address,
    )  # fmt: skip
