"""What every body of our API is made of: camelCase names, bounded values, and nothing that a database could choke on."""

import math
import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
)
from pydantic.alias_generators import to_camel

TEXT_LIMIT = 100_000
LIST_LIMIT = 50
DEPTH_LIMIT = 8
OPTION_TEXT_LIMIT = 10_000


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Given(BaseModel):
    """A body that somebody sends: unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Answered(BaseModel):
    """A body that we answer with. Built under its Python names, sent in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


def _storable(text: str) -> str:
    # PostgreSQL keeps no NUL in text, and half a surrogate pair is no character at all
    if _UNSTORABLE.search(text):
        raise ValueError("must not contain NUL or half a surrogate pair")
    return text


def _storable_secret(secret: SecretStr) -> SecretStr:
    _storable(secret.get_secret_value())
    return secret


def _plain(value: Any, depth: int = 0) -> Any:
    """Refuses what JSON can say but a database cannot keep, and what is nested beyond any use."""
    if depth > DEPTH_LIMIT:
        raise ValueError(f"must not be nested deeper than {DEPTH_LIMIT} levels")
    match value:
        case str():
            _short(_storable(value))
        case float() if not math.isfinite(value):
            raise ValueError("must not contain NaN or Infinity")
        case int() if not -(2**63) <= value < 2**63:
            raise ValueError("must not contain numbers beyond 64 bits")
        case list():
            _few(value)
            for entry in value:
                _plain(entry, depth + 1)
        case dict():
            _few(value)
            for name, entry in value.items():
                _short(_storable(name))
                _plain(entry, depth + 1)
    return value


def _short(text: str) -> None:
    if len(text) > OPTION_TEXT_LIMIT:
        raise ValueError(f"must not contain text longer than {OPTION_TEXT_LIMIT} characters")


def _few(entries: Any) -> None:
    if len(entries) > 2 * LIST_LIMIT:
        raise ValueError(f"must not contain more than {2 * LIST_LIMIT} entries in one place")


Text = Annotated[str, AfterValidator(_storable)]
Secret = Annotated[SecretStr, AfterValidator(_storable_secret)]
Word = Annotated[Text, Field(min_length=1, max_length=100)]
Options = Annotated[dict[str, Any], AfterValidator(_plain)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


def in_utc(moment: datetime) -> str:
    """A time as our API writes it: UTC, to the millisecond, with a Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _written_out(value: Any) -> Any:
    """Refuses numbers, which would be read as seconds since 1970: our document promises times as people write them."""
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.match(value)):
        return value
    raise ValueError("must be a time with an offset, as in 2030-03-29T14:30:00+02:00")


_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
GivenMoment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""A time that somebody sends, with its offset."""
Moment = Annotated[AwareDatetime, PlainSerializer(in_utc, return_type=str, when_used="json")]


def shown(said: bytes | str, longest: int) -> str:
    """A stranger's text on one line, as it can be shown anywhere: what steers a terminal, or turns the direction of writing,
    becomes a mark."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    plain = "".join(" " if letter in "\t\n\r" else _MARK if _steers(letter) else letter for letter in text)
    return plain if len(plain) <= longest else f"{plain[:longest]}…"


_MARK = "\ufffd"


def _steers(letter: str) -> bool:
    kind = unicodedata.category(letter)
    return kind.startswith("C") or kind in {"Zl", "Zp"}
