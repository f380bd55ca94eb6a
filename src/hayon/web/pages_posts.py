"""The plain pages of posts: write one, see what became of it, decide, answer, edit a draft. They work without scripts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from hayon.domain.lifecycle import PostStatus
from hayon.errors import Conflict, Invalid, Mistake, Problem
from hayon.media import KINDS
from hayon.web import accounts, media, posts
from hayon.web.auth import Caller, csrf_token
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_draft import Draft, Picture, draft_of, read_draft
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, new_key, shape
from hayon.web.pages_inside import go, show, unknown_button
from hayon.web.pages_view import render
from hayon.web.posts_schema import PostIn, PostPatch, Resolution, as_handed

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE = 20
TAKEN = ",".join(sorted(KINDS))
"""What the file field offers: all that is taken in; whether a platform takes it is said once the post is checked."""
PostId = Annotated[UUID, Path(alias="postId")]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to a question that could not be taken: what was typed, and why not."""

    target_id: str
    url: str
    looked_at: str
    messages: tuple[str, ...]


@router.post("/compose")
async def compose(me: Sender, desk: TheDesk, form: TheForm, request: Request) -> Response:
    """Takes a post in from the form; what does not fit is shown beside what was written."""
    draft = read_draft(form, me.person.timezone)
    keep = form.text("do") == "draft"
    try:
        missing = await _take_picture(desk, me, draft, form)
        handed = as_handed(shape(PostIn, draft.body(keep=keep)), me.person.timezone)
        if missing:
            fits, found = await desk.hayon.submission.dry_run(me.person.id, handed)
            of_rules = [] if keep else [problem for fit in fits for problem in fit.problems]
            return await show_home(desk, me, draft=draft, problems=[*missing, *found, *of_rules], status=422)
        await desk.hayon.submission.submit(
            me.person.id, handed, idempotency_key=draft.key, correlation_id=request.state.correlation_id
        )
    except Invalid as error:
        return await show_home(desk, me, draft=draft, problems=error.problems, status=422)
    except Conflict:
        draft.key = new_key()
        again = Problem(
            "key", "sent_before", "You have sent this form before, with other words. Press again to publish this too."
        )
        return await show_home(desk, me, draft=draft, problems=[again], status=409)
    return go("/?told=draft" if keep else "/?told=made")


@router.get("/posts/{postId}")
async def show_post(post_id: PostId, me: Visitor, desk: TheDesk, told: Annotated[str, Query(max_length=20)] = "") -> Response:  # fmt: skip
    """One post alone."""
    return await _post(desk, me, post_id, told=told)


@router.get("/posts/{postId}/card")
async def card(post_id: PostId, me: Visitor, desk: TheDesk) -> Response:
    """One post as it stands in the list, for the script that keeps the list fresh."""
    post = await posts.get_post(post_id, me, desk)
    now = await desk.hayon.database.read(lambda tx: tx.now())
    return HTMLResponse(render("card.html", post=post, said=None, now=now, csrf=csrf_token(me.token or "")))


@router.get("/posts/{postId}/edit")
async def open_draft(post_id: PostId, me: Visitor, desk: TheDesk) -> Response:
    """A draft in the writing form."""
    post = await posts.get_post(post_id, me, desk)
    if post.status is not PostStatus.DRAFT:
        return await _post(desk, me, post_id, error=Conflict("This post was handed in already."))
    mine = (await accounts.list_accounts(me, desk)).accounts
    return await _edit(desk, me, draft_of(post, mine))


