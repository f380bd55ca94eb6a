"""Every call the simulated instance answers, and where it is reached."""

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from hayon.sandbox.gate import Answer, Call, Endpoint, Gate
from hayon.sandbox.ground import Ground
from hayon.sandbox.mastodon.entities import instance_v1_json, instance_v2_json
from hayon.sandbox.mastodon.limits import InstanceLimits
from hayon.sandbox.mastodon.media import delete_media, get_media, update_media, upload_media
from hayon.sandbox.mastodon.oauth import (
    authorization_server,
    create_app,
    create_token,
    revoke_token,
    verify_credentials,
)
from hayon.sandbox.mastodon.statuses import (
    create_status,
    delete_status,
    get_source,
    get_status,
    list_statuses,
    note_key,
    one_at_a_time,
)
from hayon.sandbox.mastodon.wire import InstanceManners, charge


async def get_instance_v2(call: Call) -> Answer:
    """GET /api/v2/instance."""
    charge(call)
    return Answer(instance_v2_json(call))


async def get_instance_v1(call: Call) -> Answer:
    """GET /api/v1/instance."""
    charge(call)
    return Answer(instance_v1_json(call))


def routes(world: Ground) -> list[BaseRoute]:
    """The instance under `/mastodon/`; its authorization page stands with the other pages."""
    gate, limits = Gate(world, InstanceManners()), world.limits.of(InstanceLimits)
    upload = max(limits.image_size, limits.video_size) + 2**20
    table = (
        ("GET", "/api/v2/instance", Endpoint("getInstance", get_instance_v2)),
        ("GET", "/api/v1/instance", Endpoint("getInstance", get_instance_v1)),
        ("GET", "/.well-known/oauth-authorization-server", Endpoint("getInstance", authorization_server)),
        ("POST", "/api/v1/apps", Endpoint("createApp", create_app)),
        ("POST", "/oauth/token", Endpoint("token", create_token)),
        ("POST", "/oauth/revoke", Endpoint("revoke", revoke_token)),
        ("GET", "/api/v1/accounts/verify_credentials", Endpoint("verifyCredentials", verify_credentials)),
        ("POST", "/api/v2/media", Endpoint("uploadMedia", upload_media, body_bytes=upload)),
        ("GET", "/api/v1/media/{id}", Endpoint("getMedia", get_media)),
        ("PUT", "/api/v1/media/{id}", Endpoint("updateMedia", update_media)),
        ("DELETE", "/api/v1/media/{id}", Endpoint("deleteMedia", delete_media)),
        (
            "POST",
            "/api/v1/statuses",
            Endpoint("createStatus", create_status, begin=note_key, hold=one_at_a_time),
        ),
        ("GET", "/api/v1/statuses/{id}", Endpoint("getStatus", get_status)),
        ("GET", "/api/v1/statuses/{id}/source", Endpoint("getSource", get_source)),
        ("DELETE", "/api/v1/statuses/{id}", Endpoint("deleteStatus", delete_status)),
        ("GET", "/api/v1/accounts/{id}/statuses", Endpoint("listStatuses", list_statuses)),
    )
    # Rails does not mind a slash at the end
    known: list[BaseRoute] = [
        Route(f"/mastodon{path}{slash}", gate.door(endpoint), methods=[method])
        for slash in ("", "/")
        for method, path, endpoint in table
    ]
    return [*known, Route("/mastodon/api/{rest:path}", Unknown())]


class Unknown:
    """Whatever the API does not have."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """404."""
        await JSONResponse({"error": "Not Found"}, 404)(scope, receive, send)
