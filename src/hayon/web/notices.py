"""The routes of notices: list, read, and which of them are mailed. What they mean stands in domain/notices.py."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hayon.domain.notices import KINDS, MAIL_TEST
from hayon.errors import Conflict, Invalid, NotFound, Problem
from hayon.store import leaving, notices, tries
from hayon.store.database import Tx
from hayon.web.auth import MayKeepNotices, MayRead
from hayon.web.desk import Desk, TheDesk
from hayon.web.paging import Cursor, read_cursor, write_cursor
from hayon.web.problems import refusals
from hayon.web.wire import LIST_LIMIT, Answered, Given, Moment, Word

router = APIRouter(prefix="/api/notices", tags=["notices"])

TESTS, TESTS_REFILL = 3, timedelta(minutes=10)
"""How often somebody may have a test mailed to themselves."""
NO_MAIL = "This Hayon sends no mail: whoever runs it can set HAYON_SMTP_URL."

Kinds = Annotated[list[Word], Field(max_length=LIST_LIMIT)]


class NoticeOut(Answered):
    """Something you shall know. `facts` hold the same for programs: what depends on the kind."""

    notice_id: UUID
    kind: str
    message: str
    post_id: UUID | None
    target_id: UUID | None
    facts: dict[str, Any]
    created_at: Moment
    read_at: Moment | None


class Notices(Answered):
    """Notices, the newest first, and how many are unread in all."""

    notices: list[NoticeOut]
    unread_count: int
    next_cursor: str | None


class Reading(Given):
    """The newest notice that was shown; without it all are read."""

    up_to: UUID | None = None


class NoticesRead(Answered):
    """How many were unread until now."""

    read: int


class NoticeKind(Answered):
    """A kind of notice: what it means, and whether you get it by mail."""

    kind: str
    meaning: str
    mailed: bool


class NoticeKinds(Answered):
    """Every kind there is. `sendsMail`: mails are sent here at all."""

    kinds: list[NoticeKind]
    sends_mail: bool
    address: str


class MailChoice(Given):
    """The kinds you want by mail; null for those that ask for something."""

    mailed: Kinds | None


class TestMail(Answered):
    """The mail is on its way."""

    mail_id: UUID
    address: str


@router.get("", responses=refusals(401, 403))
async def list_notices(
    me: MayRead, desk: TheDesk, unread: bool = False, limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> Notices:  # fmt: skip
    """What you shall know: posts that ended, questions only a person can answer. `cursor` is the `nextCursor` of the page before."""
    before = None if cursor is None else read_cursor(cursor)

    def read(tx: Tx) -> Notices:
        rows = notices.list_notices(tx, me.person.id, unread_only=unread, before=before, limit=limit + 1)
        shown = rows[:limit]
        return Notices(
            notices=[
                NoticeOut(
                    notice_id=row.id, kind=row.kind, message=row.message, post_id=row.post_id, target_id=row.target_id,
                    facts=row.facts, created_at=row.created_at, read_at=row.read_at,
                )
                for row in shown
            ],
            unread_count=notices.count_unread(tx, me.person.id),
            next_cursor=write_cursor(shown[-1].created_at, shown[-1].id) if len(rows) > limit else None,
        )  # fmt: skip

    return await desk.hayon.database.read(read)


@router.post("/read", responses=refusals(401, 403))
async def read_all(me: MayKeepNotices, desk: TheDesk, given: Reading | None = None) -> NoticesRead:
    """You have read all, or all up to the one you name: what came after it stays unread."""
    up_to = None if given is None else given.up_to
    return NoticesRead(read=await desk.hayon.database.write(notices.mark_all_read, me.person.id, up_to=up_to))


@router.get("/kinds", responses=refusals(401, 403))
async def list_kinds(me: MayRead, desk: TheDesk) -> NoticeKinds:
    """Every kind of notice, and which of them you get by mail."""
    return await desk.hayon.database.read(_read_kinds, me.person.id, me.person.email, desk.hayon.leaving.mailing)


@router.put("/kinds", responses=refusals(401, 403))
async def choose_kinds(given: MailChoice, me: MayKeepNotices, desk: TheDesk) -> NoticeKinds:
    """Which kinds you get by mail from now on."""
    await choose(desk, me.person.id, given.mailed)
    return await list_kinds(me, desk)


@router.post("/mail/test", status_code=202, responses=refusals(401, 403, 409, 429))
async def test_mail(me: MayKeepNotices, desk: TheDesk) -> TestMail:
    """Sends you a mail, to see whether mails arrive."""
    if not desk.hayon.leaving.mailing:
        raise Conflict(NO_MAIL)

    def work(tx: Tx) -> UUID:
        tries.take(tx, f"mail test {me.person.id}", count=TESTS, refill=TESTS_REFILL)
        return leaving.insert_mail(tx, me.person.id, MAIL_TEST)

    return TestMail(mail_id=await desk.hayon.database.write(work), address=me.person.email)


@router.post("/{noticeId}/read", status_code=204, responses=refusals(401, 403, 404))
async def read_notice(notice_id: Annotated[UUID, Path(alias="noticeId")], me: MayKeepNotices, desk: TheDesk) -> None:
    """You have read it."""
    if not await desk.hayon.database.write(notices.mark_read, me.person.id, notice_id):
        raise NotFound("There is no such notice.")


async def choose(desk: Desk, user_id: UUID, kinds: list[str] | None) -> None:
    """Which kinds somebody gets by mail. Raises Invalid for a kind that is none."""
    known = None if kinds is None else check_kinds("mailed", kinds)
    await desk.hayon.database.write(notices.choose_mail_kinds, user_id, known)


def check_kinds(field: str, given: list[str]) -> list[str]:
    """Each kind once. Raises Invalid for what is none."""
    unknown = [one for one in given if one not in KINDS]
    if unknown:
        message = f"There is no kind of notice {unknown[0]!r}; there are {', '.join(KINDS)}."
        raise Invalid([Problem(field, "unknown_kind", message)])
    return list(dict.fromkeys(given))


def _read_kinds(tx: Tx, user_id: UUID, address: str, sends_mail: bool) -> NoticeKinds:
    mailed = notices.mail_kinds(tx, user_id)
    kinds = [NoticeKind(kind=one.word, meaning=one.meaning, mailed=one.word in mailed) for one in KINDS.values()]
    return NoticeKinds(kinds=kinds, sends_mail=sends_mail, address=address)
