"""The documents tell the truth: what they list is compared with the code, what they name exists."""

import ast
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from prometheus_client.metrics import MetricWrapperBase

from bench import report
from hayon import cli, telemetry
from hayon.settings import PREFIX, Settings
from hayon.telemetry import metrics
from hayon.web.app import build
from tests.house.platform_tables import media_rows, option_rows, text_rows
from tests.house.tree import ROOT, SOURCE, documents, dotted, modules, name_of, plain, syntax, table

COMMANDS_OF_README = ("make run", "make test")
NONE = "none"


def settings_rows() -> list[list[str]]:
    """The table of settings as it has to be."""
    return [
        [
            f"`{PREFIX}{one.name.upper()}`",
            _shown_default(one.default),
            one.metadata["meaning"].strip().replace("|", r"\|"),
        ]
        for one in fields(Settings)
    ]


def events_rows() -> list[list[str]]:
    """The table of events as it has to be."""
    return [[f"`{name}`", meaning] for name, meaning in telemetry.EVENTS.items()]


def metrics_rows() -> list[list[str]]:
    """The table of metrics as it has to be."""
    return [
        [f"`{_family(one)}{{{','.join(one._labelnames)}}}`".replace("{}", ""), one._documentation]
        for one in _metrics().values()
    ]


def test_every_setting_is_documented_as_it_is() -> None:
    assert table("docs/operating.md", "Settings") == settings_rows()


def test_each_default_is_written_as_a_setting_takes_it() -> None:
    """What stands in the column of defaults can be copied: read as a setting, it is the default."""
    for one in fields(Settings):
        shown = plain(_shown_default(one.default))
        if shown != NONE:
            assert one.metadata["read"](shown) == one.default, one.name


def test_every_event_is_documented_as_it_is() -> None:
    assert table("docs/operating.md", "Events") == events_rows()


def test_every_event_is_told_somewhere_and_no_other() -> None:
    told = {
        node.args[0].value
        for file in modules("src/")
        for node in ast.walk(syntax(file))
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in {"emit", "emit_unforeseen", "_tell"}
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }
    assert told == set(telemetry.EVENTS)  # brokers are handed the way to tell


def test_what_platforms_take_is_documented_as_their_rules_say() -> None:
    """`make docs` writes these."""
    assert table("docs/platforms.md", "Text and files") == text_rows()
    assert table("docs/platforms.md", "Pictures and videos") == media_rows()
    assert table("docs/platforms.md", "Options") == option_rows()


def test_every_metric_is_documented_as_it_is() -> None:
    assert table("docs/operating.md", "Is it well?", 1) == metrics_rows()


def test_every_metric_is_registered_and_no_other() -> None:
    shown = {plain(row[0]).partition("{")[0] for row in metrics_rows()}
    assert shown == {_family(family) for family in telemetry.REGISTRY.collect()}


def test_every_metric_is_measured_somewhere() -> None:
    """A number that nobody writes would stand in the documents and on the page as if it meant something."""
    used = {
        node.attr
        for file in modules("src/")
        for node in ast.walk(syntax(file))
        if isinstance(node, ast.Attribute) and dotted(node).split(".")[0] in {"telemetry", "metrics"}
    }
    assert set(_metrics()) - used == set()
    assert set(_metrics()) <= set(telemetry.__all__)


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text):
        link = target[0] or target[1]
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_file_and_function_named_exists(document: Path) -> None:
    """`store/moves.py:move` is a function in that file; `sandbox/` and `store/moves.py` are there."""
    text = _without_blocks(document.read_text(encoding="utf-8"))
    missing = []
    for path, name in re.findall(r"`([\w./-]+\.py)(?::([\w.]+))?`", text):
        file = next((base / path for base in (ROOT, SOURCE) if (base / path).is_file()), None)
        if file is None or (name and not _defines(syntax(file).body, name.split("."))):
            missing.append(f"{path}:{name}")
    named = re.findall(r"`((?:src|tests|docs|bench)/[\w./-]*|[a-z]+/)`", text)
    missing += [path for path in named if not any((base / path).exists() for base in (ROOT, SOURCE))]
    assert missing == []


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_make_command_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^\s*)make ([a-z][a-z-]*)", text, re.MULTILINE))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    known |= {f"bench-{part}" for part in report.ORDER}
    assert named <= known


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_setting_named_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"\bHAYON_[A-Z_]+[A-Z]\b", text)) - {"HAYON_X", "HAYON_X_FILE"}
    known = {f"{PREFIX}{one.name.upper()}" for one in fields(Settings)}
    assert {name for name in named if name.removesuffix("_FILE") not in known} == set()


