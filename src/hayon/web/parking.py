"""The routes for what came to nothing: failed targets in the parking lot, and messages that the broker gave up. Nothing is decided here."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from hayon.brokers.contract import Broker, DeadLetter
from hayon.errors import BrokerUnreachable, Forbidden, Misconfigured, Mistake
from hayon.store import parking
from hayon.web.auth import Admin, Caller, MayPost, MayRead
from hayon.web.desk import Desk, TheDesk
from hayon.web.paging import Cursor, read_cursor, write_cursor
from hayon.web.posts_view import ErrorOut
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Given, Moment, Text, Word, shown

router = APIRouter(prefix="/api", tags=["parking"])

LONGEST_KIND = 200
Kind = Annotated[Annotated[Text, Field(max_length=LONGEST_KIND)] | None, Query()]
AT_ONCE_LIMIT = 200
BODY_SHOWN, REASON_SHOWN, WORD_SHOWN = 1_000, 500, 100
NOT_PARKED = ("not_parked", "There is no such target in the parking lot, or not any more.")
NOT_THERE = ("not_there", "There is no such letter, or not any more.")
NOT_RUNG = ("not_rung", "It was not rung: it is no bell that can be read, or it is not there any more.")


class ParkedOut(Answered):
    """A failed target that nobody has retried or discarded yet: why it failed, and since when it is parked."""

    target_id: UUID
    post_id: UUID
    user_id: UUID
    platform: str
    account_id: UUID
    handle: str
    error: ErrorOut
    attempt_count: int
    parked_at: Moment


class ParkedPage(Answered):
    """Some parked targets, the newest first. `nextCursor` leads to the older ones; null: there are none."""

    targets: list[ParkedOut]
    next_cursor: str | None


class ParkedChosen(Given):
    """Which parked targets."""

    target_ids: Annotated[
        tuple[UUID, ...],
        Field(min_length=1, max_length=AT_ONCE_LIMIT, examples=[["0198c2f4-7d1e-7c3a-9b52-3f6a1c0d8e4b"]]),
    ]


class ParkedTold(Answered):
    """What became of a wish about one target: `retrying`, `discarded`, `not_parked`, or a refusal in words."""

    target_id: UUID
    answer: str
    message: str


class ParkedAnswers(Answered):
    """The truth per target, in the order in which they were named."""

    targets: list[ParkedTold]


class BellOut(Answered):
    """What a letter says, where it can be read: which target it wanted delivered."""

    post_id: UUID
    target_id: UUID
    user_id: UUID
    platform: str


class DeadLetterOut(Answered):
    """A message that could not be read or came back too often. `body` is its beginning; what is no plain letter is a mark."""

    letter_id: str
    reason: str
    died_at: Moment | None
    bell: BellOut | None
    body: str


class DeadLetters(Answered):
    """Dead letters, the oldest first. `more`: there are others behind these."""

    letters: list[DeadLetterOut]
    more: bool


class LettersChosen(Given):
    """Which dead letters."""

    letter_ids: Annotated[
        tuple[Word, ...], Field(min_length=1, max_length=AT_ONCE_LIMIT, examples=[["5f2d1c9ab0e34d7786aa"]])
    ]


class LetterTold(Answered):
    """What became of a wish about one letter: `rung`, `not_rung`, `discarded` or `not_there`."""

    letter_id: str
    answer: str
    message: str


class LetterAnswers(Answered):
    """The truth per letter, in the order in which they were named."""

    letters: list[LetterTold]


@router.get("/parking", responses=refusals(401, 403))
async def list_parked(
    me: MayRead,
    desk: TheDesk,
    everybody: bool = False,
    limit: Annotated[int, Query(ge=1, le=AT_ONCE_LIMIT)] = 50,
    cursor: Cursor = None,
    platform: Kind = None,
    code: Kind = None,
) -> ParkedPage:
    """Your failed targets that wait for a decision, the newest first. `everybody`: those of all, for the admin."""
    if everybody and not me.is_admin:
        raise Forbidden("What failed of others is shown to the admin alone.")
    rows = await desk.hayon.database.read(
        parking.list_parked, None if everybody else me.person.id,
        before=None if cursor is None else read_cursor(cursor), limit=limit + 1, platform=platform, code=code,
    )  # fmt: skip
    following = write_cursor(rows[limit - 1].parked_at, rows[limit - 1].id) if len(rows) > limit else None
    return ParkedPage(targets=[_parked_out(row) for row in rows[:limit]], next_cursor=following)


@router.post("/parking/replay", responses=refusals(401, 403))
async def replay_parked(given: ParkedChosen, me: MayPost, desk: TheDesk) -> ParkedAnswers:
    """Tries these again, now: a retry of each, after which it is parked no more. The admin may name anybody's."""
    found = await desk.hayon.database.read(parking.find_parked, _whose(me), given.target_ids)
    of_posts: dict[tuple[UUID, UUID], list[UUID]] = {}
    for row in found:
        of_posts.setdefault((row.user_id, row.post_id), []).append(row.id)
    told: dict[UUID, tuple[str, str]] = {}
    for (user_id, post_id), target_ids in of_posts.items():
        try:
            answers = await desk.hayon.submission.retry(user_id, post_id, target_ids)
        except Mistake as refused:  # deleted at this moment, say: the others are tried all the same
            told |= dict.fromkeys(target_ids, ("refused", str(refused)))
        else:
            told |= {one.target_id: (one.answer, one.message) for one in answers}
    return _parked_answers(given.target_ids, told)


