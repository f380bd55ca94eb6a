"""Applications and tokens of the simulated instance: register, authorize, exchange, verify, revoke.

Source: mastodon documentation methods/apps.md and methods/oauth.md, config/initializers/doorkeeper.rb.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.mastodon.entities import account_json
from hayon.sandbox.mastodon.instance import Code, instance_of
from hayon.sandbox.mastodon.wire import caller, charge, count, invalid, parameters, text_of
from hayon.sandbox.model import AccessToken, Account, App

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
CODE_SECONDS = 600
SCOPE = re.compile(r"(read|write|profile|follow|push)(:[a-z_]+)?")
UNKNOWN_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, or unsupported "
    "authentication method."
)
BAD_GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the "
    "authorization request, or was issued to another client."
)


async def create_app(call: Call) -> Answer:
    """POST /api/v1/apps."""
    count(call, ("mastodon.apps", call.client_address))
    given = await parameters(call)
    name, asked = text_of(given, "client_name"), given.get("redirect_uris")
    uris = [str(one) for one in asked] if isinstance(asked, list) else str(asked or "").split()
    scopes = text_of(given, "scopes") or "read"
    if not name:
        raise invalid("Application name can't be blank")
    if not uris:
        raise invalid("Redirect URI can't be blank")
    if not all(SCOPE.fullmatch(scope) for scope in scopes.split()):
        raise invalid("Scopes doesn't match configured on the server.")
    app = App(
        secrets.token_urlsafe(32),
        secrets.token_urlsafe(32),
        name,
        text_of(given, "website"),
        uris,
        scopes,
        call.now,
    )
    call.world.happen(("app", asdict(app)))
    return Answer(
        {
            "id": str(len(instance_of(call.world).apps)),
            "name": app.name,
            "website": app.website,
            "scopes": app.scopes.split(),
            "redirect_uri": "\n".join(app.redirect_uris),
            "redirect_uris": app.redirect_uris,
            "vapid_key": "",
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "client_secret_expires_at": 0,
        }
    )


def check_authorization(world: Ground, asked: Mapping[str, str]) -> App:
    """The application behind a request to authorize; ValueError in words if it asks what cannot be."""
    app = instance_of(world).apps.get(asked.get("client_id", ""))
    redirect_uri, scopes = asked.get("redirect_uri", ""), asked.get("scope") or "read"
    if app is None:
        raise ValueError(UNKNOWN_CLIENT)
    if redirect_uri not in app.redirect_uris or redirect_uri == OUT_OF_BAND:
        raise ValueError("The requested redirect uri is malformed or doesn't match client redirect URI.")
    if asked.get("response_type") != "code":
        raise ValueError("The authorization server does not support this response type.")
    if not _within(scopes, app.scopes):
        raise ValueError("The requested scope is invalid, unknown, or malformed.")
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        raise ValueError("The code challenge method must be S256.")
    return app


def authorize(world: Ground, account: Account, asked: Mapping[str, str]) -> str:
    """Where the browser goes after `account` allowed what was asked; ValueError as above."""
    app, code = check_authorization(world, asked), secrets.token_urlsafe(24)
    redirect_uri, scopes = asked["redirect_uri"], asked.get("scope") or "read"
    challenge = asked.get("code_challenge") or None
    issued = Code(account.account_id, app.client_id, redirect_uri, scopes, challenge, world.now())
    instance_of(world).codes[code] = issued
    return _back(asked, {"code": code})


def deny(world: Ground, asked: Mapping[str, str]) -> str:
    """Where it goes after a no (RFC 6749, 4.1.2.1); ValueError as above."""
    check_authorization(world, asked)
    words = "The resource owner or authorization server denied the request."
    return _back(asked, {"error": "access_denied", "error_description": words})


async def create_token(call: Call) -> Answer:
    """POST /oauth/token with authorization_code or client_credentials."""
    count(call, ("mastodon.address", call.client_address))
    given = await parameters(call)
    app = _client(call, given)
    kind = text_of(given, "grant_type")
    if kind == "client_credentials":
        scopes = text_of(given, "scope") or "read"
        if not _within(scopes, app.scopes):
            raise _oauth_error(400, "invalid_scope", "The requested scope is invalid, unknown, or malformed.")
        return _issued(call, app, None, scopes)
    if kind != "authorization_code":
        raise _oauth_error(
            400, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server."
        )
    code = instance_of(call.world).codes.pop(text_of(given, "code") or "", None)
    good = (
        code is not None
        and code.client_id == app.client_id
        and code.redirect_uri == text_of(given, "redirect_uri")
        and call.now < code.issued_at + CODE_SECONDS
        and _proves(code.challenge, text_of(given, "code_verifier"))
    )
    if code is None or not good:
        raise _oauth_error(400, "invalid_grant", BAD_GRANT)
    return _issued(call, app, code.account_id, code.scopes)


async def revoke_token(call: Call) -> Answer:
    """POST /oauth/revoke: idempotent, but only for the client the token was issued to."""
    count(call, ("mastodon.address", call.client_address))
    given = await parameters(call)
    token = instance_of(call.world).tokens.get(text_of(given, "token") or "")
    try:
        app = _client(call, given)
    except Refused:
        app = None
    if app is None or (token and token.client_id != app.client_id):
        raise _oauth_error(403, "unauthorized_client", "You are not authorized to revoke this token")
    if token and not token.revoked:
        call.world.happen(("token_revoked", {"token": token.token}))
    return Answer({})


async def verify_credentials(call: Call) -> Answer:
    """GET /api/v1/accounts/verify_credentials."""
    charge(call)
    account, _ = caller(call, "profile", "read:accounts")
    return Answer(account_json(call, account, own=True))


async def authorization_server(call: Call) -> Answer:
    """GET /.well-known/oauth-authorization-server (since 4.3)."""
    base = f"{call.base_url}/mastodon"
    return Answer(
        {
            "issuer": f"{base}/",
            "authorization_endpoint": f"{base}/oauth/authorize",
            "token_endpoint": f"{base}/oauth/token",
            "revocation_endpoint": f"{base}/oauth/revoke",
            "app_registration_endpoint": f"{base}/api/v1/apps",
            "scopes_supported": [
                "read",
                "write",
                "profile",
                "read:accounts",
                "read:statuses",
                "write:media",
                "write:statuses",
            ],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        }
    )


def _back(asked: Mapping[str, str], told: Mapping[str, str]) -> str:
    uri, state = asked["redirect_uri"], {"state": asked["state"]} if asked.get("state") else {}
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({**told, **state})}"


def _client(call: Call, given: dict[str, Any]) -> App:
    client_id, secret = text_of(given, "client_id"), text_of(given, "client_secret")
    basic = call.request.headers.get("authorization", "")
    if basic.startswith("Basic "):
        try:
            client_id, _, secret = base64.b64decode(basic[6:]).decode().partition(":")
        except ValueError:
            client_id = None
    app = instance_of(call.world).apps.get(client_id or "")
    if app is None or not hmac.compare_digest(app.client_secret.encode(), (secret or "").encode()):
        raise _oauth_error(401, "invalid_client", UNKNOWN_CLIENT)
    return app


def _issued(call: Call, app: App, account_id: str | None, scopes: str) -> Answer:
    known = instance_of(call.world).tokens.values()
    # one person and one application share one token (reuse_access_token in doorkeeper.rb)
    token = next(
        (
            one
            for one in known
            if one.client_id == app.client_id
            and one.account_id == account_id
            and one.scopes == scopes
            and not one.revoked
        ),
        None,
    )
    if token is None:
        token = AccessToken(secrets.token_urlsafe(32), account_id, app.client_id, app.name, scopes, call.now)
        call.world.happen(("token", asdict(token)))
    return Answer(
        {
            "access_token": token.token,
            "token_type": "Bearer",
            "scope": token.scopes,
            "created_at": int(token.created_at),
        }
    )


def _proves(challenge: str | None, verifier: str | None) -> bool:
    if challenge is None:
        return True
    digest = hashlib.sha256((verifier or "").encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).decode().rstrip("="), challenge)


def _within(asked: str, granted: str) -> bool:
    held = granted.split()
    return all(scope in held or scope.split(":")[0] in held for scope in asked.split())


def _oauth_error(status: int, name: str, text: str) -> Refused:
    return Refused(status, {"error": name, "error_description": text})
