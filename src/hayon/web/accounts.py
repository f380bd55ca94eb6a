"""The routes of accounts: connect with credentials in hand, list, check, make one the default, disconnect."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Response
from pydantic import Field, RootModel

from hayon.accounts import Fate
from hayon.domain.allowance import Told
from hayon.domain.model import Account
from hayon.errors import Invalid, NotFound, Problem
from hayon.store import accounts, allowances
from hayon.store.database import Tx
from hayon.web.auth import MayConnect, MayRead
from hayon.web.desk import Desk, TheDesk
from hayon.web.media import HARMLESS
from hayon.web.mending import find_mend
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Moment, Text, Word

router = APIRouter(prefix="/api/accounts", tags=["accounts"])

Which = Annotated[str, Path(max_length=50, description="The platform's word, or the account's id.")]
AccountId = Annotated[UUID, Path(alias="which", description="The account's id.")]


class Credentials(RootModel[Annotated[dict[Word, Annotated[Text, Field(max_length=4_000)]], Field(max_length=20)]]):
    """The fields that this platform wants.

    bluesky: identifier, appPassword, service (if not Bluesky's own); threads, instagram: accessToken; facebook: pageId,
    accessToken; mastodon: instanceUrl, accessToken; tumblr: blog, token, tokenSecret, or blog, accessToken, refreshToken.
    """


class Health(Answered):
    """Whether the account can be published on, as its platform answered last: `active`, `expired`, `revoked` or `error`.

    `message` says what is wrong, `mend` what to do about it.
    """

    status: str
    needs_reconnection: bool
    message: str
    mend: str


class AccountOut(Answered):
    """A connected account, without its secrets. `rules` are the platform's limits for this account.

    `avatarUrl` is where the platform shows its picture; `avatarCopyUrl` where we keep a small copy, if there is one by now.
    """

    account_id: UUID
    platform: str
    host: str
    handle: str
    display_name: str
    avatar_url: str | None
    avatar_copy_url: str | None
    is_default: bool
    health: Health
    rules: dict[str, Any]


class AccountsOut(Answered):
    """All connected accounts."""

    accounts: list[AccountOut]


class AllowanceOut(Answered):
    """How much of something is left, as the platform told at `toldAt`. `posts` is what publishing is counted by; in a window
    without `resetsAt`, each post counts until it is a day (or however long the window is) old.
    """

    name: str
    left: int
    limit: int | None
    window_seconds: int | None
    resets_at: Moment | None
    told_at: Moment


class AccountWhole(AccountOut):
    """An account, and what it may still do. `blockedUntil`: its platform asked it to wait; `unfinishedTargets` wait for it.

    `renewsAt`: when its credential is renewed even if nobody uses it, so that it does not run out; `renewalFailures` of that
    in a row.
    """

    allowances: list[AllowanceOut]
    blocked_until: Moment | None
    unfinished_targets: int
    connected_at: Moment
    renews_at: Moment | None
    renewal_failures: int


class Disconnected(Answered):
    """What disconnecting did. Here the credential is forgotten in any case; `credential` says what the platform made of it."""

    account_id: UUID
    unfinished_targets: int
    credential: Fate
    message: str


@router.get("", responses=refusals(401, 403))
async def list_accounts(me: MayRead, desk: TheDesk) -> AccountsOut:
    """Your connected accounts."""
    mine = await desk.hayon.database.read(accounts.list_accounts, me.person.id)
    return AccountsOut(accounts=[account_out(desk, account) for account in mine])


@router.get("/{which}", responses=refusals(401, 403, 404))
async def get_account(account_id: AccountId, me: MayRead, desk: TheDesk) -> AccountWhole:
    """One account, how much is left of its allowances and until when."""

    def read(tx: Tx) -> AccountWhole:
        row = accounts.get_row(tx, account_id, me.person.id)
        return _whole(desk, row, allowances.list_told(tx, str(account_id)), accounts.count_unfinished(tx, me.person.id))

    return await desk.hayon.database.read(read)


@router.get(
    "/{which}/avatar",
    response_model=None,
    responses=refusals(401, 403, 404)
    | {200: {"description": "A JPEG, 128 pixels a side.", "content": {"image/jpeg": {}}}},
)
async def read_avatar(account_id: AccountId, me: MayRead, desk: TheDesk) -> Response:
    """The copy of the account's picture, to its owner; 404 while there is none."""
    row = await desk.hayon.database.read(accounts.get_row, account_id, me.person.id)
    if row.avatar_key is None:
        raise NotFound("There is no picture of this account here.")
    return Response(await desk.hayon.media.read(row.avatar_key), media_type="image/jpeg", headers=HARMLESS)


@router.post("/{which}", status_code=201, responses=refusals(401, 403))
async def connect_account(which: Which, given: Credentials, me: MayConnect, desk: TheDesk) -> AccountOut:
    """Connects an account of a platform; the platform is asked whose credentials these are before they are kept."""
    return account_out(desk, await connect(desk, me.person.id, which, given.root))


@router.post("/{which}/check", responses=refusals(401, 403, 404))
async def check_account(account_id: AccountId, me: MayConnect, desk: TheDesk) -> AccountOut:
    """Asks the platform whether the account still works, and for its present limits."""
    return account_out(desk, await desk.hayon.accounts.check(me.person.id, account_id))


@router.post("/{which}/default", responses=refusals(401, 403, 404))
async def make_default(account_id: AccountId, me: MayConnect, desk: TheDesk) -> AccountOut:
    """This account is what its platform's name means from now on."""
    database = desk.hayon.database
    await database.write(accounts.make_default, me.person.id, account_id)
    row = await database.read(accounts.get_row, account_id, me.person.id)
    return account_out(desk, accounts.as_account(row))


@router.delete("/{which}", responses=refusals(401, 403, 404))
async def disconnect_account(account_id: AccountId, me: MayConnect, desk: TheDesk) -> Disconnected:
    """Disconnects an account, and says what becomes of what was still to be published on it."""
    unfinished, fate = await desk.hayon.accounts.disconnect(me.person.id, account_id)
    return Disconnected(
        account_id=account_id, unfinished_targets=unfinished, credential=fate,
        message=f"{farewell(unfinished)} {FATES[fate]}",
    )  # fmt: skip


async def connect(desk: Desk, user_id: UUID, platform: str, given: dict[str, str]) -> Account:
    """Connects an account. Raises Invalid for an unknown platform and for whatever the platform refuses."""
    require_platform(desk, platform)
    return await desk.hayon.accounts.connect(user_id, platform, given)


def require_platform(desk: Desk, platform: str) -> None:
    """Raises Invalid for a word that is none of a platform."""
    if platform not in desk.hayon.platforms:
        known = ", ".join(sorted(desk.hayon.platforms))
        message = f"There is no platform {platform!r}; there are {known}."
        raise Invalid([Problem("platform", "unknown_platform", message)])


FATES = {
    Fate.GIVEN_BACK: "The platform has taken the credential back.",
    Fate.NO_WAY: "The credential is forgotten here; the platform takes none back, so remove Hayon there too.",
    Fate.UNANSWERED: "The credential is forgotten here, but the platform did not take it back: remove Hayon there too.",
    Fate.SHARED: "The credential is forgotten here and was not given back, because another account may live by the same consent.",
    Fate.NEEDED: "The credential is kept until it is known what went out, and then forgotten here: remove Hayon there too.",
}
"""What became of the credential of an account that was disconnected."""


def farewell(unfinished: int) -> str:
    """What becomes of unfinished targets of an account that was disconnected."""
    if not unfinished:
        return "It is disconnected. Nothing was waiting to be published on it."
    what = "1 post was" if unfinished == 1 else f"{unfinished} posts were"
    return (
        f"It is disconnected. {what} not finished on it: what was not sent yet will fail, and can be retried once the "
        "account is connected again; where it is not known whether something went out, that stays a question."
    )


async def list_whole(desk: Desk, user_id: UUID) -> list[AccountWhole]:
    """All accounts of this person, each as `GET /api/accounts/{which}` tells it."""

    def read(tx: Tx) -> list[AccountWhole]:
        rows = accounts.list_rows(tx, user_id)
        told = allowances.list_told_of(tx, [row.id for row in rows])
        unfinished = accounts.count_unfinished(tx, user_id)
        return [_whole(desk, row, told.get(row.id, []), unfinished) for row in rows]

    return await desk.hayon.database.read(read)


def find_copy_url(account: Account) -> str | None:
    """Where the copy of its picture is shown to its owner. Another picture has another address, so that none is shown for long."""
    if account.avatar_key is None:
        return None
    word = account.avatar_key.rsplit("/", 1)[-1][:8]
    return f"/api/accounts/{account.id}/avatar?v={word}"


def account_out(desk: Desk, account: Account) -> AccountOut:
    """An account as the API shows it."""
    return AccountOut(
        account_id=account.id, platform=account.platform, host=account.host, handle=account.handle,
        display_name=account.display_name, avatar_url=account.avatar_url,
        avatar_copy_url=find_copy_url(account), is_default=account.is_default,
        health=Health(
            status=account.health, needs_reconnection=account.needs_reconnection, message=account.health_message,
            mend=find_mend(account.platform, account.health),
        ),
        rules=desk.hayon.platforms[account.platform].rules(account.facts).as_json(),
    )  # fmt: skip


def _whole(desk: Desk, row: Any, told: Sequence[Told], unfinished: Mapping[UUID, int]) -> AccountWhole:
    return AccountWhole(
        **dict(account_out(desk, accounts.as_account(row))),
        allowances=[
            AllowanceOut(
                name=one.name, left=one.left, limit=one.limit, window_seconds=one.seconds, resets_at=one.resets_at,
                told_at=one.told_at,
            )
            for one in told
        ],
        blocked_until=row.blocked_until, unfinished_targets=unfinished.get(row.id, 0), connected_at=row.connected_at,
        renews_at=row.renew_at, renewal_failures=row.renew_failures,
    )  # fmt: skip
