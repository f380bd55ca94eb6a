"""The simulated Threads' memory, who may call it for whom, and the refusals that several of its calls share."""

from hayon.sandbox.gate import Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.calls import Api, caller
from hayon.sandbox.meta.containers import Container, ContainerMemory, Post
from hayon.sandbox.meta.entering import Login, refusal
from hayon.sandbox.meta.graph import error, not_there
from hayon.sandbox.meta.renewing import THREADS_APP_ID
from hayon.sandbox.model import Account, Platform, Standing

API = Api(Platform.THREADS, "threads.calls", throttled=4)
BASIC = "threads_basic"
PUBLISH = "threads_content_publish"
READ_REPLIES = "threads_read_replies"
DELETE = "threads_delete"
SCOPES = (BASIC, PUBLISH, "threads_manage_replies", READ_REPLIES, DELETE)
LOGIN = Login(
    api=API,
    app_id=THREADS_APP_ID,
    scopes=SCOPES,
    needed=BASIC,
    ending="#_",
    kind="short",
    refusal=refusal,
    answer=lambda account, _: {"user_id": int(account.account_id)},
)


def threads_of(world: Ground) -> ContainerMemory:
    """This world's Threads."""
    return world.memory(Platform.THREADS, ContainerMemory)


def own_user(call: Call, *scopes: str) -> Account:
    """The account in the path, which must be the caller's own."""
    account, _ = caller(call, API, BASIC, *scopes)
    node = call.request.path_params["node"]
    if node not in ("me", account.account_id):
        raise not_there(call.request.method, node)
    return account


def own_container(call: Call) -> Container:
    """The container in the path."""
    account, _ = caller(call, API, BASIC)
    node = call.request.path_params["node"]
    held = threads_of(call.world).find_container(account, node)
    if held is None:
        raise not_there(call.request.method, node)
    return held


def own_post(call: Call, *scopes: str) -> tuple[Account, Post]:
    """The post in the path, and whose it is."""
    account, _ = caller(call, API, BASIC, *scopes)
    node = call.request.path_params["node"]
    held = threads_of(call.world).find_post(account, node)
    if held is None:
        raise not_there(call.request.method, node)
    return account, held


def unfound(media_id: str) -> Refused:
    """24 / 4279009: what is said of a container that is not there yet, not there any more, or never was."""
    return error(
        24,
        "The requested resource does not exist",
        subcode=4279009,
        title="Media Not Found",
        words=f"The media with id {media_id} cannot be found.",
    )


def check_standing(account: Account) -> None:
    """4279013 for a restricted account. Its code is not told; that of Instagram's like refusal is taken."""
    if account.standing is Standing.RESTRICTED:
        raise error(
            25,
            "The Threads account is restricted",
            subcode=4279013,
            title="Account Restricted",
            words="This Threads account is restricted. Open Threads to see what can be done.",
        )


def used_up(what: str) -> Refused:
    """A quota of a day is used up. Its code is not told either; the one for too many calls is taken."""
    return error(
        4,
        "(#4) Application request limit reached",
        title="Limit Reached",
        words=f"You reached the maximum number of {what} in 24 hours.",
    )
