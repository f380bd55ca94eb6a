"""What an instance's headers tell about how much is left. Asks nothing: an answer goes in, allowances come out.

Headers: mastodon: app/controllers/concerns/rate_limit_headers.rb; always the tightest of all limits a call is counted in:
posts 300 in three hours, uploads 30 in half an hour (app/lib/rate_limiter.rb), anything 300 in five minutes
(config/initializers/rack_attack.rb). The window's length is not told.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from hayon.outgoing import Answer
from hayon.platforms.contract import Allowance
from hayon.platforms.mastodon.answers import limit_ends_at

LONGEST_WINDOW = timedelta(days=1)
"""No later is believed: an instance with a wrong clock must not hold an account for years."""
_MOST = 2**31 - 1
_WHOLE = re.compile(r"\d{1,10}", re.ASCII)


def read_allowances(answer: Answer, now: datetime) -> Sequence[Allowance]:
    """What is left of the tightest limit, by the name of what it limits; nothing where the headers do not say it whole.

    Of the call that publishes it is said as posts, even where the limit of all calls is the tighter one: no more than
    that many posts can be made until it ends, and then the next answer tells anew.
    """
    left, limit = (_whole(answer, f"x-ratelimit-{name}") for name in ("remaining", "limit"))
    if left is None or limit is None:
        return ()
    resets_at = limit_ends_at(answer, now)
    if resets_at is None:
        return ()
    path = answer.url.partition("?")[0]
    name = next((name for ending, name in _NAMES.items() if path.endswith(ending)), "requests")
    return (Allowance(name, left, limit, None, min(resets_at, now + LONGEST_WINDOW)),)


_NAMES = {"/api/v1/statuses": "posts", "/api/v2/media": "uploads"}


def _whole(answer: Answer, name: str) -> int | None:
    written = answer.headers.get(name, "").strip()
    return min(int(written), _MOST) if _WHOLE.fullmatch(written) else None
