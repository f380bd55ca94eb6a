"""The Bluesky adapter: both faces of the platform for text, pictures and video. Holds settings only, never state."""

from hayon.platforms.bluesky.connecting import LIVE_SERVICE, BlueskyConnecting
from hayon.platforms.bluesky.preparing import Fit
from hayon.platforms.bluesky.publishing import BlueskyPublishing
from hayon.platforms.bluesky.video import LIVE_VIDEO_SERVICE

__all__ = ["Bluesky", "Fit"]


class Bluesky(BlueskyPublishing, BlueskyConnecting):
    """Publishes on the AT Protocol network, or on one server of its own kind (a sandbox, a private PDS).

    `service_url` is where people sign in who name no server. `public_url` is where posts are shown: by default the
    official app for the live network, and the service itself for any other. `video_url` is the network's video service,
    None where it has none: then videos go straight to the account's own server and are shown as they are.
    """

    def __init__(
        self,
        service_url: str = LIVE_SERVICE,
        *,
        fit: Fit,
        link_cards: bool = True,
        public_url: str | None = None,
        video_url: str | None = LIVE_VIDEO_SERVICE,
    ) -> None:
        BlueskyConnecting.__init__(self, service_url=service_url)
        live = service_url.rstrip("/") == LIVE_SERVICE
        BlueskyPublishing.__init__(
            self,
            public_url=public_url or ("https://bsky.app" if live else service_url),
            fit=fit,
            link_cards=link_cards,
            video_url=video_url,
        )
