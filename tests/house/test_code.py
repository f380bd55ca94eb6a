"""Manners of the code that a linter does not know: size, first lines, names, where the environment and the network are used."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from hayon.settings import Settings
from hayon.wiring import make_platforms
from tests.house.tree import ROOT, SOURCE, dotted, modules, name_of, syntax

LONGEST = 400
NAMES_OF_NOTHING = {
    "base", "common", "core", "data", "handler", "helper", "info", "item", "lib", "manager", "misc", "obj", "processor",
    "service", "tool", "util", "various",
}  # fmt: skip


def test_no_module_is_longer_than_can_be_read() -> None:
    lengths = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in modules("src/")}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_module_says_in_one_or_two_lines_what_it_is() -> None:
    """The first paragraph of the docstring; an essay may follow it. An empty file that only makes a package of tests may be silent."""
    silent = {}
    for file in modules("src/", "tests/", "bench/"):
        if file.name == "__init__.py" and not file.stat().st_size and not file.is_relative_to(SOURCE):
            continue
        said = ast.get_docstring(syntax(file)) or ""
        lines = said.split("\n\n")[0].splitlines()
        if not 1 <= len(lines) <= 2:
            silent[name_of(file)] = len(lines)
    assert silent == {}


def test_no_module_is_named_after_nothing() -> None:
    named = [(part, name_of(file)) for file in modules("src/", "tests/", "bench/") for part in _names(file)]
    assert [
        file for name, file in named if name in NAMES_OF_NOTHING or name.removesuffix("s") in NAMES_OF_NOTHING
    ] == []


def test_only_the_settings_look_at_the_environment() -> None:
    looking = {name_of(file) for file in modules("src/") if _looks_at_the_environment(syntax(file))}
    assert looking == {"src/hayon/settings.py"}


def test_the_standard_library_is_no_second_way_out() -> None:
    """aiohttp is kept in its room by an import contract; these belong to packages that every room may use.

    A simulated platform fetches what it is given, as real ones do: nothing of Hayon goes out there.
    """
    ways_out = {"http.client", "urllib.request", "ftplib", "smtplib", "socketserver", "xmlrpc.client"}
    found = [
        (name_of(file), imported)
        for file in modules("src/")
        for imported in _imported(syntax(file))
        if name_of(file) != "src/hayon/sandbox/fetching.py"
        if any(imported == way or imported.startswith(f"{way}.") for way in ways_out)
    ]
    assert found == []


def test_there_is_no_circle_of_imports() -> None:
    graph = grimp.build_graph("hayon", cache_dir=None)
    arrows = {module: sorted(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)}
    assert len(arrows) > 50
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(reversed(error.args[1]))}")


def test_the_domain_imports_errors_and_the_standard_library() -> None:
    graph = grimp.build_graph("hayon", include_external_packages=True, cache_dir=None)
    domain = {"hayon.domain", *graph.find_descendants("hayon.domain")}
    imported = {one for module in domain for one in graph.find_modules_directly_imported_by(module)} - domain
    assert "hayon.errors" in imported
    assert {one for one in imported if one not in sys.stdlib_module_names} == {"hayon.errors"}


def test_every_adapter_is_a_folder_with_a_class_of_its_name() -> None:
    adapters = [path for path in sorted((SOURCE / "platforms").iterdir()) if (path / "__init__.py").is_file()]
    adapters.remove(SOURCE / "platforms" / "meta")  # what three of them share
    assert adapters
    for adapter in adapters:
        classes = {node.name.lower() for node in syntax(adapter / "__init__.py").body if isinstance(node, ast.ClassDef)}
        assert adapter.name in classes


def test_the_smallest_adapter_is_one_file_of_at_most_200_lines() -> None:
    """Adding a platform is a page of documentation and one file."""
    whole = [path for path in (SOURCE / "platforms").glob("*.py") if path.stem in make_platforms(Settings())]
    assert min(len(path.read_text(encoding="utf-8").splitlines()) for path in whole) <= 200


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    excused = []
    for file in modules("tests/"):
        for node in ast.walk(syntax(file)):
            if isinstance(node, ast.Attribute):
                first, *rest = dotted(node).split(".")
                if first in {"pytest", "unittest", "mark"} and set(rest) & EXCUSES:
                    excused.append(f"{name_of(file)}:{node.lineno} {dotted(node)}")
    assert excused == []


READERS = {"environ", "environb", "getenv", "getenvb"}
EXCUSES = {"skip", "skipif", "xfail", "importorskip", "SkipTest", "skipIf", "skipUnless", "expectedFailure"}


def _names(file: Path) -> list[str]:
    """The words a module's name is made of: its folders and its own."""
    parts = file.relative_to(ROOT).with_suffix("").parts[1:]
    return [word for part in parts for word in (part, *part.split("_")) if word]


def _looks_at_the_environment(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and dotted(node) in {f"os.{name}" for name in READERS}:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os" and {one.name for one in node.names} & READERS:
            return True
        if isinstance(node, ast.keyword) and node.arg == "envvar":  # typer's own way to look
            return True
    return False


def _imported(tree: ast.Module) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.extend(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.extend([node.module, *(f"{node.module}.{one.name}" for one in node.names)])
    return found
