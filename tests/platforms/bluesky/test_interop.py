"""The protocol's own vectors, as far as a post uses them: handles, DIDs, keys, languages, addresses, times."""

import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.platforms.bluesky.limits import is_language
from hayon.platforms.bluesky.record import KEY_PATTERN, as_moment, new_key
from hayon.platforms.bluesky.text import find_facets, is_did, is_handle
from tests.platforms.bluesky.scripted import ADAPTER, DID, HOST, Server, answered, parcel, prepare
from tests.platforms.parcels import NOW, make_account

FOLDER = Path(__file__).parent / "interop"


def vectors(name: str) -> list[str]:
    """The cases of a file, with the spaces that belong to them."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def mentions(text: str) -> list[str]:
    return [facet.value for facet in find_facets(text) if facet.kind == "mention"]


def test_the_vectors_are_there() -> None:
    counts = {path.stem: len(vectors(path.stem)) for path in sorted(FOLDER.glob("*_*.txt"))}
    assert len(counts) == 14
    assert sum(counts.values()) > 300
    assert min(counts.values()) > 3


@pytest.mark.parametrize("handle", vectors("handle_syntax_valid"))
def test_a_handle_is_one(handle: str) -> None:
    assert is_handle(handle)


@pytest.mark.parametrize("text", vectors("handle_syntax_invalid"))
def test_what_is_no_handle_is_never_asked_after(text: str) -> None:
    assert not is_handle(text)
    assert text not in mentions(f"hi @{text}")


def test_handles_under_a_known_name_are_mentions() -> None:
    known = [
        handle
        for handle in vectors("handle_syntax_valid")
        if handle.endswith((".test", ".com", ".org", ".pl", ".uk", ".in", ".cn", ".app"))
    ]
    assert len(known) > 40
    for handle in known:
        assert mentions(f"hi @{handle}, you") == [handle]


@pytest.mark.parametrize("did", vectors("did_syntax_valid"))
def test_a_did_is_one(did: str) -> None:
    assert is_did(did)


@pytest.mark.parametrize("text", vectors("did_syntax_invalid"))
async def test_what_is_no_did_is_nobody(text: str) -> None:
    """A record that names it would be refused whole."""
    assert not is_did(text)
    handles, _ = await prepare(parcel("@a.test"), Server({"resolveHandle": answered({"did": text})}))
    assert "facets" not in handles["record"]


ACCOUNT = make_account("bluesky", HOST, DID, handle="alice.test")


@pytest.mark.parametrize("key", vectors("tid_syntax_valid"))
def test_a_key_is_one(key: str) -> None:
    uri = f"at://{DID}/app.bsky.feed.post/{key}"
    assert re.fullmatch(KEY_PATTERN, key)
    assert ADAPTER.remote_id_in(uri, ACCOUNT) == uri


@pytest.mark.parametrize("text", [*vectors("tid_syntax_invalid"), *vectors("aturi_syntax_invalid")])
def test_what_is_no_key_or_no_address_is_no_post(text: str) -> None:
    whole = text if "://" in text else f"at://{DID}/app.bsky.feed.post/{text}"
    assert ADAPTER.remote_id_in(whole, ACCOUNT) is None


@pytest.mark.parametrize("uri", vectors("aturi_syntax_valid"))
def test_other_things_have_addresses_too_but_are_no_posts(uri: str) -> None:
    assert ADAPTER.remote_id_in(uri, ACCOUNT) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.text())  # noqa: DTZ001 - st wants naive
def test_our_own_keys_are_keys(at: datetime, name: str) -> None:
    assert re.fullmatch(KEY_PATTERN, new_key(at.replace(tzinfo=NOW.tzinfo), name))


WITHOUT_A_LANGUAGE_OF_TODAY = {"sgn-BE-NL", "i-default", "i-navajo", "X-fr-CH"}
"""Grandfathered and private ones: nobody writes in them, and the rules say how to write a language instead."""


@pytest.mark.parametrize("tag", vectors("language_syntax_valid"))
def test_a_language_is_one(tag: str) -> None:
    assert is_language(tag) is (tag not in WITHOUT_A_LANGUAGE_OF_TODAY)


@pytest.mark.parametrize("text", [*vectors("language_syntax_invalid"), *vectors("language_parse_invalid")])
def test_what_is_no_language_is_said_before_anything_is_sent(text: str) -> None:
    assert not is_language(text)


def test_addresses_of_the_web_are_links_as_they_stand() -> None:
    web = [uri for uri in vectors("uri_syntax_valid") if uri.startswith("http")]
    assert len(web) == 3
    for uri in web:
        assert [(facet.kind, facet.value) for facet in find_facets(f"see {uri} there")] == [("link", uri)]


@pytest.mark.parametrize("text", [text for text in vectors("uri_syntax_invalid") if len(text) <= 3_000])
def test_what_is_no_address_is_no_link(text: str) -> None:
    """Of those that a post can hold at all."""
    assert text not in [facet.value for facet in find_facets(f"see {text}")]


def test_moments_are_written_the_way_that_is_preferred() -> None:
    whole = [text for text in vectors("datetime_syntax_valid") if re.fullmatch(r"[1-9]\d{3}-.*\.\d{3}Z", text)]
    assert len(whole) > 5
    for text in whole:
        assert as_moment(datetime.fromisoformat(text)) == text
