"""Every call the simulated Facebook answers, and where it is reached."""

from starlette.routing import BaseRoute, Route

from hayon.sandbox.gate import Endpoint, Gate
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import MEBIBYTE
from hayon.sandbox.meta.calls import GraphManners
from hayon.sandbox.meta.doors import GRAPH_VERSION, Entrance
from hayon.sandbox.meta.facebook.arriving import intake, upload_video
from hayon.sandbox.meta.facebook.filming import (
    create_video,
    delete_video,
    finish_reel,
    finish_video,
    finish_video_story,
    start_reel,
    start_video,
    start_video_story,
    transfer_video,
)
from hayon.sandbox.meta.facebook.granting import (
    exchange_code,
    exchange_token,
    list_accounts,
    list_businesses,
    list_client_pages,
    list_owned_pages,
    list_permissions,
)
from hayon.sandbox.meta.facebook.photos import delete_photo, upload_photo
from hayon.sandbox.meta.facebook.posting import create_post, delete_post, publish_post, update_post
from hayon.sandbox.meta.facebook.reading import (
    debug_token,
    get_me,
    get_photo,
    get_post,
    get_video,
    list_feed,
    list_published_posts,
    list_reels,
    list_scheduled_posts,
)
from hayon.sandbox.meta.facebook.stories import list_stories, publish_photo_story
from hayon.sandbox.meta.facebook.wire import API, facebook_of
from hayon.sandbox.meta.forks import Choice

PHOTO_BYTES = 16 * MEBIBYTE
PART_BYTES = 32 * MEBIBYTE
PUBLISH = Endpoint("publish_post", publish_post)
EXCHANGE = Endpoint("exchange_code", exchange_code)
TABLE = (
    ("GET", "debug_token", Endpoint("debug_token", debug_token)),
    ("POST", "oauth/access_token", EXCHANGE),
    (
        "GET",
        "oauth/access_token",
        Choice("grant_type", {"fb_exchange_token": Endpoint("exchange_token", exchange_token)}, EXCHANGE),
    ),
    ("GET", "{post}", Endpoint("get_post", get_post)),
    ("GET", "{photo}", Endpoint("get_photo", get_photo)),
    ("GET", "{video}", Endpoint("get_video", get_video)),
    ("GET", "{user}", Endpoint("me", get_me)),
    (
        "POST",
        "{post}",
        Choice("is_published", {"true": PUBLISH, "1": PUBLISH}, Endpoint("update_post", update_post)),
    ),
    ("DELETE", "{post}", Endpoint("delete_post", delete_post)),
    ("DELETE", "{photo}", Endpoint("delete_photo", delete_photo)),
    ("DELETE", "{video}", Endpoint("delete_video", delete_video)),
    ("GET", "{user}/permissions", Endpoint("list_permissions", list_permissions)),
    ("GET", "{user}/accounts", Endpoint("list_accounts", list_accounts)),
    ("GET", "{user}/businesses", Endpoint("list_businesses", list_businesses)),
    ("GET", "{business}/owned_pages", Endpoint("list_owned_pages", list_owned_pages)),
    ("GET", "{business}/client_pages", Endpoint("list_client_pages", list_client_pages)),
    ("POST", "{user}/feed", Endpoint("create_post", create_post)),
    ("GET", "{user}/feed", Endpoint("list_feed", list_feed)),
    ("GET", "{user}/published_posts", Endpoint("list_published_posts", list_published_posts)),
    ("GET", "{user}/scheduled_posts", Endpoint("list_scheduled_posts", list_scheduled_posts)),
    ("POST", "{user}/photos", Endpoint("upload_photo", upload_photo, body_bytes=PHOTO_BYTES)),
    (
        "POST",
        "{user}/video_reels",
        Choice("upload_phase", {"finish": Endpoint("finish_reel", finish_reel)}, Endpoint("start_reel", start_reel)),
    ),
    ("GET", "{user}/video_reels", Endpoint("list_reels", list_reels)),
    (
        "POST",
        "{user}/videos",
        Choice(
            "upload_phase",
            {
                "start": Endpoint("start_video", start_video),
                "transfer": Endpoint("transfer_video", transfer_video, body_bytes=PART_BYTES),
                "finish": Endpoint("finish_video", finish_video),
            },
            Endpoint("create_video", create_video, body_bytes=PART_BYTES),
        ),
    ),
    ("POST", "{user}/photo_stories", Endpoint("publish_photo_story", publish_photo_story)),
    (
        "POST",
        "{user}/video_stories",
        Choice(
            "upload_phase",
            {"finish": Endpoint("finish_video_story", finish_video_story)},
            Endpoint("start_video_story", start_video_story),
        ),
    ),
    ("GET", "{user}/stories", Endpoint("list_stories", list_stories)),
)
UPLOAD = Endpoint("upload_video", upload_video, intake=intake)
OPERATIONS = frozenset(
    endpoint.operation
    for one in (*(one for _, _, one in TABLE), UPLOAD)
    for endpoint in (one.endpoints if isinstance(one, Choice) else (one,))
)


def routes(world: Ground) -> list[BaseRoute]:
    """The API under `/facebook/v…/`, the upload addresses under `/facebook/video-upload/`; `me` without a version too."""
    gate = Gate(world, GraphManners(API))
    entrance = Entrance(gate, API.platform, TABLE, lambda node: facebook_of(world).kind_of(node), GRAPH_VERSION)
    # first, since `video-upload` begins like a version
    return [Route("/facebook/video-upload/v{version}/{node}", gate.door(UPLOAD), methods=["POST"]), *entrance.routes()]
