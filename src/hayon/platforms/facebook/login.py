"""What a person who logged in may publish on: their Pages, page by page of the list, and those of businesses where asked for.

Sources: Meta's pages "Long-Lived Access Tokens", "User Accounts", "User Permissions", "Business Owned Pages"; for the Pages
of businesses, which the first list leaves out, gitroomhq/postiz-app: facebook.provider.ts.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from hayon.errors import Disconnected, Rejected, Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Connected
from hayon.platforms.facebook.limits import NAME
from hayon.platforms.facebook.pages import introduced
from hayon.platforms.meta.graph import GONE, Graph
from hayon.platforms.meta.login import App, is_token, issued
from hayon.platforms.meta.reading import after_in, id_in

LIST = "pages_show_list"
PUBLISH = "pages_manage_posts"
SCOPES = (LIST, "pages_read_engagement", "pages_read_user_content", PUBLISH)
"""To list Pages, to find again what was posted, and to post and delete."""
BUSINESS = "business_management"
TASK = "CREATE_CONTENT"
"""What a person has to be allowed to do on a Page."""
AT_ONCE = 100
MOST_LISTED = 50
"""So many times a list is read on; nobody has more Pages than that."""
_SHOWN = "id,name,username,picture,access_token"


async def long_token(home: Graph, app: App, short: str, outgoing: Outgoing) -> str:
    """The token of about sixty days for that of an hour or two: Pages' own tokens last only where it was made with one."""
    request = home.get(
        "oauth/access_token", grant_type="fb_exchange_token", client_id=app.id, client_secret=app.secret,
        fb_exchange_token=short,
    )  # fmt: skip
    return issued(await app.ask(outgoing, request), NAME)


async def find_pages(person: Graph, outgoing: Outgoing) -> Sequence[Connected]:
    """The Pages that this person lets us post on, each with its own token. Raises Disconnected where there is none."""
    granted = {
        str(one.get("permission"))
        async for one in _all(person, outgoing, "me/permissions")
        if one.get("status") == "granted"
    }
    if missing := [scope for scope in (LIST, PUBLISH) if scope not in granted]:
        raise Disconnected(
            f"Facebook was not allowed to give this Hayon {' and '.join(missing)}. Connect once more, and leave all of it on.",
            health="error",
        )
    found: dict[str, Connected] = {}
    async for page in _all(person, outgoing, "me/accounts", fields=f"{_SHOWN},tasks", limit=str(AT_ONCE)):
        tasks = page.get("tasks")
        if isinstance(tasks, list) and TASK in tasks:
            _add(found, person, page)
    if BUSINESS in granted:
        async for business in _all(person, outgoing, "me/businesses", fields="id,name", limit=str(AT_ONCE)):
            for edge in ("owned_pages", "client_pages"):
                await _add_of_business(found, person, outgoing, f"{id_in(business)}/{edge}")
    if not found:
        raise Disconnected(
            "Facebook shows no Page on which this person may make posts. In its window, choose the Pages to be used; on each, "
            f"the person needs a role with the task {TASK}. Pages of a business portfolio are only shown if asked for.",
            health="error",
        )
    return list(found.values())


async def _add_of_business(found: dict[str, Connected], person: Graph, outgoing: Outgoing, path: str) -> None:
    """Lists of businesses name no tasks: a Page whose token is shown is one that this person has a role on.

    What one business does not show leaves the others' Pages as they are.
    """
    try:
        async for page in _all(person, outgoing, path, fields=_SHOWN, limit=str(AT_ONCE)):
            _add(found, person, page)
    except (Disconnected, Rejected):
        return
    except Unavailable as error:
        if error.code != GONE:
            raise


def _add(found: dict[str, Connected], person: Graph, page: Mapping[str, Any]) -> None:
    token = page.get("access_token")
    if isinstance(token, str) and is_token(token):
        connected = introduced(person, page, token)
        found.setdefault(connected.remote_id, connected)


async def _all(graph: Graph, outgoing: Outgoing, path: str, **fields: str) -> AsyncIterator[Mapping[str, Any]]:
    """The entries of a list, read to its end: the last page names no next one."""
    for _ in range(MOST_LISTED):
        body = await graph.ask(outgoing, graph.get(path, **fields))
        page, paging = body.get("data"), body.get("paging")
        if not isinstance(page, list) or not all(isinstance(one, Mapping) for one in page):
            raise Unavailable("Facebook answered with a list that could not be read. Connect once more.")
        for one in page:
            yield one
        after = after_in(body)
        if after is None or not isinstance(paging, Mapping) or "next" not in paging:
            return
        fields = {**fields, "after": after}
