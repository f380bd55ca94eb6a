"""`make docs`: writes the tables that the documents take from the code. The tests compare; this writes."""

import re
from collections.abc import Sequence

from tests.house.platform_tables import media_rows, option_rows, text_rows
from tests.house.test_docs import _api, events_rows, metrics_rows, settings_rows
from tests.house.tree import ROOT


def main() -> None:
    """Settings, metrics and events into operating.md, the API into using.md, the rules of the platforms into platforms.md."""
    _put("docs/platforms.md", "| platform | text | pictures | videos | together |", text_rows())
    _put("docs/platforms.md", "| platform | each | kinds | up to | measures | alt text |", media_rows())
    _put("docs/platforms.md", "| platform | option | takes | meaning |", option_rows())
    _put("docs/operating.md", "| name | default | meaning |", settings_rows())
    _put("docs/operating.md", "| metric | what |", metrics_rows())
    _put("docs/operating.md", "| event | meaning |", events_rows())
    calls = [
        [f"`{method.upper()} {path}`", operation["description"].splitlines()[0].replace("|", "\\|")]
        for path, operations in _api()["paths"].items()
        for method, operation in operations.items()
    ]
    _put("docs/using.md", "| call | what |", calls)


def _put(name: str, head: str, rows: Sequence[Sequence[str]]) -> None:
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    body = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    table = re.compile(rf"{re.escape(head)}\n(\|[-|]+\|)\n(?:\|.*\n)*")
    text, found = table.subn(lambda found: f"{head}\n{found[1]}\n{body}", text)
    if found != 1:
        raise SystemExit(f"{name} has {found} tables that begin with {head}")
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
