"""The pages of operations, for admins: how things stand, the last day, the parking lot, the dead letters. Nothing is decided here."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from pydantic import Field

from hayon.errors import BrokerUnreachable, Invalid, Problem
from hayon.store import figures, last_day, users
from hayon.store import parking as lot
from hayon.store.database import Tx
from hayon.web import charts, parking
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import AdminSender, AdminVisitor, PageRoute, TheForm, shape
from hayon.web.pages_inside import go, show, unknown_button
from hayon.web.pages_view import zone_of
from hayon.web.paging import Cursor
from hayon.web.wire import Given, Text

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE = 50
LETTERS = 50
BROKER_SECONDS = 3.0
PAGES_OF_A_KIND = 5
"""How far "all of this kind" looks when some cannot be tried again: up to so many times 200."""
NOTHING = "nothing"
NOTHING_TICKED = Problem("do", "none_ticked", "Nothing was ticked. Tick what is meant, then press the button.")
Count = Annotated[int, Query(ge=0, le=9_999)]


class KindShown(Given):
    """The kind of failures that a page showed alone; None: all of them."""

    platform: Annotated[Text, Field(max_length=parking.LONGEST_KIND)] | None = None
    code: Annotated[Text, Field(max_length=parking.LONGEST_KIND)] | None = None


@dataclass(frozen=True, slots=True)
class BrokerState:
    """What the broker says of itself; `hindrance` where it cannot be asked."""

    embedded: bool
    waiting: int = 0
    mirrored: int = 0
    hindrance: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How everything stands, read at one moment. `processes` is None where there is one that does everything."""

    queues: Sequence[figures.Queue]
    parked: int
    unaccounted: int
    day: last_day.LastDay
    last_try: datetime | None
    processes: Mapping[str, int] | None

    @property
    def without_worker(self) -> bool:
        """Whether of the processes that are connected none delivers. One that does not say what it does may."""
        return self.processes is not None and all(parts and "worker" not in parts.split() for parts in self.processes)


@router.get("/operations")
async def show_operations(me: AdminVisitor, desk: TheDesk) -> Response:
    """How things stand now, and what the last day came to."""
    platforms, zone = sorted(desk.hayon.platforms), zone_of(me.person.timezone)
    standing, broker = await asyncio.gather(desk.hayon.database.read(_read_standing, platforms), _ask_broker(desk))
    hours = standing.day.hours
    return await show(
        desk, me, "operations.html", here="operations", stands=standing, broker=broker, lasting=charts.lasting,
        outcomes=charts.draw_outcomes(hours, zone), lateness=charts.draw_lateness(hours, zone), zone=zone.key,
        counted=figures.MOST, charted=last_day.MOST,
    )  # fmt: skip


@router.get("/operations/parking")
async def show_parking(
    me: AdminVisitor, desk: TheDesk, platform: parking.Kind = None, code: parking.Kind = None, cursor: Cursor = None,
    did: Annotated[str, Query(max_length=20)] = "", done: Count = 0, rest: Count = 0,
) -> Response:  # fmt: skip
    """What failed and was not looked after yet, of everybody; of one platform or one kind where it is named."""
    shown = await parking.list_parked(me, desk, True, PAGE, cursor, platform, code)

    def read(tx: Tx) -> tuple[object, object]:
        return lot.count_kinds(tx), users.find_addresses(tx, {one.user_id for one in shown.targets})

    kinds, authors = await desk.hayon.database.read(read)
    return await show(
        desk, me, "parking.html", here="operations", parked=shown.targets, kinds=kinds, authors=authors, platform=platform,
        code=code, older=shown.next_cursor, outcome=_say(did, done, rest), address=_parking,
        at_once=parking.AT_ONCE_LIMIT, paged=cursor is not None, **_nothing_ticked(did),
    )  # fmt: skip


@router.post("/operations/parking")
async def settle_parked(me: AdminSender, desk: TheDesk, form: TheForm) -> Response:
    """Tries the ticked ones again or discards them; or tries all of a kind again, up to 200 at once."""
    wish = form.text("do")
    kind = shape(KindShown, {name: form.text(name) for name in ("platform", "code") if name in form.fields})
    platform, code = kind.platform, kind.code
    if wish == "replay-kind":
        done, rest = await _replay_kind(desk, me, platform, code)
    elif wish not in {"replay", "discard"}:
        raise Invalid([unknown_button(wish)])
    elif not form.texts("targetId"):
        return go(_parking(platform, code, did=NOTHING))
    else:
        work = parking.replay_parked if wish == "replay" else parking.discard_parked
        given = shape(parking.ParkedChosen, {"targetIds": form.texts("targetId")})
        told = (await work(given, me, desk)).targets
        done = sum(one.answer in {"retrying", "discarded"} for one in told)
        rest = len(told) - done
    return go(_parking(platform, code, did=wish, done=done, rest=rest))


