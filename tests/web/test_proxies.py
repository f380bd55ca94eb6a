"""Where a request comes from: only a trusted proxy speaks for others, in one header, and nobody chooses the name they are counted by."""

from pathlib import Path

import pytest
from fastapi import Request

from hayon.errors import Misconfigured
from hayon.settings import Settings
from hayon.web.proxies import client_address, counted_as, is_loopback, read_address
from tests.web.house import PASSWORD, House, Visitor, open_house


def asked(peer: str, *headers: tuple[str, str]) -> Request:
    """A request as it arrives."""
    given = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "client": (peer, 1), "headers": given})


FOR = "X-Forwarded-For"


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", [(FOR, "198.51.100.1")], "203.0.113.9"),
        ("10.0.0.1", [(FOR, "198.51.100.1")], "198.51.100.1"),
        # what the client wrote itself stands before what the proxy wrote
        ("10.0.0.1", [(FOR, "127.0.0.1, 198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "127.0.0.1"), (FOR, "198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "127.0.0.1,, ,198.51.100.1 ,")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "198.51.100.1, 10.2.3.4")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "10.2.3.4")], "10.2.3.4"),
        ("10.0.0.1", [], "10.0.0.1"),
        # no address: the proxy itself is who asks, whatever stands further left
        ("10.0.0.1", [(FOR, "nonsense")], "10.0.0.1"),
        ("10.0.0.1", [(FOR, "198.51.100.1, unknown")], "10.0.0.1"),
        ("10.0.0.1", [(FOR, "198.51.100.1\xe9")], "10.0.0.1"),
        # headers that no proxy of ours sets, so that they are the client's own word
        ("10.0.0.1", [("Forwarded", "for=198.51.100.1")], "10.0.0.1"),
        ("10.0.0.1", [("Forwarded", "for=127.0.0.1"), (FOR, "198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [("X-Real-IP", "127.0.0.1"), (FOR, "198.51.100.1")], "198.51.100.1"),
        # ports, brackets, zones, one kind of address in the dress of the other
        ("10.0.0.1", [(FOR, "198.51.100.1:50123")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "[2001:db8::1]:443")], "2001:db8::1"),
        ("10.0.0.1", [(FOR, "2001:DB8:0::1")], "2001:db8::1"),
        ("10.0.0.1", [(FOR, "fe80::1%eth0")], "fe80::1"),
        ("10.0.0.1", [(FOR, "::ffff:198.51.100.1")], "198.51.100.1"),
        ("::ffff:10.0.0.1", [(FOR, "198.51.100.1")], "198.51.100.1"),
        ("fd00::1", [(FOR, "2001:db8::1")], "2001:db8::1"),
        ("10.0.0.1", [(FOR, "10.0.0.999")], "10.0.0.1"),
    ],
)
def test_only_trusted_proxies_speak_for_others(peer: str, headers: list[tuple[str, str]], address: str) -> None:
    assert client_address(asked(peer, *headers), ["10.0.0.0/8", "fd00::/8"]) == address


@pytest.mark.parametrize(
    ("peer", "headers", "trusted", "here"),
    [
        ("127.0.0.1", [], [], True),
        ("::1", [], [], True),
        ("::ffff:127.0.0.1", [], [], True),
        ("203.0.113.9", [], [], False),
        ("127.0.0.1", [(FOR, "127.0.0.1")], [], False),
        ("127.0.0.1", [("Forwarded", "for=127.0.0.1")], [], False),
        ("127.0.0.1", [("Via", "1.1 proxy")], [], False),
        ("127.0.0.1", [(FOR, "127.0.0.1")], ["127.0.0.1"], True),
        # a proxy on this machine that is trusted, and says in another way, or not at all, who stands behind it
        ("127.0.0.1", [("Forwarded", "for=203.0.113.9")], ["127.0.0.1"], False),
        ("127.0.0.1", [("Via", "1.1 proxy")], ["127.0.0.1"], False),
        ("127.0.0.1", [("X-Real-IP", "203.0.113.9")], ["127.0.0.1"], False),
        ("127.0.0.1", [(FOR, "")], ["127.0.0.1"], False),
        ("127.0.0.1", [(FOR, "unknown")], ["127.0.0.1"], False),
        ("127.0.0.1", [(FOR, "203.0.113.9")], ["127.0.0.1"], False),
        ("127.0.0.1", [(FOR, "127.0.0.1, 203.0.113.9")], ["127.0.0.1"], False),
        ("127.0.0.1", [(FOR, "203.0.113.9, 127.0.0.1")], ["127.0.0.1"], False),
        ("127.0.0.1", [(FOR, "203.0.113.9"), (FOR, "127.0.0.1")], ["127.0.0.1"], False),
        ("10.0.0.1", [(FOR, "nonsense")], ["10.0.0.1"], False),
    ],
)
def test_who_is_on_this_machine(
    peer: str, headers: list[tuple[str, str]], trusted: list[str], here: bool
) -> None:  # fmt: skip
    assert is_loopback(asked(peer, *headers), trusted) is here


def test_a_household_counts_as_one() -> None:
    assert counted_as("2001:db8:1:2:aaaa::1") == counted_as("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert counted_as("2001:db8:1:3::1") != counted_as("2001:db8:1:2::1")
    assert counted_as("198.51.100.1") != counted_as("198.51.100.2")
    assert counted_as("::ffff:198.51.100.1") == counted_as("198.51.100.1:99") == "198.51.100.1"
    assert counted_as("unknown") == "unknown"
    assert read_address("1.2.3.4.5") is None


def test_a_proxy_that_cannot_be_read_stops_the_start() -> None:
    """One misspelt entry must not silently be trusted less, or more, than the operator thinks."""
    assert Settings.read({"HAYON_TRUSTED_PROXIES": "10.0.0.0/8, fd00::1"}).trusted_proxies == ("10.0.0.0/8", "fd00::1")
    for wrong in ("10.0.0.0/99", "proxy.internal", "10.0.0.1,*"):
        with pytest.raises(Misconfigured, match="HAYON_TRUSTED_PROXIES"):
            Settings.read({"HAYON_TRUSTED_PROXIES": wrong})


async def tries(house: House, headers: list[dict[str, str]]) -> list[int]:
    """Registering at an address that is taken, from each of these; the statuses. One try each, and none comes back in time."""
    given = {"email": "ada@example.org", "password": PASSWORD}
    visitor = house.visitor()
    return [(await visitor.post("/api/auth/register", given, headers=one)).status for one in headers]


async def test_nobody_escapes_their_throttle_by_another_address_of_theirs(folder: Path) -> None:
    async with open_house(folder, trusted_proxies=("127.0.0.1",)) as house:
        await house.register()
        same = [{FOR: f"2001:db8:1:2::{number:x}"} for number in range(42)]
        assert await tries(house, same) == [409] * 40 + [429] * 2
        spoofed = [
            {FOR: f"198.51.100.{number}, 2001:db8:1:2::9", "Forwarded": f"for=192.0.2.{number}"} for number in range(2)
        ]
        assert await tries(house, spoofed) == [429] * 2
        assert await tries(house, [{FOR: "2001:db8:1:3::1"}]) == [409]


async def test_an_untrusted_peer_counts_as_itself(house: House, ada: Visitor) -> None:
    statuses = await tries(house, [{FOR: f"198.51.100.{number}"} for number in range(40)])
    assert statuses == [409] * 39 + [429], "Ada's own registering came from the same address"
