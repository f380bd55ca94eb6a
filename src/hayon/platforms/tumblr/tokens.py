"""The pair of tokens of OAuth 2: asked for with a code or with the pair before, read, and what a refusal means.

Source: tumblr/docs: api.md, "/v2/oauth2/token".
"""

from datetime import datetime, timedelta
from typing import Any

from hayon.errors import Disconnected, PlatformError, Unavailable, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Credential
from hayon.platforms.tumblr.answers import Doing, error_of, read_json
from hayon.platforms.tumblr.calls import misread, response_in
from hayon.platforms.tumblr.signing import App

ACCESS_LASTS = timedelta(minutes=42)
"""Where an answer does not say; a refresh token lives 42 days (tumblr/docs issue 134)."""


async def ask_for_tokens(host: str, app: App, outgoing: Outgoing, **form: str) -> Answer:
    """Any answer. A lost one is Unavailable."""
    whole = {**form, "client_id": app.key, "client_secret": app.secret}
    request = Request("POST", f"{host}/v2/oauth2/token", {"Accept": "application/json"}, form=whole)
    try:
        return await outgoing.send(request)
    except Unconfirmed as error:
        raise Unavailable("Tumblr gave no answer that could be read. It is tried again later.") from error


def refresh_failure(answer: Answer) -> PlatformError:
    """The failure of a renewal: whatever Tumblr itself refuses here, only the owner can help."""
    told: dict[str, Any] = {"code": "", "http_status": answer.status, "proves_absence": True}
    if answer.status == 401:
        return Disconnected("The connection to Tumblr has run out. Reconnect the account.", health="expired", **told)
    if answer.status in {400, 403} and is_json(answer):
        return Disconnected("Tumblr does not renew this connection. Reconnect the account.", health="error", **told)
    return error_of(answer, Doing.READING)


def is_json(answer: Answer) -> bool:
    """Whether it is an answer of Tumblr itself, and not of something in front of it."""
    try:
        return isinstance(read_json(answer), dict)
    except ValueError:
        return False


def pair_in(answer: Answer, now: datetime) -> Credential:
    """The tokens in an answer, as documented at its top, or in an envelope. Raises Unavailable where there are none."""
    try:
        body = read_json(answer)
    except ValueError:
        body = None
    pair = response_in(answer) or (body if isinstance(body, dict) else {})
    access, renewing, seconds = (pair.get(name) for name in ("access_token", "refresh_token", "expires_in"))
    if not (isinstance(access, str) and access and isinstance(renewing, str) and renewing):
        raise misread(answer)
    lasts = timedelta(seconds=seconds) if isinstance(seconds, int) and 0 < seconds < 10_000_000 else ACCESS_LASTS
    return {"accessToken": access, "refreshToken": renewing, "expiresAt": (now + lasts).isoformat()}
