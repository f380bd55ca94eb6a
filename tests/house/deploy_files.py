"""The files of deploy/ as tests read them: Dockerfile, Compose, units, and the commands they give. No rule is here."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import typer.main
import yaml

from hayon import cli
from hayon.settings import PREFIX, Settings
from tests.house.tree import ROOT

DEPLOY = ROOT / "deploy"
DOCUMENT = ROOT / "docs" / "deploying.md"
COMPOSE_FILES = ("compose.yaml", "compose.small.yaml")
SETTINGS = {f"{PREFIX}{one.name.upper()}" for one in fields(Settings)}


class Step(NamedTuple):
    """One instruction of the Dockerfile: the stage it is in, its word, and what follows the word."""

    stage: str
    word: str
    rest: str


def dockerfile() -> list[Step]:
    """The instructions, each on one line; a stage without a name is called "last"."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    steps, stage = [], ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            if word == "FROM":
                stage = rest.partition(" AS ")[2] or "last"
            steps.append(Step(stage, word, rest.strip()))
    return steps


def image(word: str) -> list[str]:
    """What follows this word in the stage that becomes the image."""
    return [step.rest for step in dockerfile() if step.stage == "last" and step.word == word]


def image_environment() -> dict[str, str]:
    """The image's ENV."""
    return dict(pair.split("=", 1) for rest in image("ENV") for pair in shlex.split(rest))


def exec_form(rest: str) -> list[str]:
    """A command written as a JSON list: the program hears signals itself, with no shell before it."""
    words = json.loads(rest)
    assert all(isinstance(word, str) for word in words)
    return list(words)


def compose(name: str) -> Any:
    """A Compose file, with its anchors followed."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def ours(name: str) -> dict[str, Any]:
    """The services of a Compose file that run our image."""
    return {key: one for key, one in compose(name)["services"].items() if one["image"] == "hayon"}


def units() -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Every unit: its parts, each with its lines as (key, value); a key may stand more than once."""
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for file in sorted((DEPLOY / "systemd").iterdir()):
        part = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if heading := re.fullmatch(r"\[(\w+)\]", line):
                part = heading[1]
            elif line and not line.startswith("#"):
                key, _, value = line.partition("=")
                found.setdefault(file.name, {}).setdefault(part, []).append((key, value))
    return found


def values(unit: dict[str, list[tuple[str, str]]], part: str, key: str) -> list[str]:
    """Every value of a key in one part of a unit."""
    return [value for name, value in unit.get(part, []) if name == key]


def document_commands() -> Iterator[list[str]]:
    """Every command of Hayon in the document's examples, whoever starts it, without the word hayon."""
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in re.sub(r"\\\n", " ", "".join(blocks)).splitlines():
        words = shlex.split(re.split(r" [<>] |\|", line)[0], comments=True)
        match words:
            case ["hayon", *rest] | ["docker", "compose", "exec", "web", "hayon", *rest]:
                yield rest
            case ["docker", "compose", "run", "--rm", "web", *rest]:
                yield rest


def complaint(words: list[str]) -> str:
    """Why our command line would not take these words; empty where it would."""
    command: Any = typer.main.get_command(cli.app)
    for word in words:
        within = getattr(command, "commands", None)  # of a group
        if word.startswith("--"):
            if word.partition("=")[0] not in {option for one in command.params for option in one.opts}:
                return f"{command.name} has no {word}"
        elif within is not None:
            if word not in within:
                return f"there is no command {word}"
            command = within[word]
    return "" if not hasattr(command, "commands") else f"{command.name} wants a command"


def seconds(length: str | int) -> int:
    """40, 40s or 2m in seconds."""
    found = re.fullmatch(r"(\d+)(s|m|)", str(length))
    assert found is not None, length
    return int(found[1]) * (60 if found[2] == "m" else 1)


def copied(into: Path) -> Path:
    """A copy of deploy/ to run its scripts in."""
    for file in DEPLOY.rglob("*"):
        if file.is_file() and "secrets" not in file.parts and file.name != ".env":
            to = into / "deploy" / file.relative_to(DEPLOY)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(file.read_bytes())
            to.chmod(file.stat().st_mode)
    return into / "deploy"
