"""A simulated Tumblr, as an application that publishes sees it, and the credentials of the one application it knows."""

CONSUMER_KEY = "sandboxConsumerKey0000000000000000000000000000000"
CONSUMER_SECRET = "sandboxConsumerSecret0000000000000000000000000000"  # noqa: S105 - of a platform that is none
"""As HAYON_TUMBLR_APP_ID and HAYON_TUMBLR_APP_SECRET name them; every account of the control API shows them too."""