def test_every_call_of_the_api_is_documented() -> None:
    told = [plain(row[0]) for row in table("docs/using.md", "The API")]
    calls = [f"{method.upper()} {path}" for path, calls in _api()["paths"].items() for method in calls]
    assert told == calls


def test_every_command_is_documented() -> None:
    told = [plain(row[0]).removeprefix("hayon ") for row in table("docs/operating.md", "Commands")]
    grouped = [f"{name} {one}" for name, commands in _groups(cli.app).items() for one in _commands(commands)]
    assert told == [*_commands(cli.app), *grouped]


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_command_named_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^\s*)hayon ([a-z][a-z-]*)", text, re.MULTILINE))
    assert named <= {*_commands(cli.app), *_groups(cli.app)}


def test_every_check_of_the_doctor_is_documented() -> None:
    made = [
        node.args[0]
        for node in ast.walk(syntax(SOURCE / "doctor.py"))
        if isinstance(node, ast.Call) and dotted(node.func) in {"_look", "Finding"} and node.args
    ]
    checks = {
        one.value if isinstance(one, ast.Constant) else ast.unparse(one.values[0]).strip("'").partition(":")[0]
        for one in made
        if isinstance(one, ast.Constant | ast.JoinedStr)
    }
    assert {row[0] for row in table("docs/operating.md", "The doctor")} == checks


def test_the_readme_begins_with_what_a_stranger_wants() -> None:
    """One sentence, one picture, two commands, three links, before the first heading."""
    first = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0]
    assert len(re.findall(r"\.svg\"|\.svg\)", first)) == 1
    for command in COMMANDS_OF_README:
        assert len(re.findall(rf"^\s*{command}\b", first, re.MULTILINE)) == 1
    assert re.findall(r"\((docs/\w+\.md)\)", first) == ["docs/using.md", "docs/operating.md", "docs/architecture.md"]


def test_no_module_has_a_name_that_the_glossary_refuses() -> None:
    """In the sandbox the platforms' own words hold."""
    refused = {
        word.strip() for row in table("docs/glossary.md", "Words") for word in plain(row[2]).split(",") if word.strip()
    }
    assert len(refused) > 40
    named = {
        (part, name_of(file))
        for file in modules("src/")
        if not name_of(file).startswith("src/hayon/sandbox/")
        for part in file.relative_to(SOURCE).with_suffix("").parts
    }
    assert [where for part, where in named if part in refused or part.removesuffix("s") in refused] == []


def test_decisions_are_numbered_and_shaped_alike() -> None:
    files = [file for file in documents() if name_of(file).startswith("docs/decisions/")]
    for number, file in enumerate(files, 1):
        text = file.read_text(encoding="utf-8")
        assert file.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert len(text.split()) < 400, "a decision is one page"


def _metrics() -> dict[str, MetricWrapperBase]:
    """In the order in which they are written down."""
    return {name: one for name, one in vars(metrics).items() if isinstance(one, MetricWrapperBase) and name[0] != "_"}


def _family(one: Any) -> str:
    """The name as Prometheus shows it, whether of a metric or of its family."""
    name, kind = getattr(one, "name", None) or one._name, getattr(one, "type", None) or one._type
    return f"{name}_total" if kind == "counter" else str(name)


def _api() -> Any:
    """The description of the API. It needs no database: only what a request asks for would."""
    nobody: Any = SimpleNamespace(database=None, settings=Settings())
    return build(nobody).openapi()


def _groups(app: typer.Typer) -> dict[str, typer.Typer]:
    return {str(group.name): group.typer_instance for group in app.registered_groups if group.typer_instance}


def _commands(app: typer.Typer) -> list[str]:
    return [str(one.name or getattr(one.callback, "__name__", "")) for one in app.registered_commands]


def _shown_default(default: Any) -> str:
    match default:
        case None | "" | ():
            return NONE
        case bool():
            return f"`{str(default).lower()}`"
        case timedelta():
            return f"`{_length(default)}`"
        case tuple():
            return f"`{','.join(map(_length, default))}`"
    return f"`{default}`"


def _length(length: timedelta) -> str:
    for unit, size in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if length > size and not length % size:
            return f"{length // size}{unit}"
    return f"{length.total_seconds():g}s"


def _without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(file: Path) -> set[str]:
    """The anchors that GitHub gives headings: small letters, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", _without_blocks(file.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _defines(body: list[ast.stmt], names: list[str]) -> bool:
    first, *rest = names
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == first:
            return not rest or _defines(node.body, rest)
        if not rest and isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(one, ast.Name) and one.id == first for one in targets):
                return True
    return False
