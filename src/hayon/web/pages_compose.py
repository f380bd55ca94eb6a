"""The composer: one form for a new post, a draft, or a planned post that is changed. It works without scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from hayon.domain.lifecycle import PostStatus
from hayon.errors import Conflict, Invalid, NotFound, Problem
from hayon.platforms.contract import Platform
from hayon.store import media as media_rows
from hayon.web import accounts, media, posts
from hayon.web.accounts import AccountOut
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_draft import Draft, Picture, draft_of, find_draft, read_draft
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, new_key, shape
from hayon.web.pages_inside import go, show, unknown_button
from hayon.web.pages_keep import write
from hayon.web.pages_look import look_at
from hayon.web.pages_options import OptionField, fields_of, tables_of
from hayon.web.pages_post import show_one
from hayon.web.pages_view import PLATFORM_NAMES
from hayon.web.pages_when import start_of, when_facts
from hayon.web.posts_schema import PostIn, as_handed
from hayon.web.wire import LIST_LIMIT

router = APIRouter(route_class=PageRoute, include_in_schema=False)

WISHES = {"publish": "made", "schedule": "made", "draft": "draft", "anew": "draft"}
"""The buttons of the form, and what is told where one has done its work. `anew`: the words of this form as another draft."""
OPEN = {PostStatus.DRAFT, PostStatus.SCHEDULED}
PostId = Annotated[UUID, Path(alias="postId")]
Told = Annotated[str, Query(max_length=20)]
Moment = Annotated[str, Query(max_length=40)]


@dataclass(frozen=True, slots=True)
class Voice:
    """One platform in the form: what is said differently there, and its options."""

    platform: str
    name: str
    chosen: bool
    differs: bool
    words: str
    options: Sequence[OptionField]
    set_already: int


@router.get("/compose")
async def open_composer(
    me: Visitor, desk: TheDesk, at: Moment = "", on: Moment = "",
    files: Annotated[list[UUID], Query(alias="media", max_length=LIST_LIMIT)] = [],  # noqa: B006 - FastAPI copies it
) -> Response:  # fmt: skip
    """An empty form; `at` a wall-clock time, or `on` a day, as a calendar proposes them; with files of one's own."""
    known = await desk.hayon.database.read(media_rows.find_many, me.person.id, files)
    mine = (await accounts.list_accounts(me, desk)).accounts
    defaults = [str(account.account_id) for account in mine if account.is_default]
    draft = Draft(
        timezone=me.person.timezone, account_ids=defaults if len(defaults) == 1 else [],
        tables=tables_of(desk.hayon.platforms),
        pictures=[Picture(str(one), "") for one in dict.fromkeys(files) if one in known and known[one].ready],
        scheduled_at=start_of(at, on, me.person.timezone, datetime.now(UTC)),
    )  # fmt: skip
    return await _show(desk, me, draft)


@router.post("/compose")
async def compose(me: Sender, desk: TheDesk, form: TheForm, request: Request) -> Response:
    """Takes the form in; what does not fit is shown beside what was written."""
    return await _take(desk, me, request, form)


@router.get("/posts/{postId}/edit")
async def open_post(post_id: PostId, me: Visitor, desk: TheDesk, told: Told = "") -> Response:
    """A draft, or a post that is planned, in the form."""
    post = await posts.get_post(post_id, me, desk)
    if post.status not in OPEN:
        return await show_one(desk, me, post_id, error=Conflict("This post was handed in already."))
    mine = (await accounts.list_accounts(me, desk)).accounts
    return await _show(desk, me, draft_of(post, mine, tables_of(desk.hayon.platforms)), told=told)


@router.post("/posts/{postId}/edit")
async def change_post(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm, request: Request) -> Response:
    """Keeps the changed draft, hands it in, or changes what is planned."""
    return await _take(desk, me, request, form, post_id)


