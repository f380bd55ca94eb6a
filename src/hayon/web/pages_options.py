"""A platform's options as fields of a form, made from what its rules say of them, and read back. No option is named here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hayon.domain.rules import Option
from hayon.platforms.contract import Platform
from hayon.web.pages_form import Form

Tables = Mapping[str, Mapping[str, Option]]
"""The options of each platform by its word, as its rules describe them."""

_YES_NO = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values that an option may have."""

    value: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option in the form. `kind` is how it is filled in: words, number, list, one (of the choices), several (of them)."""

    name: str
    label: str
    meaning: str
    kind: str
    value: str = ""
    longest: int | None = None
    choices: Sequence[Choice] = ()


def tables_of(platforms: Mapping[str, Platform]) -> Tables:
    """The options of every platform, as `GET /api/platforms` serves them."""
    return {word: platform.rules({}).options for word, platform in platforms.items()}


def field_name(platform: str, option: str) -> str:
    """The name of an option's field. `present` in place of an option: the platform was in the form, with all it has."""
    return f"option-{platform}-{option}"


def was_shown(form: Form, platform: str) -> bool:
    """Whether the form had this platform's fields: then what it does not bring was taken away, else it is not known."""
    return bool(form.text(field_name(platform, "present")))


def read_options(form: Form, platform: str, table: Mapping[str, Option]) -> dict[str, Any]:
    """What was chosen for one platform, in the types that its rules want; an empty field is no choice."""
    read = {name: _read(form, field_name(platform, name), option) for name, option in table.items()}
    return {name: value for name, value in read.items() if value not in ("", [])}


def fields_of(platform: str, table: Mapping[str, Option], chosen: Mapping[str, Any]) -> list[OptionField]:
    """The fields of one platform, filled with what is chosen."""
    return [_field(field_name(platform, name), name, option, chosen.get(name)) for name, option in table.items()]


def can_show(value: Any, option: Option) -> bool:
    """Whether the option's field can hold this value: an API may have kept anything in a draft."""
    match option.schema["type"]:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
        case "array":
            few = option.schema["items"].get("enum")
            return isinstance(value, list) and all(
                isinstance(one, str) and (one in few if few else "," not in one) for one in value
            )
    return isinstance(value, str)


def _read(form: Form, name: str, option: Option) -> Any:
    schema = option.schema
    text = form.text(name).strip()
    match schema["type"]:
        case "boolean":
            return _YES_NO.get(text, "")
        case "integer":
            # what is no number stays as it was typed, for the rules to say so
            return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
        case "array" if "enum" in schema["items"]:
            return [one for one in form.texts(name) if one]
        case "array":
            return [one for part in text.split(",") if (one := part.strip())]
    return text


def _field(name: str, option_name: str, option: Option, value: Any) -> OptionField:
    schema, label = option.schema, _words(option_name)
    kept = value if value is not None and can_show(value, option) else None
    match schema["type"]:
        case "boolean":
            shown = "" if kept is None else str(kept).lower()
            pairs = [("true", "Yes"), ("false", "No")]
            return OptionField(name, label, option.meaning, "one", shown, None, _choices(pairs, [shown]))
        case "array" if "enum" in schema["items"]:
            pairs = [(one, _words(one)) for one in schema["items"]["enum"]]
            return OptionField(name, label, option.meaning, "several", "", None, _choices(pairs, kept or []))
        case "array":
            return OptionField(name, label, option.meaning, "list", ", ".join(kept or []))
        case "integer":
            return OptionField(name, label, option.meaning, "number", "" if kept is None else str(kept))
    text = kept or ""
    if "enum" not in schema:
        return OptionField(name, label, option.meaning, "words", text, schema.get("maxLength"))
    # a draft may hold a value that is no longer offered: it stays to be seen, and the rules say what is wrong with it
    offered = [*schema["enum"], *([text] if text and text not in schema["enum"] else [])]
    return OptionField(name, label, option.meaning, "one", text, None, _choices([(one, _words(one)) for one in offered], [text]))  # fmt: skip


def _choices(pairs: Sequence[tuple[str, str]], chosen: Sequence[str]) -> tuple[Choice, ...]:
    return tuple(Choice(value, words, value in chosen) for value, words in pairs)


def _words(name: str) -> str:
    """An option's or a value's name as people write it: `replyControl` is "Reply control"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]", " ", name).lower()
    return re.sub(r"\burl\b", "URL", words[:1].upper() + words[1:], flags=re.IGNORECASE)