@router.post("/posts/{postId}/edit")
async def edit_draft(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Keeps the changed draft, or hands it in."""
    post = await posts.get_post(post_id, me, desk)
    draft = read_draft(form, me.person.timezone)
    draft.post_id, draft.differs_on = str(post_id), sorted(post.platform_specific_content)
    keep = form.text("do") == "draft"
    try:
        missing = await _take_picture(desk, me, draft, form)
        # whatever platforms the draft named are chosen in the form as accounts
        body = draft.body(keep=keep) | {"selectedPlatforms": [], "version": draft.version}
        given = shape(PostPatch, body)
        if missing:
            return await _edit(desk, me, draft, problems=missing, status=422)
        await posts.edit_post(post_id, given, me, desk)
    except Invalid as error:
        return await _edit(desk, me, draft, problems=error.problems, status=422)
    except Conflict as error:
        return await _post(desk, me, post_id, error=error)
    return go("/?told=draft" if keep else "/?told=submit")


@router.post("/posts/{postId}/decide")
async def decide(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Cancel, retry, hand in or delete; why that cannot be is shown with the post."""
    wish = form.text("do")
    submission = desk.hayon.submission
    decisions: dict[str, Callable[[UUID, UUID], Awaitable[object]]] = {
        "cancel": submission.cancel, "retry": submission.retry, "submit": submission.submit_draft,
        "delete": submission.delete, "confirm": submission.confirm,
    }  # fmt: skip
    if wish not in decisions:
        raise Invalid([unknown_button(wish)])
    try:
        await decisions[wish](me.person.id, post_id)
    except (Invalid, Conflict) as error:
        return await _post(desk, me, post_id, error=error)
    return go(f"/?told={wish}")


@router.post("/posts/{postId}/resolve")
async def resolve(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """A person says what they see on the platform. An answer that cannot be taken stays in its form."""
    wish = form.text("do")
    given = {
        "targetId": form.text("targetId"), "attemptId": form.text("attemptId"), "retry": wish == "again",
        "outcome": "published" if wish == "published" else "absent", "lookedAt": form.text("lookedAt"),
        "url": form.text("url").strip() or None,
    }  # fmt: skip
    if wish not in {"published", "absent", "again"}:
        raise Invalid([unknown_button(wish)])
    try:
        await posts.resolve(desk, me, post_id, shape(Resolution, given))
    except Invalid as error:
        messages = tuple(problem.message for problem in error.problems)
        said = Said(form.text("targetId"), form.text("url"), form.text("lookedAt"), messages)
        return await _post(desk, me, post_id, said=said)
    except Conflict as error:
        return await _post(desk, me, post_id, error=error)
    return go("/?told=again" if wish == "again" else "/?told=resolve")


async def show_home(
    desk: Desk, me: Caller, *, told: str = "", cursor: str | None = None, draft: Draft | None = None,
    problems: Any = (), status: int = 200,
) -> Response:  # fmt: skip
    """The writing form, and the latest posts."""
    shown = await posts.list_posts(me, desk, None, PAGE, cursor)
    mine = (await accounts.list_accounts(me, desk)).accounts
    if draft is None:
        defaults = [str(account.account_id) for account in mine if account.is_default]
        draft = Draft(timezone=me.person.timezone, account_ids=defaults if len(defaults) == 1 else [])
    return await show(
        desk, me, "home.html", told=told, problems=problems, status=status, here="posts", posts=shown.posts,
        older=shown.next_cursor, accounts=mine, form=draft, kinds=TAKEN, said=None,
    )  # fmt: skip


async def _edit(desk: Desk, me: Caller, draft: Draft, *, problems: Any = (), status: int = 200) -> Response:
    mine = (await accounts.list_accounts(me, desk)).accounts
    return await show(
        desk, me, "edit.html", problems=problems, status=status, here="", accounts=mine, form=draft, kinds=TAKEN
    )


async def _post(
    desk: Desk, me: Caller, post_id: UUID, *, told: str = "", error: Mistake | None = None, said: Said | None = None
) -> Response:
    """One post, with what stands against a wish about it."""
    post = await posts.get_post(post_id, me, desk)
    problems = error.problems if isinstance(error, Invalid) else [Problem("", "", str(error))] if error else []
    heading = "" if isinstance(error, Invalid) else "That did not work"
    if said is not None and said.target_id not in {
        str(one.target_id) for one in post.platform_statuses if one.question
    }:
        problems = [Problem("", "", message) for message in said.messages]
    return await show(
        desk, me, "post.html", told=told, heading=heading, problems=problems, here="", post=post, said=said,
        status=error.status if error else 422 if said else 200,
    )  # fmt: skip


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
