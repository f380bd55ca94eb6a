"""The Bluesky adapter: both faces of the platform for text and pictures. Holds settings only, never state."""

from hayon.platforms.bluesky.connecting import LIVE_SERVICE, BlueskyConnecting
from hayon.platforms.bluesky.preparing import Shrink
from hayon.platforms.bluesky.publishing import BlueskyPublishing

__all__ = ["Bluesky", "Shrink"]


class Bluesky(BlueskyPublishing, BlueskyConnecting):
    """Publishes on the AT Protocol network, or on one server of its own kind (a sandbox, a private PDS).

    `service_url` is where people sign in who name no server. `public_url` is where posts are shown: by default the
    official app for the live network, and the service itself for any other.
    """

    def __init__(
        self,
        service_url: str = LIVE_SERVICE,
        *,
        shrink: Shrink,
        link_cards: bool = True,
        public_url: str | None = None,
    ) -> None:
        BlueskyConnecting.__init__(self, service_url=service_url)
        live = service_url.rstrip("/") == LIVE_SERVICE
        BlueskyPublishing.__init__(
            self,
            public_url=public_url or ("https://bsky.app" if live else service_url),
            shrink=shrink,
            link_cards=link_cards,
        )