@router.post("/parking/discard", responses=refusals(401, 403))
async def discard_parked(given: ParkedChosen, me: MayPost, desk: TheDesk) -> ParkedAnswers:
    """Takes these out of the parking lot. They stay failed, and can be retried by their posts. The admin may name anybody's."""
    gone = await desk.hayon.database.write(parking.discard, _whose(me), given.target_ids)
    words = ("discarded", "It is out of the parking lot. It stays failed.")
    return _parked_answers(given.target_ids, dict.fromkeys(gone, words))


@router.get("/dead-letters", responses=refusals(401, 403))
async def list_dead_letters(
    _admin: Admin, desk: TheDesk, limit: Annotated[int, Query(ge=1, le=AT_ONCE_LIMIT)] = 50
) -> DeadLetters:
    """Messages that the broker gave up, the oldest first, where they stay; for the admin. No post depends on them."""
    async with asking_broker(desk) as broker:
        letters = await broker.list_dead_letters(limit + 1)
    return DeadLetters(letters=[_letter_out(letter) for letter in letters[:limit]], more=len(letters) > limit)


@router.post("/dead-letters/replay", responses=refusals(401, 403))
async def replay_dead_letters(given: LettersChosen, _admin: Admin, desk: TheDesk) -> LetterAnswers:
    """Rings those of these again that can be read, and drops them here; for the admin. A bell that is out of date does nothing."""
    async with asking_broker(desk) as broker:
        rung = await broker.replay_dead_letters(given.letter_ids)
    return _letter_answers(given.letter_ids, rung, ("rung", "It was rung again."), NOT_RUNG)


@router.post("/dead-letters/discard", responses=refusals(401, 403))
async def discard_dead_letters(given: LettersChosen, _admin: Admin, desk: TheDesk) -> LetterAnswers:
    """Throws these away; for the admin. What is due is rung again from the database, so no post is lost by it."""
    async with asking_broker(desk) as broker:
        gone = await broker.discard_dead_letters(given.letter_ids)
    return _letter_answers(given.letter_ids, gone, ("discarded", "It is gone."), NOT_THERE)


@asynccontextmanager
async def asking_broker(desk: Desk) -> AsyncIterator[Broker]:
    """The broker, for the length of a question. Raises BrokerUnreachable, also where it is not as it should be."""
    try:
        async with desk.hayon.reaching_broker() as broker:
            yield broker
    except Misconfigured as error:
        raise BrokerUnreachable(str(error)) from error


def _whose(me: Caller) -> UUID | None:
    return None if me.is_admin else me.person.id


def _parked_out(row: Any) -> ParkedOut:
    return ParkedOut(
        target_id=row.id, post_id=row.post_id, user_id=row.user_id, platform=row.platform, account_id=row.account_id,
        handle=row.handle, error=ErrorOut(message=row.message, code=row.code), attempt_count=row.attempts,
        parked_at=row.parked_at,
    )  # fmt: skip


def _parked_answers(named: Iterable[UUID], told: Mapping[UUID, tuple[str, str]]) -> ParkedAnswers:
    each = [(target_id, *told.get(target_id, NOT_PARKED)) for target_id in dict.fromkeys(named)]
    return ParkedAnswers(
        targets=[ParkedTold(target_id=target_id, answer=answer, message=words) for target_id, answer, words in each]
    )


def _letter_out(letter: DeadLetter) -> DeadLetterOut:
    bell = None
    if letter.bell is not None:
        bell = BellOut(
            post_id=letter.bell.post_id, target_id=letter.bell.target_id, user_id=letter.bell.user_id,
            platform=shown(letter.bell.platform, WORD_SHOWN),
        )  # fmt: skip
    return DeadLetterOut(
        letter_id=letter.letter_id, reason=shown(letter.reason, REASON_SHOWN), died_at=letter.died_at, bell=bell,
        body=shown(letter.body, BODY_SHOWN),
    )  # fmt: skip


def _letter_answers(
    named: Sequence[str], done: Collection[str], yes: tuple[str, str], no: tuple[str, str]
) -> LetterAnswers:
    each = [(letter_id, *(yes if letter_id in done else no)) for letter_id in dict.fromkeys(named)]
    return LetterAnswers(
        letters=[LetterTold(letter_id=letter_id, answer=answer, message=words) for letter_id, answer, words in each]
    )