@router.get("/operations/dead-letters")
async def show_dead_letters(
    me: AdminVisitor, desk: TheDesk, did: Annotated[str, Query(max_length=20)] = "", done: Count = 0, rest: Count = 0
) -> Response:
    """Messages that the broker gave up; there are some with RabbitMQ only."""
    embedded, error, found = not desk.hayon.broker.by_name, None, parking.DeadLetters(letters=[], more=False)
    if not embedded:
        try:
            found = await parking.list_dead_letters(me, desk, LETTERS)
        except BrokerUnreachable as away:
            error = str(away)
    return await show(
        desk, me, "dead_letters.html", here="operations", embedded=embedded, hindrance=error or "", letters=found.letters,
        more=found.more, outcome=_say(f"letters-{did}", done, rest), **_nothing_ticked(did),
    )  # fmt: skip


@router.post("/operations/dead-letters")
async def settle_letters(me: AdminSender, desk: TheDesk, form: TheForm) -> Response:
    """Rings the ticked ones again, or throws them away."""
    wish = form.text("do")
    if wish not in {"replay", "discard"}:
        raise Invalid([unknown_button(wish)])
    if not form.texts("letterId"):
        return go(f"/operations/dead-letters?did={NOTHING}")
    given = shape(parking.LettersChosen, {"letterIds": form.texts("letterId")})
    work = parking.replay_dead_letters if wish == "replay" else parking.discard_dead_letters
    try:
        told = (await work(given, me, desk)).letters
    except BrokerUnreachable as away:
        return await show(
            desk, me, "dead_letters.html", here="operations", embedded=False, hindrance=str(away), letters=[], more=False,
            outcome="", status=503,
        )  # fmt: skip
    done = sum(one.answer in {"rung", "discarded"} for one in told)
    return go("/operations/dead-letters?" + urlencode({"did": wish, "done": done, "rest": len(told) - done}))


def _read_standing(tx: Tx, platforms: Sequence[str]) -> Standing:
    day = last_day.read_last_day(tx)
    return Standing(
        figures.read_queues(tx, platforms), figures.count_parked(tx),
        len(figures.find_unaccounted(tx, day.read_at - figures.AUDITED)), day, figures.find_last_try(tx),
        figures.count_processes(tx),
    )  # fmt: skip


async def _ask_broker(desk: Desk) -> BrokerState:
    if not desk.hayon.broker.by_name:
        return BrokerState(embedded=True)
    try:
        async with asyncio.timeout(BROKER_SECONDS), parking.asking_broker(desk) as broker:
            return BrokerState(False, await broker.count_waiting(), await broker.count_parked())
    except BrokerUnreachable as away:
        return BrokerState(False, hindrance=str(away))
    except TimeoutError:
        return BrokerState(False, hindrance=f"The broker did not answer within {BROKER_SECONDS:g} s.")


async def _replay_kind(desk: Desk, me: Caller, platform: str | None, code: str | None) -> tuple[int, int]:
    """How many are tried again, and how many of those looked at are not."""
    done, rest, cursor = 0, 0, None
    for _ in range(PAGES_OF_A_KIND):
        most = parking.AT_ONCE_LIMIT - done
        page = await parking.list_parked(me, desk, True, most, cursor, platform, code)
        if not page.targets:
            break
        chosen = shape(parking.ParkedChosen, {"targetIds": [str(one.target_id) for one in page.targets]})
        told = (await parking.replay_parked(chosen, me, desk)).targets
        done += sum(one.answer == "retrying" for one in told)
        rest += sum(one.answer != "retrying" for one in told)
        cursor = page.next_cursor
        if cursor is None or done >= parking.AT_ONCE_LIMIT:
            break
    return done, rest


def _parking(platform: str | None = None, code: str | None = None, **more: object) -> str:
    """The address of the parking lot, of this kind alone where one is named."""
    asked = {name: given for name, given in (("platform", platform), ("code", code)) if given is not None} | more
    return "/operations/parking" + (f"?{urlencode(asked)}" if asked else "")


def _nothing_ticked(did: str) -> dict[str, Any]:
    return {"heading": "Nothing was done", "problems": [NOTHING_TICKED]} if did == NOTHING else {}


def _say(did: str, done: int, rest: int) -> str:
    """What came of the buttons, in a sentence."""
    if did not in OUTCOMES:
        return ""
    one, many, left_one, left_many = OUTCOMES[did]
    words = [one if done == 1 else many.format(f"{done:,}")]
    if rest:
        words.append(left_one if rest == 1 else left_many.format(f"{rest:,}"))
    return " ".join(words)


NOT_PARKED = (
    "1 could not be: it is not parked any more, or its post is gone.",
    "{} could not be: they are not parked any more, or their posts are gone.",
)
GONE = ("1 was not there any more.", "{} were not there any more.")
OUTCOMES = {
    "replay": ("1 is being tried again.", "{} are being tried again.", *NOT_PARKED),
    "replay-kind": ("1 is being tried again.", "{} are being tried again.", *NOT_PARKED),
    "discard": ("1 is out of the parking lot. It stays failed.", "{} are out of the parking lot. They stay failed.", *NOT_PARKED),
    "letters-replay": ("1 was rung again.", "{} were rung again.", "1 was not: it is no bell that can be read, or not there any more.", "{} were not: they are no bells that can be read, or not there any more."),
    "letters-discard": ("1 is gone.", "{} are gone.", *GONE),
}  # fmt: skip
