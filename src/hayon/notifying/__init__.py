"""How notices leave the house: by mail and by signed webhooks, each in its own time, never in a delivery's way."""

from hayon.notifying.leaving import Leaving
from hayon.notifying.mail import Postbox, open_postbox, read_smtp_url
from hayon.notifying.webhooks import Verdict, check_address, new_secret, renew, seal_secret, shown_secret

__all__ = [
    "Leaving", "Postbox", "Verdict", "check_address", "new_secret", "open_postbox", "read_smtp_url", "renew", "seal_secret",
    "shown_secret",
]  # fmt: skip
