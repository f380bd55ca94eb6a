"""The Mastodon adapter: both faces of the platform for text, pictures and video. Holds no settings and no state."""

from hayon.platforms.mastodon.connecting import MastodonConnecting
from hayon.platforms.mastodon.publishing import MastodonPublishing

__all__ = ["Mastodon"]


class Mastodon(MastodonPublishing, MastodonConnecting):
    """Publishes on any server that speaks Mastodon's API. An account's `host` is its address, perhaps with a prefix."""
