"""What a Bluesky server's headers tell about how much is left. Asks nothing: an answer goes in, allowances come out.

Headers: atproto: packages/xrpc-server/src/rate-limiter-http.ts (`RateLimit-Reset` in Unix seconds; always the tightest of
all buckets a call is counted in). Points: atproto: packages/pds/src/rate-limits.ts, com/atproto/repo/putRecord.ts.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hayon.outgoing import Answer
from hayon.platforms.contract import Allowance

POINTS_OF_A_POST = 2
"""What putRecord costs of the points for writing (bsky-docs: docs/advanced-guides/rate-limits.md)."""
_GENERAL_SECONDS = 300
"""The window of the limit on all calls of one address. Those on writing and uploading have longer ones."""
_WRITES = ("com.atproto.repo.putRecord", "com.atproto.repo.deleteRecord")
_UPLOADS = ("com.atproto.repo.uploadBlob",)
_WHOLE = re.compile(r"\d{1,10}", re.ASCII)  # seconds since 1970 have ten digits
_MOST = 2**31 - 1
_POLICY = re.compile(r"\s*\d{1,9}\s*;\s*w=(\d{1,9})(?:\D.*)?", re.ASCII | re.DOTALL)


def read_allowances(answer: Answer, now: datetime) -> Sequence[Allowance]:
    """What is left of the tightest limit, by the name of what it limits; nothing where the headers do not say it whole."""
    left, limit, reset = (_whole(answer, name) for name in ("remaining", "limit", "reset"))
    policy = _POLICY.fullmatch(answer.headers.get("ratelimit-policy", ""))
    if left is None or limit is None or policy is None:
        return ()
    seconds, method = int(policy[1]), answer.url.partition("?")[0].rpartition("/xrpc/")[2]
    name, points = "requests", 1
    if seconds > _GENERAL_SECONDS and method in _WRITES:
        name, points = "posts", POINTS_OF_A_POST
    elif seconds > _GENERAL_SECONDS and method in _UPLOADS:
        name = "uploads"
    resets_at = None if reset is None else _moment(reset, now, seconds)
    return (Allowance(name, min(left // points, _MOST), min(limit // points, _MOST), seconds, resets_at),)


def _whole(answer: Answer, name: str) -> int | None:
    written = answer.headers.get(f"ratelimit-{name}", "").strip()
    return int(written) if _WHOLE.fullmatch(written) else None


def _moment(reset: int, now: datetime, seconds: int) -> datetime:
    """No later than a window from now: a server with a wrong clock must not hold an account for years."""
    try:
        return min(datetime.fromtimestamp(reset, UTC), now + timedelta(seconds=seconds))
    except (ValueError, OverflowError, OSError):
        return now
