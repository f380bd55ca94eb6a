"""The tree of errors. A platform's error is an advice on what to do next; it never says whether to try again: pacing does.

HayonError
├── Mistake                what a person or program asked for cannot be done as asked (problem details, HTTP 4xx)
│   ├── Invalid            the request breaks rules; carries a list of problems                        422
│   ├── NotFound           there is no such thing, or it belongs to somebody else                      404
│   ├── Conflict           it is too late, or something else changed in between                        409
│   ├── Unauthenticated    nobody is signed in, or the key or password is wrong                        401
│   ├── Forbidden          this key or person may not do that                                          403
│   └── TooMany            asked too often; says when to come back                                     429
├── Misconfigured          a setting or the machine cannot work as it is; says how to mend it
├── DatabaseUnreachable    the database did not answer; whether the last transaction was stored is unknown
├── BrokerUnreachable      the broker did not answer; bells wait, posts stay what they are
├── LeaseLost              another worker owns this target now; nothing more may be written for it
└── PlatformError          what a platform answered, or failed to answer
    ├── Rejected           never like this: the content or the request has to change
    ├── Disconnected       the account has to be reconnected by its owner
    ├── CredentialExpired  the credential has to be refreshed first; the platform did nothing
    ├── RateLimited        not before a certain time; costs no try
    ├── NotYet             the platform is still at work (media processing); waiting, not failing
    ├── Unavailable        nothing happened; the ladder says when to try again
    ├── Unreachable        the host could not be spoken to at all; nothing was sent; costs no try
    └── Unconfirmed        perhaps it happened: look before doing anything else
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding against a rule: where (`field`), which rule, and a sentence that says what to do.

    `platform` and `account_id` name the target it concerns; both are None where it concerns the whole request.
    """

    field: str
    rule: str
    message: str
    platform: str | None = None
    account_id: str | None = None


class HayonError(Exception):
    """Root of the tree. The text of every error is a sentence that can be shown to a person."""


class Mistake(HayonError):
    """What was asked for cannot be done as asked."""

    status = 400
    title = "The request cannot be met"


class Invalid(Mistake):
    """The request breaks one or more rules; `problems` lists them all."""

    status = 422
    title = "The request breaks a rule"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class NotFound(Mistake):
    """There is no such thing, or it belongs to somebody else (the two look alike on purpose)."""

    status = 404
    title = "Not found"


class Conflict(Mistake):
    """It is too late for this, or something else changed in between."""

    status = 409
    title = "Too late, or changed in between"


class Unauthenticated(Mistake):
    """Nobody is signed in, or the key or password is wrong."""

    status = 401
    title = "Sign in first"


class Forbidden(Mistake):
    """This key or person may not do that."""

    status = 403
    title = "Not allowed"


class TooMany(Mistake):
    """Asked too often. `retry_after_seconds` says when to come back."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Misconfigured(HayonError):
    """A setting or the machine cannot work as it is; the text says how to mend it."""


class DatabaseUnreachable(HayonError):
    """The database did not answer; whether the last transaction was stored is unknown."""


class BrokerUnreachable(HayonError):
    """The broker cannot be reached at the moment. Nothing is lost: what is due stays due in the database."""


class LeaseLost(HayonError):
    """Another worker owns this target now: nothing but a receipt may be written by the one who lost it."""


class PlatformError(HayonError):
    """What a platform answered, or failed to answer.

    `proves_absence` is set by an adapter only where the answer proves that nothing went live. The default is no
    proof, whatever the class: an error after the call leaves the intent unanswered.
    `code` is the platform's own word for it, `http_status` the status of the answer where there was one.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        http_status: int | None = None,
        proves_absence: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.http_status = http_status
        self.proves_absence = proves_absence


class Rejected(PlatformError):
    """Never like this: the content or the request has to change."""


class Disconnected(PlatformError):
    """The account has to be reconnected by its owner. `health` is what the account becomes: expired, revoked or error."""

    def __init__(self, message: str, *, health: str = "revoked", code: str = "", http_status: int | None = None,
                 proves_absence: bool = False) -> None:  # fmt: skip
        super().__init__(message, code=code, http_status=http_status, proves_absence=proves_absence)
        self.health = health


class CredentialExpired(PlatformError):
    """The credential has to be refreshed before the next call; the platform did nothing."""


class RateLimited(PlatformError):
    """Not before `until` (aware, UTC), or None where the platform gave no time.

    `of_app`: what is used up is the budget of the app, and so all accounts of the platform wait. `guessed`: the platform
    named no time in its answer, and `until` is ours.
    """

    def __init__(self, message: str, *, until: datetime | None = None, code: str = "", http_status: int | None = 429,
                 proves_absence: bool = False, of_app: bool = False, guessed: bool = False) -> None:  # fmt: skip
        super().__init__(message, code=code, http_status=http_status, proves_absence=proves_absence)
        self.until = until
        self.of_app = of_app
        self.guessed = guessed


class NotYet(PlatformError):
    """The platform is still at work on something already handed over; look again after `wait_seconds`."""

    def __init__(self, message: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class Unavailable(PlatformError):
    """Nothing happened, and nothing is wrong with the post; the ladder says when to try again."""


class Unreachable(PlatformError):
    """The host could not be spoken to at all: no name, no connection, no TLS. Nothing was sent."""

    def __init__(self, message: str, *, host: str) -> None:
        super().__init__(message, proves_absence=True)
        self.host = host


class Unconfirmed(PlatformError):
    """Perhaps it happened: the request was sent and no trustworthy answer came back."""
