"""How a request to Tumblr says who makes it: a bearer token (OAuth 2), or a signature (OAuth 1.0a, HMAC-SHA1, header only).

The files of a multipart body and a JSON body are not part of what is signed (RFC 5849, section 3.4.1.3.1; tumblr/docs:
api.md, "OAuth1 Authorization"), so nothing here ever sees a body.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from oauthlib.oauth1 import Client

from hayon.errors import Disconnected, Unavailable

SET_THE_APP = (
    "This Hayon has no Tumblr app to speak for. Register one at tumblr.com/oauth/apps and set HAYON_TUMBLR_APP_ID and "
    "HAYON_TUMBLR_APP_SECRET."
)


@dataclass(frozen=True, slots=True)
class App:
    """The operator's app at Tumblr: its OAuth consumer key and secret, which are client id and secret in OAuth 2."""

    key: str = ""
    secret: str = field(default="", repr=False)

    @property
    def is_set(self) -> bool:
        """Whether there is one."""
        return bool(self.key and self.secret)


def is_renewable(credential: Mapping[str, Any]) -> bool:
    """Whether it is an OAuth 2 credential: those run out and are renewed, OAuth 1.0a tokens are neither."""
    return "accessToken" in credential


def authorization(
    method: str, url: str, query: Mapping[str, str], app: App, credential: Mapping[str, Any]
) -> dict[str, str]:
    """The header for one request, good for this one only: a signature holds its time and a number used once.

    Raises Disconnected where no credential is kept, Unavailable where there is no app to sign for.
    """
    if is_renewable(credential):
        return {"Authorization": f"Bearer {credential['accessToken']}"}
    if not credential.get("token") or not credential.get("tokenSecret"):
        raise Disconnected("No credential is kept for this Tumblr account. Reconnect it.", health="error")
    if not app.is_set:
        raise Unavailable(SET_THE_APP, proves_absence=True)
    return signed(
        method, url, query, app, resource_owner_key=credential["token"], resource_owner_secret=credential["tokenSecret"]
    )


def signed(method: str, url: str, query: Mapping[str, str], app: App, **more: str) -> dict[str, str]:
    """The header for a request that is signed with what there is; `more` as oauthlib's Client names it."""
    client = Client(app.key, app.secret, **more)
    whole = f"{url}?{urlencode(query, quote_via=quote)}" if query else url
    return {"Authorization": str(client.sign(whole, method)[1]["Authorization"])}