async def _take(desk: Desk, me: Caller, request: Request, form: Form, post_id: UUID | None = None) -> Response:
    wish = form.text("do")
    keep, at_once, anew = wish in {"draft", "anew"}, wish == "publish", wish == "anew"
    try:
        draft = await find_draft(desk, me, form, post_id)
    except NotFound:
        draft = read_draft(form, me.person.timezone, tables_of(desk.hayon.platforms))
        if not anew:
            return await _answer_gone(desk, me, draft)
    if wish not in WISHES:
        raise Invalid([unknown_button(wish)])
    try:
        missing = [*await _take_picture(desk, me, draft, form), *_find_untimed(draft, wish)]
        if missing:
            handed = as_handed(shape(PostIn, draft.body(keep=keep, at_once=at_once)), me.person.timezone)
            fits, found = await desk.hayon.submission.dry_run(me.person.id, handed)
            of_rules = [] if keep else [problem for fit in fits for problem in fit.problems]
            return await _show(desk, me, draft, problems=[*missing, *found, *of_rules], status=422)
        await write(desk, me, draft, request.state.correlation_id, keep=keep, at_once=at_once, anew=anew)
    except Invalid as error:
        return await _show(desk, me, draft, problems=error.problems, status=422)
    except Conflict as error:
        return await _answer_conflict(desk, me, draft, error)
    was_draft = draft.kept is not None and draft.kept.status is PostStatus.DRAFT
    told = "submit" if was_draft and not keep else WISHES[wish]
    return go(f"/?told={told}")


async def _answer_conflict(desk: Desk, me: Caller, draft: Draft, error: Conflict) -> Response:
    """The form went out before, or its post was changed elsewhere. What was written stays in the form either way."""
    if draft.kept is not None:
        return await _show(desk, me, draft, conflict=str(error), status=409)
    draft.key = new_key()
    again = Problem(
        "key", "sent_before", "You have sent this form before, with other words. Press again to publish this too."
    )
    return await _show(desk, me, draft, problems=[again], status=409)


async def _answer_gone(desk: Desk, me: Caller, draft: Draft) -> Response:
    """The post of this form is not there any more: the words are, and may become another."""
    draft.post_id, draft.key = "", new_key()
    gone = Problem("postId", "gone", "There is no such post, or it was deleted meanwhile. Press again to make a new one of this.")  # fmt: skip
    return await _show(desk, me, draft, problems=[gone], status=404)


async def _show(
    desk: Desk,
    me: Caller,
    draft: Draft,
    *,
    problems: Sequence[Problem] = (),
    conflict: str = "",
    told: str = "",
    status: int = 200,
) -> Response:
    """The composer with this draft. `conflict`: why it cannot be kept over what is stored."""
    mine = (await accounts.list_accounts(me, desk)).accounts
    draft.platforms = {str(account.account_id): account.platform for account in mine}
    voices = _voices(draft, mine, desk.hayon.platforms)
    heard = {voice.platform for voice in voices}
    handles = {str(account.account_id): account.handle for account in mine}
    beyond = [
        handles.get(one) or PLATFORM_NAMES.get(one, "an account that is gone") for one in draft.differs_beyond(heard)
    ]
    when = when_facts(draft, me.person.timezone)
    return await show(
        desk, me, "compose.html", look=await look_at(desk, me, draft, when), told=told, problems=problems, status=status, here="compose", accounts=mine, form=draft,
        voices=voices, beyond=beyond, conflict=conflict, when=when,
        planned=draft.kept is not None and draft.kept.status is PostStatus.SCHEDULED,
    )  # fmt: skip


def _voices(draft: Draft, mine: Sequence[AccountOut], platforms: Mapping[str, Platform]) -> list[Voice]:
    """The platforms that the form has fields for: those of the accounts, and those where the draft says something already."""
    said = [one for one in platforms if draft.words.get(one) is not None or draft.options.get(one)]
    chosen = draft.chosen
    return [
        Voice(
            one, platforms[one].rules({}).name, one in chosen, one in draft.differs, draft.words.get(one, ""),
            fields_of(one, draft.tables[one], draft.options.get(one, {})), len(draft.options.get(one, {})),
        )
        for one in dict.fromkeys([*(account.platform for account in mine), *said]) if one in platforms
    ]  # fmt: skip


def _find_untimed(draft: Draft, wish: str) -> list[Problem]:
    """Schedule without a time is no "now": a person who pressed it means another moment."""
    if wish != "schedule" or draft.scheduled_at:
        return []
    return [Problem("scheduledAt", "missing", "Choose the date and time first, or press “Publish now”.")]


async def _take_picture(desk: Desk, me: Caller, draft: Draft, form: Form) -> list[Problem]:
    """Takes in the picture or video that came with the form. Says so where only a description came."""
    chosen = form.file("picture")
    if chosen is not None:
        media_id = await media.take_in(desk, me.person.id, chosen)
        draft.pictures.append(Picture(str(media_id), draft.alt_text))
        draft.alt_text = ""
    if draft.alt_text.strip():
        return [Problem("altText", "no_picture", "There is a description but no picture or video.")]
    return []
