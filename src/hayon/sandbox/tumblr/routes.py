"""Every call the simulated Tumblr answers, and where it is reached."""

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from hayon.sandbox.gate import Endpoint, Gate
from hayon.sandbox.ground import Ground
from hayon.sandbox.tumblr.legs import access_token, request_token
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.tumblr.listing import blog_info, list_drafts, list_posts, list_queue, user_info, user_limits
from hayon.sandbox.tumblr.oauth import create_token, exchange
from hayon.sandbox.tumblr.posts import create_post, delete_post, edit_post, get_post
from hayon.sandbox.tumblr.wire import TumblrManners, not_found


def routes(world: Ground) -> list[BaseRoute]:
    """The API under `/tumblr/v2/`, and beside it what the site itself has of OAuth 1.0a."""
    gate, limits = Gate(world, TumblrManners()), world.limits.of(TumblrLimits)
    upload = limits.video_size + limits.images * limits.image_size + 2**21
    table = (
        ("POST", "oauth2/token", Endpoint("token", create_token)),
        ("POST", "oauth2/exchange", Endpoint("exchange", exchange)),
        ("GET", "user/info", Endpoint("userInfo", user_info)),
        ("GET", "user/limits", Endpoint("userLimits", user_limits)),
        ("GET", "blog/{blog}/info", Endpoint("blogInfo", blog_info)),
        ("POST", "blog/{blog}/posts", Endpoint("createPost", create_post, body_bytes=upload)),
        ("GET", "blog/{blog}/posts", Endpoint("listPosts", list_posts)),
        ("GET", "blog/{blog}/posts/draft", Endpoint("listDrafts", list_drafts)),
        ("GET", "blog/{blog}/posts/queue", Endpoint("listQueue", list_queue)),
        ("GET", "blog/{blog}/posts/{id}", Endpoint("getPost", get_post)),
        ("PUT", "blog/{blog}/posts/{id}", Endpoint("editPost", edit_post, body_bytes=upload)),
        ("POST", "blog/{blog}/post/delete", Endpoint("deletePost", delete_post)),
    )
    known: list[BaseRoute] = [
        Route(f"/tumblr/v2/{path}", gate.door(endpoint), methods=[method]) for method, path, endpoint in table
    ]
    signed = Endpoint("accessToken", access_token)
    legs: list[BaseRoute] = [
        Route("/tumblr/oauth/request_token", gate.door(Endpoint("requestToken", request_token)), methods=["POST"]),
        # the documents say GET, RFC 5849 and Tumblr's own clients POST
        Route("/tumblr/oauth/access_token", gate.door(signed), methods=["GET", "POST"]),
    ]
    return [*known, *legs, Route("/tumblr/v2/{rest:path}", Unknown())]


class Unknown:
    """Whatever the API does not have."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """404."""
        answer = not_found().answer
        await JSONResponse(answer.body, answer.status)(scope, receive, send)
