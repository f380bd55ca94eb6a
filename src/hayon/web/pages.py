"""The plain pages: set up, sign in, write a post, see what became of it, decide, connect. They work without scripts."""

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from hayon.errors import Conflict, Invalid, Mistake, Problem, TooMany, Unauthenticated
from hayon.store import accounts as account_rows
from hayon.store import users
from hayon.store.database import Tx
from hayon.web import accounts, auth, media, people, posts
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, new_key, shape
from hayon.web.pages_view import moment, render, zone_of
from hayon.web.posts_schema import PostIn, Resolution, as_handed

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ANSWERS = {
    "made": "Your post is taken in. Below you see what becomes of it.",
    "draft": "Kept as a draft.",
    "cancel": "What could be stopped is stopped; each account below says how it stands.",
    "retry": "It is being tried again.",
    "submit": "Your draft is on its way.",
    "delete": "It is deleted here. What was published stays on the platforms.",
    "resolve": "Thank you; that settles it.",
    "again": "It is looked up once more, and sent again if it is really not there.",
    "connect": "The account is connected.",
    "check": "The account was asked; below is its answer.",
    "default": "That is the default now.",
    "disconnect": "The account is disconnected. What was not sent to it yet will fail.",
}
PAGE = 20

PostId = Annotated[UUID, Path(alias="postId")]
AccountId = Annotated[UUID, Path(alias="accountId")]
Told = Annotated[str, Query(max_length=20)]


@dataclass(slots=True)
class Draft:
    """The writing form as it stands: empty, or as it was sent when something did not fit."""

    text: str = ""
    account_ids: list[str] = field(default_factory=list)
    alt_text: str = ""
    media_id: str = ""
    scheduled_at: str = ""
    timezone: str = "UTC"
    key: str = field(default_factory=new_key)


