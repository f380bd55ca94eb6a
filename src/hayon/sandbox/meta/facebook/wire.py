"""Who may call the simulated Facebook for which Page, and the refusals that several of its calls share.

Source of codes: Meta's page "Error Handling"; subcodes as clients have seen them. Where only the subcode is known, it
comes with code 100.
"""

from typing import Any

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.calls import Api, caller
from hayon.sandbox.meta.facebook.memory import SCOPED, Facebook, Photo, Post, Video
from hayon.sandbox.meta.graph import error, not_there
from hayon.sandbox.meta.renewing import APP_SECRET, FACEBOOK_APP_ID
from hayon.sandbox.model import Account, Platform, Standing

BY_PERSON = Api(Platform.FACEBOOK, "facebook.user_calls", throttled=32, phrase="Page request limit reached")
API = Api(
    Platform.FACEBOOK,
    "facebook.calls",
    throttled=80001,
    usage="pages",
    other_kinds={"user": BY_PERSON},
    app_secret=APP_SECRET,
)
LIST = "pages_show_list"
READ = "pages_read_engagement"
READ_FEED = "pages_read_user_content"
POST = "pages_manage_posts"
APP_ID = FACEBOOK_APP_ID


def facebook_of(world: Ground) -> Facebook:
    """This world's Facebook."""
    return world.memory(Platform.FACEBOOK, Facebook)


def person_id(account: Account) -> str:
    """The id of the person who may use this Page."""
    return str(int(account.account_id) + SCOPED)


def page_caller(call: Call, *scopes: str) -> Account:
    """The Page whose token this is; codes 200 and 210 for a person's token, which is of another kind."""
    account, token = caller(call, API, *scopes)
    if token.kind == "page":
        return account
    if call.request.method == "GET":
        raise error(210, "(#210) A page access token is required to request this resource.", status=403)
    text = (
        "(#200) If posting to a group, requires app being installed in the group, and either publish_to_groups permission "
        "with user token, or both pages_read_engagement and pages_manage_posts permission with page token; If posting to "
        "a page, requires both pages_read_engagement and pages_manage_posts as an admin with sufficient administrative "
        "permission"
    )
    raise error(200, text, status=403)


def own_page(call: Call, *scopes: str) -> Account:
    """The Page in the path, which must be the caller's own."""
    account = page_caller(call, *scopes)
    node = call.request.path_params["node"]
    if node not in ("me", account.account_id):
        raise not_there(call.request.method, node)
    return account


def own_photo(call: Call, *scopes: str) -> tuple[Account, Photo]:
    """The photo in the path, and whose it is."""
    account = page_caller(call, *scopes)
    node = call.request.path_params["node"]
    held = facebook_of(call.world).find_photo(account, node)
    if held is None:
        raise not_there(call.request.method, node)
    return account, held


def own_video(call: Call, *scopes: str) -> tuple[Account, Video]:
    """The video in the path, and whose it is."""
    account = page_caller(call, *scopes)
    node = call.request.path_params["node"]
    held = facebook_of(call.world).find_video(account, node)
    if held is None:
        raise not_there(call.request.method, node)
    return account, held


def own_post(call: Call, *scopes: str) -> tuple[Account, Post]:
    """The post or draft in the path, and whose it is; one just made may not be there yet for whoever reads."""
    account = page_caller(call, *scopes)
    node = call.request.path_params["node"]
    held = facebook_of(call.world).find_post(account, node)
    if held is None or (call.request.method == "GET" and call.now < held.found_at):
        raise not_there(call.request.method, node)
    return account, held


def check_still_there(call: Call, account: Account) -> None:
    """After waiting, the world may be another one, without this Page."""
    if call.world.find_account(API.platform, account.account_id) is not account:
        raise not_there(call.request.method, account.account_id)


def check_standing(account: Account) -> None:
    """368 for a restricted Page."""
    if account.standing is Standing.RESTRICTED:
        raise blocked(1404112, "Your account is limited", "Your Page is limited right now. Please try again later.")


def blocked(subcode: int, title: str, words: str) -> Refused:
    """368: the Page may not do this now."""
    text = "The action attempted has been deemed abusive or is otherwise disallowed"
    return error(368, text, subcode=subcode, title=title, words=words)


def wrong(subcode: int, title: str, words: str, code: int = 100) -> Refused:
    """What is handed in is not good, and a subcode says why."""
    text = {1: "An unknown error occurred", 324: "(#324) Missing or invalid image file"}.get(code, "Invalid parameter")
    return error(code, text, subcode=subcode, title=title, words=words)


def already_shown() -> Refused:
    """1366051: these photos stand in a post already."""
    return wrong(1366051, "Photos already posted", "These photos were already posted.")


def video_problem(code: int, text: str, **more: Any) -> Refused:
    """A refusal about a video: 382, 389, 6000."""
    return error(code, f"(#{code}) {text}", **more)


def done(**more: Any) -> Answer:
    """It worked."""
    return Answer({"success": True, **more})
