"""The face that accounts see: connecting with an app password, keeping the session fresh and giving it back.

The app password itself is not kept: the session it opens renews itself (reference server: 90 days from each renewal,
atproto: packages/pds/src/account-manager/helpers/auth.ts).
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.model import Account, Json
from hayon.errors import CredentialExpired, Disconnected, Invalid, PlatformError, Problem, Rejected, Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.bluesky.answers import NEW_APP_PASSWORD, name_and_words, read_failure
from hayon.platforms.bluesky.calls import ask, procedure, query, read_body, send_repeatable
from hayon.platforms.bluesky.limits import GALLERY_SINCE, PLATFORM
from hayon.platforms.bluesky.text import is_did
from hayon.platforms.bluesky.tokens import MAIN_PASSWORD, claims_of, moment_of
from hayon.platforms.contract import Allowance, Authorization, Connected, Credential

LIVE_SERVICE = "https://bsky.social"
"""The public entryway. It signs in accounts of many servers, so the account's own server is read from its DID document."""
RENEWED_WHEN_IDLE = timedelta(days=7)
"""How often a session is renewed that nobody uses and whose tokens do not say when they end."""


class BlueskyConnecting:
    """Connects accounts of `service_url`, or of the server the person names."""

    def __init__(self, *, service_url: str) -> None:
        self._service_url = service_url.rstrip("/")

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        """Signs in with `identifier` (handle, DID or e-mail address), `appPassword` and, if need be, `service`."""
        identifier, password, service = self._read(given)
        body = {"identifier": identifier, "password": password}
        answer = await send_repeatable(outgoing, procedure(service, "com.atproto.server.createSession", body))
        if answer.status != 200:
            raise _sign_in_failure(name_and_words(answer)[0], read_failure(answer))
        session = read_body(answer)
        if claims_of(session.get("accessJwt")).get("scope") == MAIN_PASSWORD:
            await _give_back(service, session, outgoing)
            raise Disconnected(_IS_MAIN_PASSWORD, code="main_password", health="error", proves_absence=True)
        _require_active(session)
        host = (_own_server(session) if service == LIVE_SERVICE else None) or service
        return await _describe(session, host, _credential(session), outgoing)

    def host_of(self, given: Mapping[str, Any]) -> str:
        """Raises Invalid: there is no page of Bluesky's that leads here."""
        raise Invalid([_problem("platform", "no_way", _NO_WAY)])

    async def authorize(
        self,
        given: Mapping[str, Any],
        redirect_uri: str,
        state: str,
        registered: Mapping[str, Any] | None,
        outgoing: Outgoing,
    ) -> Authorization:
        """Raises Invalid, as `host_of` does."""
        raise Invalid([_problem("platform", "no_way", _NO_WAY)])

    async def exchange(
        self,
        returned: Mapping[str, str],
        kept: Mapping[str, Any],
        redirect_uri: str,
        outgoing: Outgoing,
    ) -> Sequence[Connected]:
        """Raises Disconnected: nobody can come back from where nobody is sent."""
        raise Disconnected(_NO_WAY, health="error", code="no_way")

    def renew_at(self, credential: Credential) -> datetime | None:
        """Half-way through the life of the refresh token, 45 days of 90 on the reference server: each renewal gives a new one.

        Where the token does not say when it ends, a week after the session was opened or renewed.
        """
        claims = claims_of(credential.get("refreshJwt"))
        ends, began = moment_of(claims.get("exp")), moment_of(claims.get("iat"))
        if ends is not None:
            return ends - RENEWED_WHEN_IDLE if began is None or began > ends else began + (ends - began) / 2
        try:
            return datetime.fromisoformat(credential["openedAt"]) + RENEWED_WHEN_IDLE
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    async def revoke(self, account: Account, credential: Credential, outgoing: Outgoing) -> bool:
        """Ends the session (atproto: lexicons/com/atproto/server/deleteSession.json); the app password stays good.

        True also where it had ended before. An access token that was handed out already lasts to its end, two hours at most.
        """
        token = str(credential.get("refreshJwt", ""))
        request = procedure(account.host, "com.atproto.server.deleteSession", token=token)
        answer = await send_repeatable(outgoing, request)
        if answer.status == 200 or name_and_words(answer)[0] in {"ExpiredToken", "InvalidToken"}:
            return True
        raise read_failure(answer)

    async def allowances(
        self,
        account: Account,
        credential: Credential,
        outgoing: Outgoing,
    ) -> Sequence[Allowance]:
        """Nothing: what is left is told with each answer and nowhere else."""
        return ()

    def expires_soon(self, credential: Credential, now: datetime) -> bool:
        """Whether less than five minutes are left. A token that cannot be read is used until the server refuses it."""
        expires_at = moment_of(claims_of(credential.get("accessJwt")).get("exp"))
        return expires_at is not None and expires_at - now < timedelta(minutes=5)

    async def refresh(self, account: Account, credential: Credential, outgoing: Outgoing) -> Credential:
        """A new pair of tokens. The old pair gives the same successor for two hours, so a lost answer costs nothing.

        Raises Disconnected where the session has ended and only a new app password helps.
        """
        token = str(credential.get("refreshJwt", ""))
        request = procedure(account.host, "com.atproto.server.refreshSession", token=token)
        answer = await send_repeatable(outgoing, request)
        if answer.status != 200:
            raise _refresh_failure(name_and_words(answer)[1], read_failure(answer))
        session = read_body(answer)
        _require_same(account, session)
        return {**credential, **_credential(session)}

    async def check(self, account: Account, credential: Credential, outgoing: Outgoing) -> Connected:
        """Asks the account's server who the session belongs to, and whether the account may be used."""
        token = str(credential.get("accessJwt", ""))
        session = await ask(outgoing, query(account.host, "com.atproto.server.getSession", {}, token))
        _require_same(account, session)
        _require_active(session)
        return await _describe(session, account.host, credential, outgoing)

    def _read(self, given: Mapping[str, Any]) -> tuple[str, str, str]:
        """The three fields, tidied. Raises Invalid with everything that is wrong with them."""
        identifier = _INVISIBLE.sub("", str(given.get("identifier") or "")).strip().removeprefix("@")
        password = str(given.get("appPassword") or "").strip()
        service = _address(str(given.get("service") or "").strip() or self._service_url)
        problems = []
        if not identifier:
            problems.append(_problem("identifier", "missing", "Enter your Bluesky handle, such as name.bsky.social."))
        elif "." not in identifier and not identifier.startswith("did:"):
            words = f"Enter the whole handle, such as {identifier}.bsky.social."
            problems.append(_problem("identifier", "incomplete", words))
        if not password:
            problems.append(_problem("appPassword", "missing", f"Enter an app password. {_WHERE_TO_MAKE_ONE}"))
        elif not _APP_PASSWORD.fullmatch(password):
            words = f"This is not an app password; do not use your main password here. {_WHERE_TO_MAKE_ONE}"
            problems.append(_problem("appPassword", "shape", words))
        if service is None:
            words = "Enter the address of your Bluesky server, such as https://bsky.social, or leave it empty."
            problems.append(_problem("service", "address", words))
        if problems or service is None:
            raise Invalid(problems)
        return identifier, password, service