@router.get("/")
async def front(
    request: Request, desk: TheDesk, told: Told = "", cursor: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """The posts of whoever is signed in; for others the door."""
    me = await auth.find_caller(request, desk)
    if me is None or me.token is None:
        return await _door(desk)
    return await _home(desk, me, told=told, cursor=cursor)


@router.get("/register")
async def registering(desk: TheDesk) -> Response:
    """The form for somebody new."""
    return await _door(desk, registering=True)


@router.post("/register")
async def register(request: Request, desk: TheDesk, form: TheForm) -> Response:
    """Registers somebody and lets them in."""
    auth.refuse_foreign_page(request, desk)
    try:
        given = shape(people.Registering, {"email": form.text("email"), "password": form.text("password"),
                                           "timezone": form.text("timezone") or "UTC"})  # fmt: skip
        password = given.password.get_secret_value()
        _, token = await people.register_person(desk, request, given.email, password, "", given.timezone)
    except Mistake as error:
        return await _door(desk, registering=True, form=form, error=error)
    return _let_in(desk, token)


@router.post("/login")
async def sign_in(request: Request, desk: TheDesk, form: TheForm) -> Response:
    """Lets somebody in."""
    auth.refuse_foreign_page(request, desk)
    try:
        given = shape(people.SigningIn, {"email": form.text("email"), "password": form.text("password")})
        _, token = await people.sign_person_in(desk, request, given.email, given.password.get_secret_value())
    except (Invalid, Unauthenticated, TooMany) as error:
        return await _door(desk, form=form, error=error)
    return _let_in(desk, token)


@router.post("/logout")
async def sign_out(me: Sender, desk: TheDesk) -> Response:
    """Ends the session."""
    await desk.hayon.database.write(users.close_session, auth.digest(me.token or ""))
    answer = _to("/")
    auth.drop_cookie(answer, desk)
    return answer


@router.post("/compose")
async def compose(me: Sender, desk: TheDesk, form: TheForm, request: Request) -> Response:
    """Takes a post in from the form; what does not fit is shown beside what was written."""
    draft = Draft(
        form.text("text"), form.texts("accountIds"), form.text("altText"), form.text("mediaId"),
        form.text("scheduledAt"), form.text("timezone") or me.person.timezone, form.text("key")[:200] or new_key(),
    )  # fmt: skip
    keep = form.text("do") == "draft"
    try:
        picture = form.file("picture")
        if picture is not None:
            draft.media_id = str(await media.take_in(desk, me.person.id, picture))
        handed = as_handed(shape(PostIn, _body(draft, keep)), me.person.timezone)
        await desk.hayon.submission.submit(
            me.person.id, handed, idempotency_key=draft.key, correlation_id=request.state.correlation_id
        )
    except Invalid as error:
        return await _home(desk, me, draft=draft, problems=error.problems, status=422)
    except Conflict:
        draft.key = new_key()
        again = Problem(
            "key", "sent_before", "You have sent this form before, with other words. Press again to publish this too."
        )
        return await _home(desk, me, draft=draft, problems=[again], status=409)
    return _to("/?told=draft" if keep else "/?told=made")


@router.get("/posts/{postId}/card")
async def card(post_id: PostId, me: Visitor, desk: TheDesk) -> Response:
    """One post as it stands in the list, for the script that keeps the list fresh."""
    post = await posts.get_post(post_id, me, desk)
    return HTMLResponse(render("card.html", post=post, **await _frame(desk, me)))


@router.post("/posts/{postId}/decide")
async def decide(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Cancel, retry, hand in or delete."""
    wish = form.text("do")
    submission, user_id = desk.hayon.submission, me.person.id
    match wish:
        case "cancel":
            await submission.cancel(user_id, post_id)
        case "retry":
            await submission.retry(user_id, post_id)
        case "submit":
            await submission.submit_draft(user_id, post_id)
        case "delete":
            await submission.delete(user_id, post_id)
        case _:
            raise Invalid([_unknown(wish)])
    return _to(f"/?told={wish}")


@router.post("/posts/{postId}/resolve")
async def resolve(post_id: PostId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """A person says what they see on the platform."""
    wish = form.text("do")
    given = {
        "targetId": form.text("targetId"), "attemptId": form.text("attemptId"), "retry": wish == "again",
        "outcome": "published" if wish == "published" else "absent", "lookedAt": form.text("lookedAt"),
        "url": form.text("url").strip() or None,
    }  # fmt: skip
    if wish not in {"published", "absent", "again"}:
        raise Invalid([_unknown(wish)])
    await posts.resolve(desk, me, post_id, shape(Resolution, given))
    return _to("/?told=again" if wish == "again" else "/?told=resolve")


@router.get("/accounts")
async def show_accounts(me: Visitor, desk: TheDesk, told: Told = "") -> Response:
    """The connected accounts, and the forms to connect more."""
    return await _accounts(desk, me, told=told)


@router.post("/accounts")
async def connect(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Connects an account with credentials in hand."""
    names = ("identifier", "appPassword", "service", "instanceUrl", "accessToken")
    given = {name: form.text(name).strip() for name in names if form.text(name).strip()}
    try:
        shaped = shape(accounts.Credentials, given)
        await accounts.connect(desk, me.person.id, form.text("platform"), shaped.root)
    except Invalid as error:
        return await _accounts(desk, me, form=form, problems=error.problems, status=422)
    return _to("/accounts?told=connect")


@router.post("/accounts/{accountId}/decide")
async def decide_account(account_id: AccountId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Check, make the default, or disconnect."""
    wish = form.text("do")
    database, user_id = desk.hayon.database, me.person.id
    match wish:
        case "check":
            await desk.hayon.accounts.check(user_id, account_id)
        case "default":
            await database.write(account_rows.make_default, user_id, account_id)
        case "disconnect":
            await database.write(account_rows.disconnect, user_id, account_id)
        case _:
            raise Invalid([_unknown(wish)])
    return _to(f"/accounts?told={wish}")


async def _door(
    desk: Desk, *, registering: bool = False, form: Form | None = None, error: Mistake | None = None
) -> Response:
    first = not await desk.hayon.database.read(users.anybody_registered)
    is_open = desk.hayon.settings.registration == "open"
    problems = [one.message for one in error.problems] if isinstance(error, Invalid) else [str(error)] if error else []
    page = render(
        "front.html", first=first, is_open=is_open, registering=first or (registering and (is_open or bool(error))),
        problems=problems, email=form.text("email")[:254] if form else "",
        timezone=(form.text("timezone")[:64] if form else "") or "UTC",
    )  # fmt: skip
    return HTMLResponse(page, error.status if error else 200)


async def _home(
    desk: Desk, me: Caller, *, told: str = "", cursor: str | None = None, draft: Draft | None = None,
    problems: Any = (), status: int = 200,
) -> Response:  # fmt: skip
    shown = await posts.list_posts(me, desk, None, PAGE, cursor)
    mine = (await accounts.list_accounts(me, desk)).accounts
    if draft is None:
        defaults = [str(account.account_id) for account in mine if account.is_default]
        draft = Draft(timezone=me.person.timezone, account_ids=defaults if len(defaults) == 1 else [])
    page = render(
        "home.html", posts=shown.posts, older=shown.next_cursor, accounts=mine, form=draft, problems=problems,
        told=ANSWERS.get(told, ""), here="posts", kinds=_kinds(desk), **await _frame(desk, me),
    )  # fmt: skip
    return HTMLResponse(page, status)


async def _accounts(
    desk: Desk, me: Caller, *, told: str = "", form: Form | None = None, problems: Any = (), status: int = 200
) -> Response:
    mine = (await accounts.list_accounts(me, desk)).accounts
    # what was typed stays, but for what is secret
    typed = {name: form.text(name)[:300] if form else "" for name in ("identifier", "service", "instanceUrl")}
    settings = desk.hayon.settings
    page = render(
        "accounts.html", accounts=mine, form=typed, problems=problems, told=ANSWERS.get(told, ""), here="accounts",
        bluesky_url=settings.bluesky_url, mastodon_url=settings.mastodon_url, **await _frame(desk, me),
    )  # fmt: skip
    return HTMLResponse(page, status)


async def _frame(desk: Desk, me: Caller) -> dict[str, Any]:
    """What every page inside needs."""
    now = await desk.hayon.database.read(_now)
    at = partial(moment, zone_of(me.person.timezone))
    return {"person": me.person, "csrf": auth.csrf_token(me.token or ""), "now": now, "at": at}


def _now(tx: Tx) -> Any:
    return tx.now()


def _body(draft: Draft, keep: bool) -> dict[str, Any]:
    uses = [{"mediaId": draft.media_id, "altText": draft.alt_text}] if draft.media_id else []
    return {
        "content": {"text": draft.text, "mediaItems": uses}, "accountIds": draft.account_ids,
        "scheduledAt": draft.scheduled_at or None, "timezone": draft.timezone, "draft": keep,
    }  # fmt: skip


def _kinds(desk: Desk) -> str:
    every = {mime for platform in desk.hayon.platforms.values() for mime in platform.rules({}).image_mimes}
    return ",".join(sorted(every))


def _unknown(wish: str) -> Problem:
    return Problem("do", "unknown", f"There is no such button: {wish[:50]!r}.")


def _let_in(desk: Desk, token: str) -> Response:
    answer = _to("/")
    auth.set_cookie(answer, desk, token)
    return answer


def _to(address: str) -> Response:
    return RedirectResponse(address, 303)
