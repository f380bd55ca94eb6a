"""The Tumblr adapter: both faces of the platform for text, links, pictures and one video. Holds settings only, never state."""

from hayon.platforms.tumblr.authorizing import LIVE_API
from hayon.platforms.tumblr.connecting import TumblrConnecting
from hayon.platforms.tumblr.publishing import TumblrPublishing
from hayon.platforms.tumblr.signing import App

__all__ = ["LIVE_API", "Tumblr"]


class Tumblr(TumblrPublishing, TumblrConnecting):
    """Publishes on the blogs of people who gave the operator's app a token.

    `host` is where new accounts are connected; an account keeps the one it was connected at. `consumer_key` and
    `consumer_secret` are the app's (client id and secret in OAuth 2). `direct`: light posts go in one call, without a
    draft before.
    """

    def __init__(
        self, host: str = LIVE_API, consumer_key: str = "", consumer_secret: str = "", *, direct: bool = False
    ) -> None:
        app = App(consumer_key, consumer_secret)
        TumblrConnecting.__init__(self, host=host.rstrip("/"), app=app)
        TumblrPublishing.__init__(self, app=app, direct=direct)
