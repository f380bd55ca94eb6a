"""Sealing, opening, rotating, signing: and everything that must not open."""

import base64
import json
import os
import string
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.errors import Misconfigured
from hayon.vault import Vault, load_or_make_secret_key

NEW, OLD = "n" * 32, "o" * 32
NOW = datetime(2026, 11, 3, 12, 30, 15, 900_000, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15)
CREDENTIAL = {"accessJwt": "geheim 🗝", "expires": 17, "scopes": ["a", None, True], "nested": {"a": 1.5}}


def test_what_was_sealed_opens_and_shows_nothing() -> None:
    sealed = Vault([NEW]).seal(CREDENTIAL, "account-1")
    assert Vault([NEW.encode()]).open(sealed, "account-1") == CREDENTIAL
    assert b"geheim" not in sealed
    assert b"accessJwt" not in sealed


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert len({Vault([NEW]).seal({}, "a") for _ in range(100)}) == 100


@pytest.mark.parametrize("context", ["account-2", "", "account-11", "Account-1"])
def test_nothing_opens_for_another_account(context: str) -> None:
    sealed = Vault([NEW]).seal(CREDENTIAL, "account-1")
    with pytest.raises(Misconfigured):
        Vault([NEW]).open(sealed, context)


def test_every_changed_byte_is_noticed() -> None:
    vault = Vault([NEW])
    sealed = vault.seal({"a": 1}, "account-1")
    for index in range(len(sealed)):
        for spoilt in (bytes((*sealed[:index], sealed[index] ^ 1, *sealed[index + 1 :])), sealed[:index]):
            with pytest.raises(Misconfigured):
                vault.open(spoilt, "account-1")


def test_keys_rotate() -> None:
    before, between, after = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
    old = before.seal(CREDENTIAL, "a")
    assert not before.needs_resealing(old, "a")
    assert between.needs_resealing(old, "a")
    new = between.seal(between.open(old, "a"), "a")
    assert not between.needs_resealing(new, "a")
    assert after.open(new, "a") == CREDENTIAL
    with pytest.raises(Misconfigured, match="HAYON_PREVIOUS_SECRET_KEY"):
        after.open(old, "a")
    with pytest.raises(Misconfigured):
        before.open(new, "a")


def test_keys_whose_names_collide_are_told_apart() -> None:
    """Else what is sealed under the older of two such keys would be lost with it."""
    names: dict[int, str] = {}
    for number in range(300):
        key = f"{number:032}"
        name = Vault([key]).seal({}, "a")[1]
        if name in names:
            break
        names[name] = key
    older, newer = names[name], key
    both = Vault([newer, older])
    assert both.needs_resealing(Vault([older]).seal({}, "a"), "a")
    assert not both.needs_resealing(Vault([newer]).seal({}, "a"), "a")


def test_keys_whose_names_collide_still_open() -> None:
    """A key's name is one byte, so that of 300 keys some share theirs."""
    keys = [f"{number:032}" for number in range(300)]
    everything = Vault(keys)
    for key in keys:
        assert everything.open(Vault([key]).seal({"k": key}, "a"), "a") == {"k": key}


@pytest.mark.parametrize("keys", [[], [""], ["short"], [NEW, "short"], [b"x" * 15]])
def test_a_key_that_is_missing_or_short_stops_the_start(keys: list[bytes | str]) -> None:
    with pytest.raises(Misconfigured):
        Vault(keys)


TEXT = st.text(st.characters(codec="utf-8"))


@given(st.dictionaries(TEXT, TEXT | st.integers() | st.none()), TEXT)
def test_any_json_and_any_context(plain: dict[str, str | int | None], context: str) -> None:
    vault = Vault([NEW])
    assert vault.open(vault.seal(plain, context), context) == plain
    assert vault.verify(context, vault.sign(context, plain, LATER), NOW) == plain


def test_a_signature_is_good_for_one_purpose_until_its_time() -> None:
    vault = Vault([NEW])
    token = vault.sign("upload", {"key": "temp/ü", "size": 5}, LATER)
    assert vault.verify("upload", token, NOW) == {"key": "temp/ü", "size": 5}
    assert vault.verify("upload", token, LATER - timedelta(seconds=1)) is not None
    assert vault.verify("upload", token, LATER) is None
    assert vault.verify("session", token, NOW) is None
    assert vault.verify("uploax", token, NOW) is None
    assert Vault([OLD]).verify("upload", token, NOW) is None
    assert Vault([OLD, NEW]).verify("upload", token, NOW) is not None
    assert Vault([NEW]).verify("upload", Vault([NEW, OLD]).sign("upload", {}, LATER), NOW) == {}
    assert token.replace("-", "").replace("_", "").replace(".", "").isalnum()


def test_every_changed_letter_of_a_token_is_noticed() -> None:
    vault = Vault([NEW])
    token = vault.sign("upload", {"a": 1}, LATER)
    for index, letter in enumerate(token):
        for other in f"{string.ascii_letters}{string.digits}-_.=":
            if other != letter:
                assert vault.verify("upload", token[:index] + other + token[index + 1 :], NOW) is None
        assert vault.verify("upload", token[:index], NOW) is None


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "ä.ö", "AAAA.AAAA", "[].", "a" * 10_000, "a.b.c", " . "])
def test_rubbish_is_no_token(token: str) -> None:
    assert Vault([NEW]).verify("upload", token, NOW) is None


def test_a_payload_cannot_be_swapped() -> None:
    vault = Vault([NEW])
    _, mac = vault.sign("upload", {"user": 1}, LATER).split(".")
    body = base64.urlsafe_b64encode(json.dumps([{"user": 2}, 9e12]).encode()).decode().rstrip("=")
    assert vault.verify("upload", f"{body}.{mac}", NOW) is None


def test_purpose_and_payload_cannot_run_into_each_other() -> None:
    vault = Vault([NEW])
    body, mac = vault.sign("upload", {"user": 1}, LATER).split(".")
    shorter = base64.urlsafe_b64encode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))[1:]).decode().rstrip("=")
    assert vault.verify("upload[", f"{shorter}.{mac}", NOW) is None


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Vault([NEW]).sign("upload", {}, datetime(2026, 1, 1))  # noqa: DTZ001 - the very thing that is refused


def test_the_key_file_is_made_once_and_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret.key"
    key = load_or_make_secret_key(path)
    assert load_or_make_secret_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(key)) == 32
    assert [found.name for found in path.parent.iterdir()] == ["secret.key"]
    path.chmod(0o644)
    assert load_or_make_secret_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_key_is_never_readable_by_others_not_even_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes, link = [], os.link

    def look_and_link(draft: Path, path: Path) -> None:
        modes.append(draft.stat().st_mode & 0o777)
        link(draft, path)

    monkeypatch.setattr(os, "link", look_and_link)
    load_or_make_secret_key(tmp_path / "secret.key")
    assert modes == [0o600]


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    path, found, start = tmp_path / "secret.key", [], threading.Barrier(12)

    def begin() -> None:
        start.wait()
        found.append(load_or_make_secret_key(path))

    threads = [threading.Thread(target=begin) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert len(set(found)) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("content", [b"", b"\n", b"short\n", b"\xff\xfe" * 30])
def test_a_key_file_that_holds_no_key_is_misconfigured(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"secret\.key"):
        load_or_make_secret_key(path)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be read or made"):
        load_or_make_secret_key(tmp_path / "file" / "secret.key")
