"""Connecting an account: fields, addresses, who it is, the instance's facts, and what may go wrong."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.errors import Disconnected, Invalid, PlatformError, RateLimited, Unavailable, Unconfirmed, Unreachable
from hayon.platforms.contract import Platform
from hayon.platforms.mastodon import Mastodon
from hayon.sandbox.mastodon.limits import InstanceLimits
from tests.platforms.mastodon.conftest import ADAPTER, Home
from tests.platforms.mastodon.scripted import (
    ADDRESS,
    APP,
    CREDENTIAL,
    HOST,
    V1,
    V2,
    VERIFY,
    Scripted,
    Server,
    answered,
    refused,
)
from tests.platforms.parcels import make_account

PERSON = {
    "id": "7",
    "username": "alice",
    "display_name": "Alice",
    "avatar": "https://social.example/a.png",
    "unknown": [],
}
ABOUT = {"domain": "example", "configuration": {"statuses": {"max_characters": 1000}}}
GIVEN = {"instanceUrl": "social.example", "accessToken": "token"}


def server(**changes: Any) -> Server:
    """A well-behaved instance, but for these answers."""
    names = {"verify": VERIFY, "v1": V1, "v2": V2, "app": APP}
    usual: dict[str, Scripted | list[Scripted]] = {
        VERIFY: answered(PERSON),
        V2: answered(ABOUT),
        APP: answered({"name": "Hayon", "website": None}),
    }
    return Server(usual | {names[name]: answer for name, answer in changes.items()})


def test_it_is_a_platform() -> None:
    adapter: Platform = Mastodon()
    assert adapter.platform == "mastodon"


async def test_connecting_asks_who_it_is_and_what_holds() -> None:
    instance = server()
    connected = await ADAPTER.connect(GIVEN, instance.outgoing)
    assert (connected.remote_id, connected.handle, connected.host) == ("7", "@alice@example", ADDRESS)
    assert (connected.display_name, connected.avatar_url) == ("Alice", "https://social.example/a.png")
    assert connected.credential == {"accessToken": "token"}
    assert connected.facts == {"maxCharacters": 1000, "applicationName": "Hayon"}
    assert instance.calls == [VERIFY, V2, APP]
    assert {request.headers["Authorization"] for request in instance.asked} == {"Bearer token"}


async def test_an_older_instance_speaks_of_itself_in_another_place() -> None:
    about = {"uri": "example", "max_toot_chars": 42}
    connected = await ADAPTER.connect(GIVEN, server(v2=refused(404, "Not Found"), v1=answered(about)).outgoing)
    assert (connected.handle, connected.facts["maxCharacters"]) == ("@alice@example", 42)


async def test_an_instance_may_say_nothing_of_itself_or_of_the_app() -> None:
    silent = server(v2=refused(404, "Not Found"), v1=refused(404, "Not Found"), app=refused(403, "No"))
    connected = await ADAPTER.connect(GIVEN, silent.outgoing)
    assert (connected.handle, connected.facts) == ("@alice@social.example", {})


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("mastodon.social", "https://mastodon.social"),
        ("https://mastodon.social/", "https://mastodon.social"),
        ("HTTPS://Mastodon.Social", "https://mastodon.social"),
        ("  https://mastodon.social  ", "https://mastodon.social"),
        ("https://mastodon.social.:443/", "https://mastodon.social"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("https://mastodon.social:8443", "https://mastodon.social:8443"),
        ("https://example.org/social/", "https://example.org/social"),
        ("http://127.0.0.1:1234/mastodon", "http://127.0.0.1:1234/mastodon"),
        ("http://[::1]:1234", "http://[::1]:1234"),
        ("http://sandbox:8000", "http://sandbox:8000"),
        ("localhost:3000", "https://localhost:3000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
async def test_addresses_are_written_in_one_way(written: str, address: str) -> None:
    instance = Server()  # asked, it cannot be reached; but it was asked under this address
    with pytest.raises(Unreachable):
        await ADAPTER.connect({**GIVEN, "instanceUrl": written}, instance.outgoing)
    assert instance.asked[0].url == address + VERIFY.removeprefix("GET ")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, [("instanceUrl", "required"), ("accessToken", "required")]),
        ({**GIVEN, "instanceUrl": "  "}, [("instanceUrl", "required")]),
        ({**GIVEN, "instanceUrl": 5}, [("instanceUrl", "required")]),
        *(({**GIVEN, "instanceUrl": written}, [("instanceUrl", "bad_address")]) for written in (
            "@alice@mastodon.social", "alice@mastodon.social", "https://mastodon.social/@alice", "https://u:p@host.example",
            "ftp://mastodon.social", "https://", "https://host.example?x=1", "https://host.example#x", "https://a b.example",
            "https://host.example:port", "https://[::1", "https://host.example/api/v1", "https://host.example/a//b",
            f"https://{'a' * 64}.example", "javascript://host.example/%0aalert(1)", "https://host.example\\@other.example",
            "https://host\r\n.example")),
        ({**GIVEN, "instanceUrl": "http://mastodon.social"}, [("instanceUrl", "not_encrypted")]),
        ({**GIVEN, "accessToken": ""}, [("accessToken", "required")]),
        ({**GIVEN, "accessToken": None}, [("accessToken", "required")]),
        ({**GIVEN, "accessToken": "two words"}, [("accessToken", "bad_token")]),
        ({**GIVEN, "accessToken": "a\r\nX-Evil: 1"}, [("accessToken", "bad_token")]),
        ({**GIVEN, "accessToken": "ü"}, [("accessToken", "bad_token")]),
        ({**GIVEN, "accessToken": "a" * 5000}, [("accessToken", "bad_token")]),
    ],
)  # fmt: skip
async def test_misshapen_fields_are_all_named_and_nothing_is_asked(
    given: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    instance = server()
    with pytest.raises(Invalid) as raised:
        await ADAPTER.connect(given, instance.outgoing)
    assert [(one.field, one.rule) for one in raised.value.problems] == found
    assert all(one.platform == "mastodon" and one.message.endswith(".") for one in raised.value.problems)
    assert not instance.asked


@given(st.text() | st.text("abc.:/@[]%#?\\-_ 0123456789"))
async def test_no_address_breaks_the_reading(written: str) -> None:
    with pytest.raises((Invalid, Unreachable)):
        await ADAPTER.connect({**GIVEN, "instanceUrl": written}, Server().outgoing)


@pytest.mark.parametrize(
    "answer",
    [
        refused(404, "Not Found"),
        answered("<html>welcome</html>", 200),
        answered("<html>welcome</html>", 404),
        answered(["7"]),
        answered({"id": 7, "username": "alice"}),
        answered({"id": "7"}),
        answered("", 302, {"location": "https://www.social.example/x"}),
        answered("", 301),
    ],
)
async def test_an_address_without_an_instance_is_a_problem_of_the_field(answer: Scripted) -> None:
    with pytest.raises(Invalid) as raised:
        await ADAPTER.connect(GIVEN, server(verify=answer).outgoing)
    assert [(one.field, one.rule) for one in raised.value.problems] == [("instanceUrl", "not_an_instance")]
    assert HOST in raised.value.problems[0].message


async def test_a_redirect_names_the_address_to_give() -> None:
    moved = answered("", 301, {"location": "https://new.example/api/v1/accounts/verify_credentials"})
    with pytest.raises(Invalid, match=r"give that address") as raised:
        await ADAPTER.connect(GIVEN, server(verify=moved).outgoing)
    assert "new.example" in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(401, "The access token is invalid"), Disconnected),
        (refused(403, "This action is outside the authorized scopes"), Disconnected),
        (refused(403, "Your login is currently disabled"), Disconnected),
        (refused(422, "This method requires an authenticated user"), Disconnected),
        (refused(429, "Too many requests"), RateLimited),
        (refused(503, "Service unavailable"), Unavailable),
        (answered("<html>", 502), Unavailable),
        (Unconfirmed("cut"), Unavailable),
        (Unreachable("no name", host=HOST), Unreachable),
    ],
)
async def test_what_an_instance_refuses(answer: Scripted, error: type[PlatformError]) -> None:
    account = make_account("mastodon", ADDRESS, "7")
    with pytest.raises(error) as connecting:
        await ADAPTER.connect(GIVEN, server(verify=answer).outgoing)
    with pytest.raises(error) as checking:
        await ADAPTER.check(account, CREDENTIAL, server(verify=answer).outgoing)
    assert type(connecting.value) is type(checking.value) is error


@pytest.mark.parametrize("answer", [answered("<html>", 200), answered([])])
async def test_an_instance_that_speaks_nonsense_of_itself_is_unavailable(answer: Scripted) -> None:
    with pytest.raises(Unavailable):
        await ADAPTER.connect(GIVEN, server(v2=answer).outgoing)


async def test_a_check_of_an_account_whose_instance_is_gone_blames_no_token() -> None:
    account = make_account("mastodon", ADDRESS, "7")
    for answer in (refused(404, "Not Found"), answered("", 301), answered("<html>parked</html>")):
        with pytest.raises(Unavailable):
            await ADAPTER.check(account, CREDENTIAL, server(verify=answer).outgoing)


async def test_without_a_token_the_account_asks_to_be_reconnected() -> None:
    instance = server()
    with pytest.raises(Disconnected) as raised:
        await ADAPTER.check(make_account("mastodon", ADDRESS, "7"), {}, instance.outgoing)
    assert raised.value.health == "error"
    assert not instance.asked


async def test_tokens_neither_expire_nor_renew() -> None:
    instance = server()
    assert ADAPTER.expires_soon(CREDENTIAL, datetime.max.replace(tzinfo=UTC)) is False
    with pytest.raises(Disconnected, match=HOST):
        await ADAPTER.refresh(make_account("mastodon", ADDRESS, "7"), CREDENTIAL, instance.outgoing)
    assert not instance.asked


async def test_pictures_and_names_of_strangers_are_taken_with_care() -> None:
    person = {**PERSON, "avatar": "javascript:alert(1)", "display_name": "x" * 5000, "username": "y" * 5000}
    connected = await ADAPTER.connect(GIVEN, server(verify=answered(person)).outgoing)
    assert connected.avatar_url is None
    assert (len(connected.display_name), len(connected.handle)) == (200, 200)


async def test_the_sandbox_is_connected_under_its_prefix_with_its_own_facts(home: Home) -> None:
    home.world.impose(home.world.limits.having(InstanceLimits(characters=42, media_per_status=2, characters_per_url=9)))
    token = home.profile.secret
    connected = await ADAPTER.connect({"instanceUrl": f"{home.address}/", "accessToken": token}, home.outgoing)
    assert connected.host == home.address
    assert connected.remote_id == home.profile.account_id
    assert connected.handle == f"@alice@{home.url.removeprefix('http://')}"
    rules = ADAPTER.rules(connected.facts)
    assert (rules.text_limit, rules.images.limit, rules.count("https://example.com", {})) == (42, 2, 9)
    assert "video/mp4" not in rules.images.mimes


async def test_a_check_reads_all_again(home: Home) -> None:
    home.world.impose(home.world.limits.having(InstanceLimits(characters=43)))
    connected = await ADAPTER.check(home.account, {"accessToken": home.profile.secret}, home.outgoing)
    assert connected.facts["maxCharacters"] == 43
    assert (connected.remote_id, connected.host) == (home.account.remote_id, home.account.host)


async def test_a_revoked_token_and_a_disabled_login(home: Home) -> None:
    credential = {"accessToken": home.profile.secret}
    home.world.set_standing(home.profile, "disabled")
    with pytest.raises(Disconnected) as disabled:
        await ADAPTER.check(home.account, credential, home.outgoing)
    home.world.revoke(home.profile)
    with pytest.raises(Disconnected) as revoked:
        await ADAPTER.check(home.account, credential, home.outgoing)
    assert (disabled.value.health, revoked.value.health) == ("error", "revoked")
