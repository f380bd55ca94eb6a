"""The Facebook adapter: both faces of the platform for Pages. Holds settings only, never state."""

from hayon.platforms.facebook.addresses import LIVE_URL
from hayon.platforms.facebook.connecting import FacebookConnecting
from hayon.platforms.facebook.limits import NAME, PLATFORM
from hayon.platforms.facebook.publishing import FacebookPublishing
from hayon.platforms.meta.login import App

__all__ = ["LIVE_URL", "Facebook"]


class Facebook(FacebookPublishing, FacebookConnecting):
    """Publishes text, links, pictures, reels, videos and stories on Pages.

    `base_url` is where Pages are connected; each account keeps the address it was connected at. `version` is Graph's.
    `two_phase_text` makes text and links invisible posts first, which the last call then shows: their ids are known
    before anything can go wrong, but what Facebook makes of it was not tried yet on a live Page. `app_id` is that of the
    app that made the tokens, where it is known: then posts of other apps are never taken for ours. With its `app_secret`
    people can connect by a login at Facebook, and calls with the tokens of that app are proved to come from it.
    """

    def __init__(
        self, base_url: str = LIVE_URL, *, version: str = "v25.0", two_phase_text: bool = False, app_id: str = "",
        app_secret: str = "",
    ) -> None:  # fmt: skip
        app = App(PLATFORM, NAME, app_id, app_secret)
        FacebookPublishing.__init__(self, version=version, two_phase_text=two_phase_text, app=app)
        FacebookConnecting.__init__(self, base_url=base_url, version=version, app=app)
