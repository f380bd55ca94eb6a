"""What a key may be good for: a closed list. Who asks, and whether a route takes this key, is decided in auth.py."""

from enum import StrEnum


class Scope(StrEnum):
    """What a key may do for its person. A session may do everything its person may, a key with `all` nearly so."""

    ALL = "all"
    READ = "read"
    POSTS = "posts"
    MEDIA = "media"
    ACCOUNTS = "accounts"
    NOTICES = "notices"
    ADMIN = "admin"


MEANINGS = {
    Scope.ALL: "everything below",
    Scope.READ: "see whatever is yours: every `GET` but the admin's",
    Scope.POSTS: "hand in, change, submit, cancel, retry, confirm, answer and delete posts; replay and discard what is parked",
    Scope.MEDIA: "upload and delete files",
    Scope.ACCOUNTS: "connect, check and disconnect accounts",
    Scope.NOTICES: "mark notices as read; make, change and test webhooks",
    Scope.ADMIN: "what only an admin may do, where the key is an admin's",
}
"""As `docs/using.md` shows them."""
