"""The simulated Instagram's memory, who may call it for whom, and the refusals that several of its calls share.

Source of codes and words: Meta's page "Error Codes".
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hayon.sandbox.gate import Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.journal import Event
from hayon.sandbox.limits import DAY
from hayon.sandbox.meta.calls import Api, caller
from hayon.sandbox.meta.containers import Container, ContainerMemory, Post
from hayon.sandbox.meta.entering import Login, refusal
from hayon.sandbox.meta.graph import error, not_there
from hayon.sandbox.meta.renewing import INSTAGRAM_APP_ID
from hayon.sandbox.meta.tokens import Tokens
from hayon.sandbox.model import Account, Platform, Standing

API = Api(Platform.INSTAGRAM, "instagram.calls", throttled=80002, usage="instagram")
BASIC = "instagram_business_basic"
PUBLISH = "instagram_business_content_publish"
COMMENT = "instagram_business_manage_comments"
SCOPES = (BASIC, PUBLISH, COMMENT)
LOGIN = Login(
    api=API,
    app_id=INSTAGRAM_APP_ID,
    scopes=SCOPES,
    needed=BASIC,
    ending="#_",
    kind="short",
    refusal=refusal,
    answer=lambda account, token: {"user_id": int(scoped_id(account)), "permissions": token.scopes},
)
TOKEN_PREFIX = "IGAA"  # noqa: S105 - what such tokens begin with
STORY = "STORY"
SCOPED = 7_000_000_000_000_000
"""What an account's id for this application is more than its id for everybody."""


@dataclass(slots=True)
class Comment:
    """A comment under a post."""

    comment_id: str
    number: int
    media_id: str
    account_id: str
    text: str
    written_at: float


class Instagram(ContainerMemory):
    """What Instagram remembers: containers and posts, and the comments under them."""

    def __init__(self, world: Ground) -> None:
        super().__init__(world, Platform.INSTAGRAM, Tokens(world, Platform.INSTAGRAM, TOKEN_PREFIX, SCOPES))
        self.comments: dict[str, list[Comment]] = {}
        self.effects: Mapping[str, Callable[[dict[str, Any]], None]] = {
            **self.effects,
            "instagram.comment": self._on_comment,
        }

    def kind_of(self, node: str) -> str | None:
        """What kind of object has this id; an account has two."""
        kind = super().kind_of(node)
        return super().kind_of(str(int(node) - SCOPED)) if kind is None and node.isdecimal() else kind

    def commented(self, comment: Comment) -> Event:
        """The event of a new comment."""
        return "instagram.comment", asdict(comment)

    def _on_comment(self, facts: dict[str, Any]) -> None:
        held = Comment(**facts)
        self.comments.setdefault(held.media_id, []).append(held)
        self.numbered(held.number)


def instagram_of(world: Ground) -> Instagram:
    """This world's Instagram."""
    return world.memory(Platform.INSTAGRAM, Instagram)


def scoped_id(account: Account) -> str:
    """The account's id for this application; `account_id` is its id for everybody, and both are good in a path."""
    return str(int(account.account_id) + SCOPED)


def own_user(call: Call, *scopes: str) -> Account:
    """The account in the path, which must be the caller's own."""
    account, _ = caller(call, API, BASIC, *scopes)
    node = call.request.path_params["node"]
    if node not in ("me", account.account_id, scoped_id(account)):
        raise not_there(call.request.method, node)
    return account


def own_container(call: Call) -> Container:
    """The container in the path."""
    account, _ = caller(call, API, BASIC)
    node = call.request.path_params["node"]
    held = instagram_of(call.world).find_container(account, node)
    if held is None:
        raise not_there(call.request.method, node)
    return held


def own_post(call: Call, *scopes: str) -> tuple[Account, Post]:
    """The post in the path, and whose it is. A story is gone after a day."""
    account, _ = caller(call, API, BASIC, *scopes)
    node = call.request.path_params["node"]
    held = instagram_of(call.world).find_post(account, node)
    if held is None or is_over(held, call.now):
        raise not_there(call.request.method, node)
    return account, held


def is_over(post: Post, now: float) -> bool:
    """Whether it was a story, and its day is over."""
    return post.product == STORY and now >= post.published_at + DAY


def check_standing(account: Account) -> None:
    """25 / 2207050 for a restricted account."""
    if account.standing is Standing.RESTRICTED:
        raise error(
            25,
            "The Instagram account is restricted.",
            subcode=2207050,
            title="Account restricted",
            words="The Instagram account is restricted.",
        )


def not_ready() -> Refused:
    """9007 / 2207027."""
    return error(
        9007,
        "Media ID is not available",
        subcode=2207027,
        title="Media not ready for publishing",
        words="The media is not ready for publishing, please wait for a moment",
    )


def not_found(media_id: str) -> Refused:
    """24 / 2207006: it was never there, or is somebody else's."""
    words = f"The media with {media_id} cannot be found"
    return error(24, "The requested resource does not exist", subcode=2207006, title="Media not found", words=words)


def expired(creation_id: str) -> Refused:
    """24 / 2207008: a container that was there and is good no more."""
    words = f"The media builder with creation id = {creation_id} does not exist or has been expired."
    return error(
        24, "The requested resource does not exist", subcode=2207008, title="Media builder not found", words=words
    )
