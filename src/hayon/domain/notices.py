"""The kinds of notices: each with what it means, the subject of its mail, and whether it is mailed unless its owner says otherwise.

`docs/notices.md` shows the same list, and a test holds the two together. Nothing is written or sent here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of notice. `mailed`: it asks for something, so it is mailed to whoever has chosen nothing."""

    word: str
    meaning: str
    subject: str
    mailed: bool


KINDS: dict[str, Kind] = {
    kind.word: kind
    for kind in (
        Kind("post.completed", "a post is published on every account it was meant for", "Your post is published", False),
        Kind(
            "post.partial_success", "a post has ended: published on some accounts, failed on others",
            "Your post is published in part", True,
        ),
        Kind("post.failed", "a post has ended: published nowhere", "Your post was not published", True),
        Kind(
            "post.needs_attention", "nobody knows whether a part of a post went out; a person is asked",
            "Did your post go out? Please have a look", True,
        ),
        Kind(
            "posts.too_late", "posts that it became too late for, by their own rule; one notice for all of one time",
            "It was too late for your posts", True,
        ),
        Kind(
            "target.parked", "a target failed and stands in the parking lot, to be retried or discarded",
            "A part of your post waits in the parking lot", False,
        ),
        Kind(
            "target.published_twice", "the platform confirmed two copies of one target", "Your post stands there twice",
            True,
        ),
        Kind(
            "account.needs_reconnection", "nothing goes out on an account until its owner connects it again",
            "Please connect your account again", True,
        ),
        Kind("password.changed", "your password was set anew; every other session has ended", "Your password was changed", True),
        Kind("webhook.disabled", "a webhook gets nothing more: it said so, or failed for days", "Your webhook is off", True),
        Kind("house.restored", "a backup was restored, and something of yours may have been sent since", "Please have a look: a backup was restored", True),
    )
}  # fmt: skip

PASSWORD_RESET = "password.reset"  # noqa: S105 - a kind of mail
MAIL_TEST = "mail.test"
WEBHOOK_TEST = "webhook.test"
TESTED = "This is a test: somebody, most likely you, asked Hayon for it. There is nothing to do."


def mailed(chosen: Collection[str] | None) -> Sequence[str]:
    """The kinds that somebody gets by mail: as chosen, or those that ask for something."""
    return [kind.word for kind in KINDS.values() if (kind.mailed if chosen is None else kind.word in chosen)]


def takes(chosen: Collection[str], word: str) -> bool:
    """Whether a webhook takes notices of this kind; one that names none takes every kind."""
    return not chosen or word in chosen