_APP_PASSWORD = re.compile(r"[A-Za-z0-9]{4}(?:-[A-Za-z0-9]{4}){3}")
_WHERE_TO_MAKE_ONE = (
    "Make one in Bluesky under Settings, Privacy and security, App passwords; it looks like xxxx-xxxx-xxxx-xxxx."
)
_NO_WAY = f"Bluesky is connected with an app password and not by a page. {_WHERE_TO_MAKE_ONE}"
_IS_MAIN_PASSWORD = (
    f"This is the account's main password, and Hayon does not take it: it opens everything. {_WHERE_TO_MAKE_ONE}"
)
_NOT_IN_ADDRESS = re.compile(r"[\s?#]")
# Marks of writing direction that come along when a handle is copied from an app.
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _problem(field: str, rule: str, message: str) -> Problem:
    return Problem(field, rule, message, PLATFORM)


def _address(text: str) -> str | None:
    """A server's address without a slash at its end, or None where it is none. A name without a scheme means https."""
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or _NOT_IN_ADDRESS.search(text):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def _sign_in_failure(name: str, error: PlatformError) -> PlatformError:
    """The failure of a sign-in, in words about the sign-in."""
    if name == "AuthFactorTokenRequired":
        words = f"Bluesky asks for a code by e-mail, so this is the main password. {_WHERE_TO_MAKE_ONE}"
    elif isinstance(error, Disconnected) and error.health != "error":
        words = (
            "Bluesky does not know this handle with this app password. Check both; if your account lives on a "
            "server of its own, enter that server's address too."
        )
    elif isinstance(error, Rejected):
        words = f"Bluesky refuses this sign-in. Check the handle and the app password. ({error.message})"
    else:
        return error
    return Disconnected(words, code=error.code, http_status=error.http_status, proves_absence=True)


