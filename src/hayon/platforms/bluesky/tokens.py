"""What a Bluesky session's tokens say of themselves, read without being verified: only hints to ourselves.

A server may give tokens that say nothing (atproto-website: specs/xrpc, "opaque"); then nothing is concluded.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MAIN_PASSWORD = "com.atproto.access"  # noqa: S105 - the name of a scope
"""What an access token says it may do whose session was opened with the account's own password; with an app password it
is `com.atproto.appPass` or `com.atproto.appPassPrivileged` (atproto: packages/pds/src/auth-scope.ts)."""


def claims_of(token: Any) -> Mapping[str, Any]:
    """The claims of a JWT; nothing where it is none."""
    try:
        payload = str(token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


def moment_of(claim: Any) -> datetime | None:
    """A claim that is a time (`exp`, `iat`, in seconds); None for anything else."""
    try:
        return datetime.fromtimestamp(claim, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
