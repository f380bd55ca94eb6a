"""The way in through an instance's own page (OAuth 2): our app registered there, the page, the token, and giving it back.

Sources: mastodon/documentation: methods/apps.md, methods/oauth.md, api/oauth-scopes.md. Only what these name is asked of an
instance; addresses that it might name itself are not followed.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from hayon.errors import Disconnected, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Authorization
from hayon.platforms.mastodon.answers import limit_ends_at, read_json, words_of
from hayon.platforms.mastodon.instance import Instance

CLIENT_NAME = "Hayon"
"""What stands under each post as the app it was made with, where people show that."""
UNKNOWN_APP = "unknown_app"
"""The code of a Disconnected that is about our app: the instance does not know it (any more), so it has to be registered anew."""
_WHO = {True: "profile", False: "read:accounts"}
"""The least with which an instance tells whose token it is: since 4.3, and before (api/oauth-scopes.md)."""
_SCOPES = ("read:statuses", "write:statuses", "write:media")
_ERROR_WORD = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Client:
    """Our app as one instance knows it. `scopes` are those it was registered for."""

    key: str
    secret: str = field(repr=False)
    scopes: str

    @classmethod
    def in_(cls, kept: Mapping[str, Any] | None) -> "Client | None":
        """As it was kept; None where it was not, or not whole."""
        parts = [(kept or {}).get(name) for name in ("clientId", "clientSecret", "scopes")]
        key, secret, scopes = (part if isinstance(part, str) else "" for part in parts)
        return cls(key, secret, scopes) if key and secret else None

    def as_kept(self) -> dict[str, str]:
        """As it is kept."""
        return {"clientId": self.key, "clientSecret": self.secret, "scopes": self.scopes}

    def form(self, **more: str) -> dict[str, str]:
        """The fields with which it says who it is."""
        return {"client_id": self.key, "client_secret": self.secret, **more}


async def authorize(
    instance: Instance, redirect_uri: str, state: str, registered: Mapping[str, Any] | None, outgoing: Outgoing
) -> Authorization:
    """The instance's page, for the app registered there before, or for one that is registered now.

    Raises NotAnInstance where something else answers, Rejected where the instance does not take our app.
    """
    told = await _about_itself(instance, outgoing)
    client = Client.in_(registered)
    if client is None or not await _is_known(instance, client, outgoing):
        client = await _register(instance, redirect_uri, _scopes_of(told), outgoing)
    kept = {"instanceUrl": instance.address, "state": state, **client.as_kept()}
    asked = {
        "response_type": "code", "client_id": client.key, "redirect_uri": redirect_uri, "scope": client.scopes,
        "state": state,
    }  # fmt: skip
    if "S256" in _words_in(told, "code_challenge_methods_supported"):
        kept["verifier"] = secrets.token_urlsafe(48)
        asked |= {"code_challenge": _challenge(kept["verifier"]), "code_challenge_method": "S256"}
    return Authorization(f"{instance.address}/oauth/authorize?{urlencode(asked)}", kept, client.as_kept())


async def exchange(
    returned: Mapping[str, str], kept: Mapping[str, Any], redirect_uri: str, outgoing: Outgoing
) -> tuple[Instance, Client]:
    """The instance with the access token that the code is good for, once, and the app that it was given to.

    Raises Disconnected where the person said no, or where the instance does not take the code; with the code
    `unknown_app` where it does not know the app.
    """
    instance, client = Instance(str(kept.get("instanceUrl", "")), ""), Client.in_(kept)
    if client is None:
        raise Disconnected("This way to the account cannot be gone on. Begin again.", health="error", code="bad_state")
    theirs, ours = (str(held.get("state", "")).encode("utf-8", "replace") for held in (returned, kept))
    if not hmac.compare_digest(theirs, ours):
        raise Disconnected("This is not the answer to what was asked. Begin again.", health="error", code="bad_state")
    code = returned.get("code", "")
    if not code:
        raise _refusal(returned, instance)
    form = client.form(grant_type="authorization_code", code=code, redirect_uri=redirect_uri)
    if isinstance(kept.get("verifier"), str):
        form["code_verifier"] = kept["verifier"]
    answer = await _ask(instance, "/oauth/token", form, outgoing)
    if answer.status != 200:
        raise _no_token(answer, instance)
    return Instance(instance.address, _word_in(instance, answer, "access_token")), client


async def revoke(instance: Instance, client: Client, outgoing: Outgoing) -> None:
    """Gives the token back; a repeat is answered alike. The instance gives one person and one app one token: it is void for
    whoever else connected the same account here. Raises Disconnected with the code `unknown_app` where it knows no such app.
    """
    answer = await _ask(instance, "/oauth/revoke", client.form(token=instance.token), outgoing)
    if answer.status == 403 and words_of(answer) is not None:
        raise _unknown(instance, answer)
    if answer.status != 200:
        raise _unknown(instance, answer) if _is_no_client(answer) else _trouble(answer, instance)


async def _about_itself(instance: Instance, outgoing: Outgoing) -> Mapping[str, Any]:
    """What an instance says of its way in, since 4.3; nothing where it does not (methods/oauth.md, "Discover")."""
    request = Request(
        "GET", f"{instance.address}/.well-known/oauth-authorization-server", {"Accept": "application/json"}
    )
    answer = await instance.ask(outgoing, request, welcome=(200, *range(300, 400), *range(400, 429), *range(430, 500)))
    told = _read(answer) if answer.status == 200 else None
    return told if isinstance(told, Mapping) else {}


def _read(answer: Answer) -> Any:
    try:
        return read_json(answer)
    except ValueError:
        return None


def _scopes_of(told: Mapping[str, Any]) -> str:
    return " ".join((_WHO["profile" in _words_in(told, "scopes_supported")], *_SCOPES))


async def _register(instance: Instance, redirect_uri: str, scopes: str, outgoing: Outgoing) -> Client:
    """POST /api/v1/apps: five in ten minutes are taken from one address (mastodon: config/initializers/rack_attack.rb)."""
    form = {"client_name": CLIENT_NAME, "redirect_uris": redirect_uri, "scopes": scopes}
    answer = await _ask(instance, "/api/v1/apps", form, outgoing)
    if answer.status in {400, 403, 422} and words_of(answer) is not None:
        raise Rejected(
            f'{instance.host} does not let Hayon register there ("{words_of(answer)}"). Ask those who run it, or give an '
            "access token that was made there.",
            code="app_refused", http_status=answer.status, proves_absence=True,
        )  # fmt: skip
    if answer.status == 429 or answer.status >= 500:
        raise _trouble(answer, instance)
    if answer.status not in {200, 201} or not isinstance(_read(answer), Mapping):
        raise instance.none_there(answer)
    return Client(_word_in(instance, answer, "client_id"), _word_in(instance, answer, "client_secret"), scopes)


async def _is_known(instance: Instance, client: Client, outgoing: Outgoing) -> bool:
    """Whether the instance still knows our app. If it does not, its page says so to the person, who never comes back to us.

    Asked by a token of the app alone, which can do nothing for anybody; any answer but the plain no counts as a yes.
    """
    form = client.form(grant_type="client_credentials", scope=client.scopes)
    return not _is_no_client(await _ask(instance, "/oauth/token", form, outgoing))


async def _ask(instance: Instance, path: str, form: Mapping[str, str], outgoing: Outgoing) -> Answer:
    """Any answer. A lost one is Unavailable: nothing was put before anybody's eyes, and the person begins again."""
    request = Request("POST", instance.address + path, {"Accept": "application/json"}, form=form)
    try:
        return await outgoing.send(request)
    except Unconfirmed as error:
        raise Unavailable(f"{instance.host} gave no answer that could be read. Begin again later.") from error


