"""The face that accounts see: an instance's address and an access token, or a person's word on its page, in; an account out."""

import ipaddress
import re
import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from hayon.domain.model import Account
from hayon.errors import Disconnected, Invalid, PlatformError, Problem
from hayon.outgoing import Answer, Outgoing
from hayon.platforms.contract import Allowance, Authorization, Connected, Credential
from hayon.platforms.mastodon import authorizing
from hayon.platforms.mastodon.answers import read_json
from hayon.platforms.mastodon.instance import Instance, NotAnInstance, token_of
from hayon.platforms.mastodon.limits import PLATFORM, facts_of

LONGEST_TOKEN = 2048
LONGEST_NAME = 200
_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".test")
_TOKEN_SIGNS = frozenset(string.ascii_letters + string.digits + string.punctuation)


class MastodonConnecting:
    """Connects accounts of any instance, with an access token made there."""

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        """Connects with `instanceUrl` and `accessToken`. Raises Invalid also where no Mastodon server is at that address."""
        problems: list[Problem] = []
        address = _address_in(given.get("instanceUrl"), problems)
        token = _token_in(given.get("accessToken"), problems)
        if problems:
            raise Invalid(problems)
        try:
            return await _introduce(Instance(address, token), outgoing, {"accessToken": token})
        except NotAnInstance as error:
            raise Invalid([_problem("instanceUrl", "not_an_instance", error.message)]) from error

    def host_of(self, given: Mapping[str, Any]) -> str:
        """The instance's address as it is written everywhere here."""
        problems: list[Problem] = []
        address = _address_in(given.get("instanceUrl"), problems)
        if problems:
            raise Invalid(problems)
        return address

    async def authorize(
        self,
        given: Mapping[str, Any],
        redirect_uri: str,
        state: str,
        registered: Mapping[str, Any] | None,
        outgoing: Outgoing,
    ) -> Authorization:
        """The page of the instance at `instanceUrl`. Our app is registered there where it is not known (any more)."""
        instance = Instance(self.host_of(given), "")
        try:
            return await authorizing.authorize(instance, redirect_uri, state, registered, outgoing)
        except NotAnInstance as error:
            raise Invalid([_problem("instanceUrl", "not_an_instance", error.message)]) from error

    async def exchange(
        self, returned: Mapping[str, str], kept: Mapping[str, Any], redirect_uri: str, outgoing: Outgoing
    ) -> Sequence[Connected]:
        """The one account; its credential holds our app too, for only with that the token can be given back.

        Raises Disconnected with the code `unknown_app` where the instance has forgotten our app.
        """
        instance, client = await authorizing.exchange(returned, kept, redirect_uri, outgoing)
        app = {"clientId": client.key, "clientSecret": client.secret}
        return [await _introduce(instance, outgoing, {"accessToken": instance.token, **app})]

    def renew_at(self, credential: Credential) -> datetime | None:
        """Never, as below."""
        return None

    async def revoke(self, account: Account, credential: Credential, outgoing: Outgoing) -> bool:
        """POST /oauth/revoke. False for a token that was given by hand: only the app that it was made for can do it."""
        client = authorizing.Client.in_(credential)
        if client is None:
            return False
        await authorizing.revoke(Instance(account.host, token_of(credential)), client, outgoing)
        return True

    async def allowances(
        self,
        account: Account,
        credential: Credential,
        outgoing: Outgoing,
    ) -> Sequence[Allowance]:
        """Nothing: what is left is told with each answer and nowhere else."""
        return ()

    def expires_soon(self, credential: Credential, now: datetime) -> bool:
        """Never: access tokens do not expire (mastodon/documentation: api/oauth-tokens.md)."""
        return False

    async def refresh(self, account: Account, credential: Credential, outgoing: Outgoing) -> Credential:
        """Raises Disconnected always: an instance renews no token, only its owner can make another."""
        host = Instance(account.host, "").host
        raise Disconnected(f"{host} renews no access tokens. Make a new one there and reconnect the account.")

    async def check(self, account: Account, credential: Credential, outgoing: Outgoing) -> Connected:
        """Asks again whose token it is, and the instance for its limits."""
        return await _introduce(Instance(account.host, token_of(credential)), outgoing, credential)


