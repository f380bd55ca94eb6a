"""Every call the simulated Threads answers, and where it is reached."""

from starlette.routing import BaseRoute

from hayon.sandbox.gate import Endpoint, Gate
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.calls import GraphManners
from hayon.sandbox.meta.doors import THREADS_VERSION, Entrance
from hayon.sandbox.meta.threads.creating import create_container
from hayon.sandbox.meta.threads.publishing import delete, publish, publishing_limit
from hayon.sandbox.meta.threads.reading import (
    debug_token,
    exchange_code,
    exchange_token,
    get_container,
    get_me,
    get_media,
    list_replies,
    list_threads,
    refresh_token,
)
from hayon.sandbox.meta.threads.wire import API, threads_of

TABLE = (
    ("GET", "debug_token", Endpoint("debug_token", debug_token)),
    ("POST", "oauth/access_token", Endpoint("exchange_code", exchange_code)),
    ("GET", "access_token", Endpoint("access_token", exchange_token)),
    ("GET", "refresh_access_token", Endpoint("refresh_access_token", refresh_token)),
    ("GET", "{media}", Endpoint("get_media", get_media)),
    ("GET", "{container}", Endpoint("get_container", get_container)),
    ("GET", "{user}", Endpoint("me", get_me)),
    ("DELETE", "{media}", Endpoint("delete_media", delete)),
    ("POST", "{user}/threads", Endpoint("create_container", create_container)),
    ("POST", "{user}/threads_publish", Endpoint("threads_publish", publish)),
    ("GET", "{user}/threads", Endpoint("list_threads", list_threads)),
    ("GET", "{user}/replies", Endpoint("list_replies", list_replies)),
    ("GET", "{user}/threads_publishing_limit", Endpoint("threads_publishing_limit", publishing_limit)),
)


def routes(world: Ground) -> list[BaseRoute]:
    """The API under `/threads/v1.0/`; token endpoints and `me` without a version too."""
    gate = Gate(world, GraphManners(API))
    return Entrance(gate, API.platform, TABLE, lambda node: threads_of(world).kind_of(node), THREADS_VERSION).routes()