def _challenge(verifier: str) -> str:
    """RFC 7636, section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _refusal(returned: Mapping[str, str], instance: Instance) -> Disconnected:
    word = returned.get("error", "")
    if word == "access_denied":
        words = f"You did not let Hayon in at {instance.host}. Nothing was connected."
    else:
        words = f"{instance.host} sent you back without letting Hayon in. Begin again."
    return Disconnected(words, health="error", code=word if _ERROR_WORD.fullmatch(word) else "refused")


def _no_token(answer: Answer, instance: Instance) -> PlatformError:
    if _is_no_client(answer):
        return _unknown(instance, answer)
    words = words_of(answer)
    if words is not None and answer.status in {400, 401, 403, 422}:
        word = words.partition(":")[0]
        return Disconnected(
            f"{instance.host} does not accept this way in any more; perhaps it took too long. Begin again.",
            health="error", code=word if _ERROR_WORD.fullmatch(word) else "", http_status=answer.status,
        )  # fmt: skip
    return _trouble(answer, instance)


def _trouble(answer: Answer, instance: Instance) -> PlatformError:
    """Without the instance's own words: what was sent had secrets in it, and they might repeat them."""
    if answer.status == 429:
        words = f"{instance.host} takes no more from this Hayon for the moment. Begin again later."
        return RateLimited(words, until=limit_ends_at(answer, datetime.now(UTC)))
    return Unavailable(
        f"{instance.host} cannot be used at the moment (HTTP {answer.status}). Begin again later.",
        http_status=answer.status,
    )


def _unknown(instance: Instance, answer: Answer) -> Disconnected:
    return Disconnected(
        f"{instance.host} does not know this Hayon any more. Begin again: it is registered there anew.",
        health="error", code=UNKNOWN_APP, http_status=answer.status,
    )  # fmt: skip


def _is_no_client(answer: Answer) -> bool:
    """`invalid_client` (RFC 6749, section 5.2), as Doorkeeper words it."""
    return answer.status in {400, 401, 403} and (words_of(answer) or "").partition(":")[0] == "invalid_client"


def _word_in(instance: Instance, answer: Answer, name: str) -> str:
    body = instance.read(answer)
    word = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(word, str) or not word.isprintable() or not 0 < len(word) <= 2048:
        raise instance.misread(answer)
    return word


def _words_in(told: Mapping[str, Any], name: str) -> tuple[str, ...]:
    listed = told.get(name)
    return tuple(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()
