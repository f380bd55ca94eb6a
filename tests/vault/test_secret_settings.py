"""Every secret can be set by value or by file, and is shown nowhere: not in what settings say of themselves, nor in an error."""

import gc
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hayon.errors import Misconfigured
from hayon.settings import PREFIX, Settings

SECRETS = [one for one in fields(Settings) if one.metadata["secret"]]
TELLING = ("password", "secret", "api_key", "token", "smtp_url", "database_url", "broker_url")


def value_for(name: str) -> str:
    """What this setting takes, with something in it that nothing else says."""
    given = {
        "database_url": "postgresql://hayon:hidden-words@host/name", "broker_url": "amqp://hayon:hidden-words@host/vhost",
        "smtp_url": "smtp://hayon:hidden-words@host:25",
    }  # fmt: skip
    return given.get(name, "hidden-words, long enough for a key")


@pytest.mark.parametrize("setting", SECRETS, ids=lambda one: one.name)
def test_by_file_it_is_what_it_is_by_value(setting: Any, tmp_path: Path) -> None:
    name, value = f"{PREFIX}{setting.name.upper()}", value_for(setting.name)
    kept = tmp_path / "secret"
    kept.write_text(f"{value}\n")
    by_value, by_file = Settings.read({name: value}), Settings.read({f"{name}_FILE": str(kept)})
    assert by_value == by_file
    assert getattr(by_file, setting.name) == value
    assert getattr(by_file, setting.name) != setting.default
    assert "hidden-words" not in repr(by_file)


@pytest.mark.parametrize("setting", SECRETS, ids=lambda one: one.name)
def test_a_file_that_is_not_there_is_named(setting: Any, tmp_path: Path) -> None:
    name = f"{PREFIX}{setting.name.upper()}_FILE"
    with pytest.raises(Misconfigured, match=name):
        Settings.read({name: str(tmp_path / "nowhere")})


@pytest.mark.parametrize("setting", SECRETS, ids=lambda one: one.name)
def test_a_value_that_does_not_work_is_not_shown(setting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> Any:
        raise ValueError("say another")

    monkeypatch.setitem(_open(setting), "read", refuse)
    with pytest.raises(Misconfigured) as told:
        Settings.read({f"{PREFIX}{setting.name.upper()}": value_for(setting.name)})
    assert "hidden-words" not in str(told.value)


def test_whatever_sounds_like_a_secret_is_one() -> None:
    sounding = {one.name for one in fields(Settings) if any(word in one.name for word in TELLING)}
    assert sounding - {one.name for one in SECRETS} == set()


def _open(setting: Any) -> dict[str, Any]:
    """A field's metadata is a view of a dictionary that nothing else may change; here it may, for a moment."""
    [kept] = [one for one in gc.get_referents(setting.metadata) if isinstance(one, dict)]
    return kept
