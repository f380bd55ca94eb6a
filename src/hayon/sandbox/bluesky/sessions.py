"""Sessions of the simulated PDS: log in, refresh, look, log out.

Source: atproto packages/pds/src/account-manager/ (helpers/auth.ts, account-manager.ts) and api/com/atproto/server/.
"""

import hmac
import secrets
from dataclasses import asdict
from typing import Any

from hayon.sandbox.bluesky.limits import PdsLimits
from hayon.sandbox.bluesky.pds import pds_of
from hayon.sandbox.bluesky.tokens import ACCESS, APP_PASSWORD, REFRESH, Claims, sign
from hayon.sandbox.bluesky.wire import caller, charge, invalid, json_input, text_input, xrpc_error
from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.journal import Event
from hayon.sandbox.model import Account, RefreshToken, Standing


async def create_session(call: Call) -> Answer:
    """com.atproto.server.createSession with an app password or the main one."""
    given = json_input(call, ("identifier", "password"))
    text_input(given, "identifier", "password")
    who = f"{given['identifier'].lower()}-{call.client_address}"
    charge(call, ("bluesky.session.five", who, 1), ("bluesky.session.day", who, 1))
    account = pds_of(call.world).find_repo(given["identifier"].removeprefix("@"))
    by_app_password = account is not None and _same(given["password"], account.secret)
    if account is None or not (by_app_password or _same(given["password"], account.password)):
        raise xrpc_error(401, "AuthenticationRequired", "Invalid identifier or password")
    if account.standing is Standing.TAKENDOWN:
        raise xrpc_error(401, "AccountTakedown", "Account has been taken down")
    jti = secrets.token_urlsafe(24)
    row = _row(call, account, jti, by_app_password)
    call.world.happen(row)
    return Answer({**_tokens(call, account, jti, by_app_password), **_session(call, account)})


async def refresh_session(call: Call) -> Answer:
    """com.atproto.server.refreshSession.

    A token that was rotated before keeps giving the same successor for the time of grace; then, or when its app
    password is gone, it has been revoked.
    """
    charge(call)
    account, claims = caller(call, refresh=True)
    if call.body:
        raise invalid("A request body was provided when none was expected")
    pds, now = pds_of(call.world), call.now
    token = pds.refresh_tokens.get(claims.jti)
    if token is None or now >= token.expires_at:
        if token:
            call.world.happen(("refresh_token_gone", {"jti": claims.jti}))
        raise invalid("Token has been revoked", "ExpiredToken")
    successor = token.successor or secrets.token_urlsafe(24)
    until = min(token.expires_at, now + call.world.limits.of(PdsLimits).rotation_grace_seconds)
    rotated: Event = ("rotated", {"jti": claims.jti, "successor": successor, "expires_at": until})
    call.world.happen(rotated, _row(call, account, successor, token.by_app_password))
    return Answer({**_tokens(call, account, successor, token.by_app_password), **_session(call, account)})


async def get_session(call: Call) -> Answer:
    """com.atproto.server.getSession."""
    charge(call)
    account, _ = caller(call)
    return Answer(_session(call, account))


async def delete_session(call: Call) -> Answer:
    """com.atproto.server.deleteSession, with the refresh token, expired or not."""
    charge(call)
    _, claims = caller(call, refresh=True, even_expired=True)
    call.world.happen(("refresh_token_gone", {"jti": claims.jti}))
    return Answer()


async def describe_server(call: Call) -> Answer:
    """com.atproto.server.describeServer."""
    charge(call)
    return Answer(
        {
            "did": "did:web:sandbox.invalid",
            "availableUserDomains": [".test"],
            "inviteCodeRequired": True,
            "links": {},
            "contact": {},
            "blobUploadLimit": call.world.limits.of(PdsLimits).blob_bytes,
        }
    )


def _same(given: str, kept: str) -> bool:
    return bool(kept) and hmac.compare_digest(given.encode("utf-8", "replace"), kept.encode())


def _row(call: Call, account: Account, jti: str, by_app_password: bool) -> Event:
    until = call.now + call.world.limits.of(PdsLimits).refresh_seconds
    return "refresh_token", asdict(RefreshToken(jti, account.account_id, until, by_app_password))


def _tokens(call: Call, account: Account, jti: str, by_app_password: bool) -> dict[str, str]:
    now, limits, key = call.now, call.world.limits.of(PdsLimits), call.world.signing_key
    scope = APP_PASSWORD if by_app_password else ACCESS
    did, generation = account.account_id, account.access_generation
    access = Claims(scope, did, secrets.token_urlsafe(12), now + limits.access_seconds, generation)
    refresh = Claims(REFRESH, did, jti, now + limits.refresh_seconds, 0)
    return {"accessJwt": sign(key, access, now), "refreshJwt": sign(key, refresh, now)}


def _session(call: Call, account: Account) -> dict[str, Any]:
    body: dict[str, Any] = {
        "did": account.account_id,
        "handle": account.handle,
        "didDoc": _did_doc(call, account),
        "email": f"{account.handle.split('.')[0]}@sandbox.invalid",
        "emailConfirmed": True,
        "emailAuthFactor": False,
        "active": account.standing is Standing.ACTIVE,
    }
    if account.standing is not Standing.ACTIVE:
        body["status"] = account.standing
    return body


def _did_doc(call: Call, account: Account) -> dict[str, Any]:
    return {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": account.account_id,
        "alsoKnownAs": [f"at://{account.handle}"],
        "verificationMethod": [],
        "service": [
            {
                "id": "#atproto_pds",
                "type": "AtprotoPersonalDataServer",
                "serviceEndpoint": f"{call.base_url}/bluesky",
            }
        ],
    }