def _refresh_failure(words: str, error: PlatformError) -> PlatformError:
    """The failure of a renewal: whatever the server refuses here, only a new app password helps."""
    if isinstance(error, CredentialExpired):
        revoked = "revoked" in words.lower()
        what = "was revoked" if revoked else "has run out"
        health, message = (
            "revoked" if revoked else "expired",
            f"The connection to Bluesky {what}. {NEW_APP_PASSWORD}",
        )
    elif isinstance(error, Rejected):
        health, message = "error", f"Bluesky does not renew this connection. {NEW_APP_PASSWORD}"
    else:
        return error
    return Disconnected(message, health=health, code=error.code, http_status=error.http_status, proves_absence=True)


def _require_active(session: Json) -> None:
    """Raises Disconnected for an account that may not publish (atproto: lexicons/com/atproto/server/getSession.json)."""
    if session.get("active") is False:
        state = {"takendown": "taken down", "suspended": "suspended", "deactivated": "deactivated"}.get(
            str(session.get("status")), "not active"
        )
        raise Disconnected(
            f"This Bluesky account is {state}, so nothing can be published with it. "
            "Look after it in the Bluesky app, then connect it again.",
            health="error",
            code=str(session.get("status") or "inactive"),
            proves_absence=True,
        )


def _require_same(account: Account, session: Json) -> None:
    if session.get("did") != account.remote_id:
        raise Disconnected(
            "Bluesky says that this session belongs to another account. Connect the account again.",
            health="error",
            proves_absence=True,
        )


def _credential(session: Json) -> dict[str, str]:
    """The pair of tokens; with the time where they do not say when they end."""
    access, renewing = session.get("accessJwt"), session.get("refreshJwt")
    if not (isinstance(access, str) and isinstance(renewing, str) and access and renewing):
        raise Unavailable("The address answers, but not as a Bluesky server does. Check the server's address.")
    pair = {"accessJwt": access, "refreshJwt": renewing}
    return pair if "exp" in claims_of(renewing) else {**pair, "openedAt": datetime.now(UTC).isoformat()}


def _own_server(session: Json) -> str | None:
    """The account's own server by its DID document (atproto-website: specs/did, service `#atproto_pds`)."""
    document = session.get("didDoc")
    offered = document.get("service") if isinstance(document, dict) else None
    for entry in offered if isinstance(offered, list) else []:
        if isinstance(entry, dict) and str(entry.get("id", "")).endswith("#atproto_pds"):
            return _address(str(entry.get("serviceEndpoint", "")))
    return None


async def _describe(session: Json, host: str, credential: Credential, outgoing: Outgoing) -> Connected:
    did, handle = session.get("did"), session.get("handle")
    if not isinstance(did, str) or not is_did(did):
        raise Unavailable("The address answers, but not as a Bluesky server does. Check the server's address.")
    token = str(credential.get("accessJwt", ""))
    profile = await _told(outgoing, host, "app.bsky.actor.getProfile", {"actor": did}, token)
    server = await _told(outgoing, host, "com.atproto.server.describeServer", {})
    health = await _told(outgoing, host, "_health", {})
    avatar, name = profile.get("avatar"), profile.get("displayName")
    return Connected(
        remote_id=did,
        handle=handle if isinstance(handle, str) and handle else did,
        host=host,
        credential=credential,
        display_name=name if isinstance(name, str) else "",
        avatar_url=avatar if isinstance(avatar, str) else None,
        facts=_facts(server, health),
    )


async def _told(
    outgoing: Outgoing, host: str, method: str, parameters: Mapping[str, str], token: str | None = None
) -> Json:
    """What the server says if it says it; nothing where it does not (an own server may have no profiles at all)."""
    try:
        return await ask(outgoing, query(host, method, parameters, token))
    except PlatformError:
        return {}


def _facts(server: Json, health: Json) -> Json:
    facts: Json = {}
    limit = server.get("blobUploadLimit")
    if isinstance(limit, int) and limit > 0:
        facts["blobUploadLimit"] = limit
    did = server.get("did")
    if isinstance(did, str) and is_did(did):
        facts["serverDid"] = did  # for whom the tokens are that the video service presents to it
    version = re.fullmatch(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].*)?", str(health.get("version", "")))
    if version and tuple(map(int, version.groups())) >= GALLERY_SINCE:
        facts["gallery"] = True
    return facts


async def _give_back(service: str, session: Json, outgoing: Outgoing) -> None:
    """Ends a session that is not wanted, as far as the server lets us."""
    token = session.get("refreshJwt")
    if isinstance(token, str):
        with suppress(PlatformError):
            await send_repeatable(outgoing, procedure(service, "com.atproto.server.deleteSession", token=token))
