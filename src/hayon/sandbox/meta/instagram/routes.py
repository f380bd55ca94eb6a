"""Every call the simulated Instagram answers, and where it is reached."""

from starlette.routing import BaseRoute

from hayon.sandbox.gate import Endpoint, Gate
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.calls import GraphManners
from hayon.sandbox.meta.doors import GRAPH_VERSION, Entrance
from hayon.sandbox.meta.instagram.creating import create_container
from hayon.sandbox.meta.instagram.publishing import (
    create_comment,
    delete_media,
    list_comments,
    publish,
    publishing_limit,
)
from hayon.sandbox.meta.instagram.reading import (
    exchange_code,
    exchange_token,
    get_container,
    get_me,
    get_media,
    list_media,
    list_stories,
    refresh_token,
)
from hayon.sandbox.meta.instagram.wire import API, instagram_of

TABLE = (
    ("POST", "oauth/access_token", Endpoint("exchange_code", exchange_code)),
    ("GET", "access_token", Endpoint("access_token", exchange_token)),
    ("GET", "refresh_access_token", Endpoint("refresh_access_token", refresh_token)),
    ("GET", "{media}", Endpoint("get_media", get_media)),
    ("GET", "{container}", Endpoint("get_container", get_container)),
    ("GET", "{user}", Endpoint("me", get_me)),
    ("DELETE", "{media}", Endpoint("delete_media", delete_media)),
    ("POST", "{user}/media", Endpoint("create_container", create_container)),
    ("POST", "{user}/media_publish", Endpoint("media_publish", publish)),
    ("GET", "{user}/media", Endpoint("list_media", list_media)),
    ("GET", "{user}/stories", Endpoint("list_stories", list_stories)),
    ("GET", "{user}/content_publishing_limit", Endpoint("content_publishing_limit", publishing_limit)),
    ("POST", "{media}/comments", Endpoint("create_comment", create_comment)),
    ("GET", "{media}/comments", Endpoint("list_comments", list_comments)),
)


def routes(world: Ground) -> list[BaseRoute]:
    """The API under `/instagram/v…/`; token endpoints and `me` without a version too."""
    gate = Gate(world, GraphManners(API))
    return Entrance(gate, API.platform, TABLE, lambda node: instagram_of(world).kind_of(node), GRAPH_VERSION).routes()