async def _introduce(instance: Instance, outgoing: Outgoing, credential: Credential) -> Connected:
    answer = await instance.ask(
        outgoing, instance.get("/api/v1/accounts/verify_credentials"), welcome=_ANY_THAT_TELLS_WHAT_IT_IS
    )
    person = _read_person(instance, answer)
    about = await _about(instance, outgoing)
    facts = facts_of(about)
    # our own app has the name that it was registered under, told or not: older instances want more scopes to tell it
    ours = authorizing.CLIENT_NAME if authorizing.Client.in_(credential) else None
    application = ours or await _application_name(instance, outgoing)
    if application:
        facts["applicationName"] = application
    domain = about.get("domain") or about.get("uri")
    domain = domain if isinstance(domain, str) and "/" not in domain else instance.host
    avatar = person.get("avatar")
    return Connected(
        remote_id=person["id"],
        handle=f"@{person['username']}@{domain}"[:LONGEST_NAME],
        host=instance.address,
        credential=credential,
        display_name=str(person.get("display_name") or "")[:LONGEST_NAME],
        avatar_url=avatar if isinstance(avatar, str) and avatar.startswith(("https://", "http://")) else None,
        facts=facts,
    )


_ANY_THAT_TELLS_WHAT_IT_IS = frozenset({200, 404, 410, *range(300, 400)})


def _read_person(instance: Instance, answer: Answer) -> Mapping[str, Any]:
    try:
        person = read_json(answer) if answer.status == 200 else None
    except ValueError:
        person = None
    if not isinstance(person, Mapping) or not all(isinstance(person.get(name), str) for name in ("id", "username")):
        raise instance.none_there(answer)
    return person


async def _about(instance: Instance, outgoing: Outgoing) -> Mapping[str, Any]:
    """What the instance says of itself: v2 since 4.0, v1 before and elsewhere, nothing where neither is offered."""
    for path in ("/api/v2/instance", "/api/v1/instance"):
        answer = await instance.ask(outgoing, instance.get(path), welcome=(200, 404, 410))
        if answer.status == 200:
            about = instance.read(answer)
            if not isinstance(about, Mapping):
                raise instance.misread(answer)
            return about
    return {}


async def _application_name(instance: Instance, outgoing: Outgoing) -> str | None:
    """Which app the token is of (mastodon/documentation: methods/apps.md). It only helps reconcile, so it may fail."""
    try:
        answer = await instance.ask(outgoing, instance.get("/api/v1/apps/verify_credentials"))
        application = instance.read(answer)
    except PlatformError:
        return None
    name = application.get("name") if isinstance(application, Mapping) else None
    return name if isinstance(name, str) else None


def _problem(field: str, rule: str, message: str) -> Problem:
    return Problem(field, rule, message, PLATFORM)


def _token_in(given: Any, problems: list[Problem]) -> str:
    token = given.strip() if isinstance(given, str) else ""
    if not token:
        problems.append(
            _problem("accessToken", "required", "Give an access token; your instance makes one under Development.")
        )
    elif len(token) > LONGEST_TOKEN or not _TOKEN_SIGNS.issuperset(token):
        problems.append(_problem("accessToken", "bad_token", "This is no access token: copy it once more, whole."))
    return token


def _address_in(given: Any, problems: list[Problem]) -> str:
    """The instance's address in the one way we write it: scheme, lower-case host, port, perhaps a path prefix."""
    written = given.strip() if isinstance(given, str) else ""
    if not written:
        problems.append(
            _problem("instanceUrl", "required", "Give the address of your instance, such as https://mastodon.social.")
        )
        return ""
    try:
        address = _normal(written)
    except ValueError:
        problems.append(
            _problem(
                "instanceUrl", "bad_address",
                f"{written[:100]!r} is no address of an instance. Give it without your user name, "
                "such as https://mastodon.social.",
            )
        )  # fmt: skip
        return ""
    if address.scheme == "http" and not _is_at_home(address.hostname or ""):
        problems.append(
            _problem(
                "instanceUrl",
                "not_encrypted",
                "Give an address that begins with https: your token would travel in the open.",
            )
        )
    return address.geturl()


def _normal(written: str) -> SplitResult:
    """The parts that make up an instance's address. Raises ValueError for what cannot be one."""
    parts = urlsplit(written if "://" in written else f"https://{written}")
    host, prefix = (parts.hostname or "").removesuffix("."), parts.path.rstrip("/")
    if ":" not in host:
        host = host.encode("idna").decode("ascii")  # its UnicodeError is a ValueError
    if (
        parts.scheme not in {"http", "https"}
        or not _HOST.fullmatch(host)
        or not _PREFIX.fullmatch(prefix)
        or prefix.startswith("/api/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or any(sign.isspace() for sign in written)  # some of which urlsplit() leaves out
    ):
        raise ValueError(written)
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = f":{parts.port}" if parts.port not in {None, usual} else ""
    return SplitResult(parts.scheme, (f"[{host}]" if ":" in host else host) + port, prefix, "", "")


_HOST = re.compile(r"[a-z0-9_.\-]+|[0-9a-f:.]+")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~.\-]+)*")


def _is_at_home(host: str) -> bool:
    """Whether a host is of this machine or its own network, where an unencrypted sandbox or container may be."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_ENDINGS)
