"""What every page of somebody signed in shows beside its own matter: who they are, what they shall know, what needs them."""

from collections.abc import Sequence
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse, RedirectResponse

from hayon.errors import Invalid, Mistake, Problem
from hayon.store import accounts as account_rows
from hayon.store import notices
from hayon.store.database import Tx
from hayon.web import auth
from hayon.web.auth import Caller
from hayon.web.desk import Desk
from hayon.web.pages_view import render

UNREAD_SHOWN = 100
"""More unread notices than this are "99+"."""
ANSWERS = {
    "made": "Your post is taken in. Below you see what becomes of it.",
    "draft": "Kept as a draft.",
    "cancel": "What could be stopped is stopped; each account below says how it stands.",
    "retry": "It is being tried again.",
    "look": "It is looked up now.",
    "duplicate": "This is a copy, kept as a draft. Nothing is planned or published yet.",
    "duplicate-less": "This is a copy, kept as a draft. Accounts that are no longer connected, or files that are gone, are left out: check it before you publish.",
    "submit": "Your draft is on its way.",
    "delete": "It is deleted here. What was published stays on the platforms.",
    "resolve": "Thank you; that settles it.",
    "confirm": "It goes out as planned.",
    "again": "It is looked up once more, and sent again if it is really not there.",
    "connect": "The account is connected.",
    "check": "The account was asked; below is its answer.",
    "default": "That is the default now.",
    "profile": "Your name and time zone are kept.",
    "email": "Your e-mail address is changed. Sign in with it from now on.",
    "password": "Your password is changed, and other browsers are signed out. API keys still open what they did.",
    "sessions": "Signed out there.",
    "mail": "Your choice is kept.",
    "mail-test": "A test is on its way to you.",
    "file": "The file is here, and can be used in posts.",
    "file-deleted": "The file is deleted.",
    "key": "The key is deleted and opens nothing any more.",
    "notices": "They are marked as read.",
    "webhook": "Your webhook is kept.",
    "webhook-pause": "The webhook is turned off. What was waiting stays listed, to be sent again by hand.",
    "webhook-resume": "The webhook is on again.",
    "webhook-delete": "The webhook and its events are gone; nothing more is sent there.",
    "webhook-replay": "The event is sent once more.",
    "person-admin": "They are an administrator now.",
    "person-plain": "They are no administrator any more.",
    "person-out": "They are shut out: signed out everywhere, and their keys open nothing. What they planned goes out all the same.",
    "person-in": "They may come in again.",
    "disconnect": "The account is disconnected. What was not sent to it yet will fail.",
    "disconnect-left": "The account is disconnected. What was not sent to it yet will fail. Its credential may still be good: remove Hayon on the platform, among the apps that you allow.",
}


async def show(
    desk: Desk, me: Caller, page: str, *, told: str = "", heading: str = "", problems: Any = (), status: int = 200,
    **facts: Any,
) -> Response:  # fmt: skip
    """A page inside. `told` is a key of ANSWERS; `heading` stands above the problems."""
    if not heading:
        heading = "This does not fit yet" if len(problems) == 1 else f"{len(problems)} things do not fit yet"
    frame = await _frame(desk, me)
    shown = render(page, told=ANSWERS.get(told, ""), heading=heading, problems=problems, **frame, **facts)
    return HTMLResponse(shown, status)


def problems_of(error: Mistake | None) -> Sequence[Problem]:
    """What a page says of a refusal."""
    if error is None:
        return ()
    return error.problems if isinstance(error, Invalid) else [Problem("form", "refused", str(error))]


def unknown_button(wish: str) -> Problem:
    """The finding against a form that no page of ours has."""
    return Problem("do", "unknown", f"There is no such button: {wish[:50]!r}.")


def go(address: str) -> Response:
    """On to another page, after a form was taken."""
    return RedirectResponse(address, 303)


async def _frame(desk: Desk, me: Caller) -> dict[str, Any]:
    """What the templates of pages inside need."""

    def read(tx: Tx) -> dict[str, Any]:
        broken = [one for one in account_rows.list_accounts(tx, me.person.id) if one.needs_reconnection]
        unread = notices.count_unread(tx, me.person.id, most=UNREAD_SHOWN)
        return {"now": tx.now(), "broken": broken, "unread": unread}

    shown = await desk.hayon.database.read(read)
    return shown | {"person": me.person, "csrf": auth.csrf_token(me.token or "")}
