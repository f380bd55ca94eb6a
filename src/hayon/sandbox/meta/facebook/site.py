"""The simulated Facebook Page as the sandbox asks for it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.routing import BaseRoute, Route

from hayon.sandbox.cards import Card
from hayon.sandbox.faults import Mishaps
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Rate
from hayon.sandbox.meta.dialogs import Dialog
from hayon.sandbox.meta.doors import DIALOG
from hayon.sandbox.meta.facebook.cards import find_by_path, find_card
from hayon.sandbox.meta.facebook.granting import LOGIN
from hayon.sandbox.meta.facebook.limits import RATES
from hayon.sandbox.meta.facebook.memory import TOKEN_PREFIX, Facebook
from hayon.sandbox.meta.facebook.routes import OPERATIONS, routes
from hayon.sandbox.meta.facebook.wire import APP_ID, facebook_of
from hayon.sandbox.meta.renewing import APP_SECRET
from hayon.sandbox.meta.tokens import new_text
from hayon.sandbox.model import Account, LedgerEntry, Platform, Standing
from hayon.sandbox.pages import Pages
from hayon.sandbox.site import Credential

FIRST_ACCOUNT = 102_000_000_000_000
NO_KEY = "Facebook has no idempotency key"
VIDEOS = ("finish_reel", "finish_video", "finish_video_story", "create_video")
PUBLISHING = (
    "create_post",
    "publish_post",
    "upload_photo",
    "finish_reel",
    "finish_video",
    "create_video",
    "publish_photo_story",
    "finish_video_story",
)
MISHAPS = Mishaps(
    OPERATIONS,
    where={
        "expire_token": (),
        "list_late": PUBLISHING,
        "status_late": PUBLISHING,
        "double_on_repeat": ("create_post", "finish_reel", "finish_video", "publish_photo_story", "finish_video_story"),
        "slow_media": VIDEOS,
        "failed_media": VIDEOS,
    },
    why_not={
        "key_at_start": NO_KEY,
        "crash_on_repeat": NO_KEY,
        "silent_drop": "nothing of the kind was seen of Facebook",
    },
)


class FacebookSite:
    """A Facebook Page under `/facebook/`, its posts under `/facebook/{page}/`, `/facebook/reel/`, `/facebook/stories/`."""

    platform = Platform.FACEBOOK
    mishaps = MISHAPS
    rates: Mapping[str, Rate] = RATES
    standings = frozenset({Standing.ACTIVE, Standing.RESTRICTED, Standing.DISABLED})

    def remember(self, world: Ground) -> Facebook:
        """An empty Facebook."""
        return Facebook(world)

    def is_handle(self, text: str) -> bool:
        """A Page's username: letters, digits and periods, at most 50."""
        return re.fullmatch(r"[A-Za-z0-9.]{1,50}", text) is not None

    def new_account_id(self, handle: str, number: int) -> str:
        """The id of a Page: a number as text."""
        return str(FIRST_ACCOUNT + number)

    def new_credential(self) -> Credential:
        """A Page's access token, and the token of the person who may use the Page."""
        return Credential(new_text(TOKEN_PREFIX), {"userAccessToken": new_text("EAAU")})

    def connection(self, account: Account, origin: str) -> dict[str, Any]:
        """The Page and its token, which is all one needs; and for people where the API is, and what else opens it."""
        return {
            "pageId": account.account_id,
            "accessToken": account.secret,
            "graphUrl": f"{origin}facebook",
            "userAccessToken": account.more["userAccessToken"],
            "appId": APP_ID,
            "appSecret": APP_SECRET,
        }

    def is_post(self, entry: LedgerEntry) -> bool:
        """Something that became visible."""
        return entry.operation in PUBLISHING

    def find_card(self, world: Ground, key: str) -> Card | None:
        """By the post's own id."""
        return find_card(world, key)

    def routes(self, world: Ground) -> list[BaseRoute]:
        """The API."""
        return routes(world)

    def pages(self, world: Ground, pages: Pages) -> list[BaseRoute]:
        """A post's page, with and without a slash at its end, and the one that asks people what an application may do."""

        def at(path: str) -> Callable[[Mapping[str, str]], Card | None]:
            return lambda parts: find_by_path(world, path.format(**parts))

        paths = (
            "/facebook/{page}/posts/{id}",
            "/facebook/{page}/videos/{id}",
            "/facebook/stories/{page}/{id}",
            "/facebook/reel/{id}",
        )
        dialog = Dialog(world, pages, LOGIN, lambda world, account: facebook_of(world).roles.pages_of(account))
        asking = [f"/facebook/{version}{DIALOG}" for version in ("", "v{version}/")]
        return [
            *(Route(path, dialog.ask, methods=["GET"]) for path in asking),
            *(Route(path, dialog.allow, methods=["POST"]) for path in asking),
            *(pages.permalink(path + end, at(path)) for path in paths for end in ("", "/")),
        ]
