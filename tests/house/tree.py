"""The tree as these tests read it: its own files, the code as syntax trees, and tables in documents. No rule is here."""

import ast
import re
import subprocess
from functools import cache
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "hayon"


@cache
def own_files() -> tuple[Path, ...]:
    """Every file of ours, stored in git or new; what git ignores is not ours."""
    told = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    files = (ROOT / name for name in told.split("\0") if name)
    return tuple(sorted(file for file in files if file.is_file()))


def modules(*folders: str) -> list[Path]:
    """The Python files of ours under these folders of the tree."""
    return [file for file in own_files() if file.suffix == ".py" and name_of(file).startswith(folders)]


def documents() -> list[Path]:
    """The documents of ours."""
    return [file for file in own_files() if file.suffix == ".md"]


def name_of(file: Path) -> str:
    """The path within the tree."""
    return file.relative_to(ROOT).as_posix()


@cache
def syntax(file: Path) -> ast.Module:
    """A module as a syntax tree."""
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def dotted(node: ast.expr) -> str:
    """`os.environ` for the expression os.environ; empty for what is no chain of names."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def table(document: str, heading: str, number: int = 0) -> list[list[str]]:
    """The rows of the first table under a heading (or of a later one), without the head; each cell as it is written."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{document} has no part {heading!r}"
    tables = [list(rows) for is_table, rows in groupby(found[1].splitlines(), _is_row) if is_table]
    assert len(tables) > number, f"{document} has no such table under {heading!r}"
    return [_cells(row) for row in tables[number][2:]]


def _is_row(line: str) -> bool:
    return line.startswith("|")


def _cells(row: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def plain(cell: str) -> str:
    """A cell without its backticks."""
    return cell.replace("`", "")
