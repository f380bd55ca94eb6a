"""The way to a new password for somebody who has forgotten theirs: by a link that is mailed, or that the operator hands over."""

import asyncio
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import Field

from hayon.domain.notices import PASSWORD_RESET
from hayon.errors import Conflict
from hayon.store import leaving, sessions, tries, users
from hayon.store.database import Tx
from hayon.web import auth
from hayon.web.auth import FromNoForeignPage
from hayon.web.desk import Desk, TheDesk
from hayon.web.people import NewPassword, take_password
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Given, Text
from hayon.wiring import public_address

router = APIRouter(prefix="/api", tags=["people"])

ASKS, ASKS_REFILL = 3, timedelta(minutes=20)
"""How often a link for one account may be asked for; counted in the database, whether the account is there or not."""
TAKES_SECONDS = 0.5
"""How long asking takes: longer than all that is done for somebody who is known, so that the time tells nothing."""
NO_MAIL = (
    "This Hayon sends no mail, so no link can be sent. Ask whoever runs it: "
    "`hayon people reset-password <e-mail address>` prints one."
)
SENT = "If somebody has registered with this address, a link to a new password is on its way to it. It is good for an hour."
SET = "Your new password is set, and you are signed out everywhere. API keys still open what they did."


class Forgotten(Given):
    """Whose password is to be set anew."""

    email: Annotated[Text, Field(max_length=254)]


class Reset(Given):
    """The token that stands in the link, and the password as it shall be."""

    token: Annotated[Text, Field(min_length=1, max_length=200)]
    password: NewPassword


class ResetTold(Answered):
    """What happens next."""

    message: str


@router.post("/auth/forgot", status_code=202, responses=refusals(403, 409, 429))
async def forgot(given: Forgotten, request: Request, desk: TheDesk, _page: FromNoForeignPage) -> ResetTold:
    """Mails a link to a new password, where somebody has this address. Nobody is told whether that is so."""
    await ask_for_reset(desk, request, given.email)
    return ResetTold(message=SENT)


@router.post("/auth/reset", responses=refusals(403, 404, 429))
async def reset(given: Reset, request: Request, desk: TheDesk, _page: FromNoForeignPage) -> ResetTold:
    """Sets a new password by the token of such a link. Every session ends, and every other such link."""
    await set_by_reset(desk, request, given.token, given.password.get_secret_value())
    return ResetTold(message=SET)


async def ask_for_reset(desk: Desk, request: Request, email: str) -> None:
    """Writes down that a link is to be mailed, if this address is somebody's. Raises TooMany, and Conflict without mail.

    What it does and how long it takes looks the same for everybody: one transaction that counts the try, and a time
    that is up only after all of it.
    """
    if not desk.hayon.database.mailing:
        raise Conflict(NO_MAIL)
    desk.tries_per_address.take(auth.counted_address(request, desk))
    email, token = email.strip().lower(), auth.new_token()
    link = reset_link(public_address(desk.hayon.settings), token)

    def work(tx: Tx) -> None:
        tries.take(tx, f"forgot {email}", count=ASKS, refill=ASKS_REFILL)
        known = users.find_by_email(tx, email)
        if known is not None and not known[0].disabled:
            sessions.open_reset(tx, known[0].id, auth.digest(token))
            seal = desk.hayon.vault.seal
            leaving.insert_mail(
                tx, known[0].id, PASSWORD_RESET, seal=lambda context: seal({"link": link}, context)
            )  # fmt: skip

    await asyncio.gather(desk.hayon.database.write(work), asyncio.sleep(TAKES_SECONDS))


async def set_by_reset(desk: Desk, request: Request, token: str, password: str) -> None:
    """Sets a new password. Raises NotFound where the token is spent, and TooMany."""
    desk.tries_per_address.take(auth.counted_address(request, desk))
    # asked here only to save the work of hashing; it counts in the transaction
    await desk.hayon.database.read(sessions.find_reset, auth.digest(token))
    hashed = await desk.passwords.hash(password)

    def work(tx: Tx) -> None:
        take_password(tx, sessions.use_reset(tx, auth.digest(token)), hashed)

    await desk.hayon.database.write(work)


def reset_link(address: str, token: str) -> str:
    """The link by which somebody sets a new password, at this address of ours."""
    return f"{address}/reset?token={quote(token)}"
