"""Manners of the tree: no file names a place that exists on one machine only, and one version stands everywhere."""

import re
import subprocess
import tomllib

import hayon
from tests.house.tree import ROOT, name_of, own_files

# Put together from pieces, so that this file keeps the rule as well.
REGISTRIES = [
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"), ("deb", "debian", "org"),
        ("ghcr", "io"), ("docker", "io"), ("proxy", "golang", "org"), ("crates", "io"),
    )
]  # fmt: skip
PLACES = [r"(?<![\w.])/" + "work" + r"(?!\w)", r"\.\./" + "shared", r"(?<![\w.])/" + r"(?:root|home)/\w"]


def test_no_file_names_a_registry() -> None:
    pattern = re.compile("|".join(map(re.escape, REGISTRIES)))
    assert _found(pattern) == []


def test_no_file_names_a_place_of_one_machine() -> None:
    assert _found(re.compile("|".join(PLACES))) == []


def test_the_lock_files_name_no_host_and_agree() -> None:
    checked = subprocess.run(["sh", "requirements/check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_one_version_stands_everywhere() -> None:
    """The newest part of the change log is what the code says of itself, or what was not released yet."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## \[([^\]]+)\]", changes, re.MULTILINE)
    assert told == hayon.__version__
    assert parts[0] in {"Unreleased", told}


def test_the_change_log_has_only_parts_that_readers_know() -> None:
    """https://keepachangelog.com/en/1.1.0/"""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    kinds = set(re.findall(r"^### (.+)$", changes, re.MULTILINE))
    assert kinds
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def _found(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for file in own_files():
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{name_of(file)}:{number} {match[0]}")
    return found
