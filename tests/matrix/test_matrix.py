"""A representative part of the crash matrix is played here, and red where something is taken out. `make crash-matrix` plays all."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hayon.sandbox.model import LedgerEntry, Platform
from tests.matrix.judging import Verdict, judge
from tests.matrix.kinds import FEW, KINDS, STAGES
from tests.matrix.page import PAGE
from tests.matrix.points import How, Story, cells_of, choose_few, read_steps
from tests.servers.processes import start

ROOT = Path(__file__).parents[2]
WORDS = "What was seen"


def test_a_representative_part_comes_out_once_on_every_platform(tmp_path: Path) -> None:
    told = play(tmp_path, "--few", "--at-once", "6")
    assert [cell["why"] for cell in told["cells"] if not cell["right"]] == []
    assert told["failed"] == []
    groups = {(cell["platform"], cell["kind"], cell["database"]) for cell in told["cells"]}
    assert groups == set(FEW)
    assert {cell["platform"] for cell in told["cells"]} == set(STAGES)
    for group in groups:
        signs = [cell["sign"] for cell in told["cells"] if (cell["platform"], cell["kind"], cell["database"]) == group]
        assert len(signs) > 20
        assert signs.count("1") > 10, "most cells end with a post that is live, not with a question"


@pytest.mark.long
@pytest.mark.parametrize(("platform", "kind", "database"), [("mastodon", "text", "sqlite")])
def test_without_looking_it_turns_red(platform: str, kind: str, database: str, tmp_path: Path) -> None:
    told = play(tmp_path, "--few", "--without", "reconcile", "--platform", platform, "--kind", kind,
                "--database", database, right=False)  # fmt: skip
    assert told["failed"] == []
    red = {cell["sign"] for cell in told["cells"] if not cell["right"]}
    assert "2!" in red


@pytest.mark.long
@pytest.mark.parametrize("without", ["intent", "reconcile"])
@pytest.mark.parametrize(("platform", "kind", "database"), FEW)
def test_what_is_taken_out_shows_on_every_platform(
    platform: str, kind: str, database: str, without: str, tmp_path: Path
) -> None:
    told = play(tmp_path, "--few", "--without", without, "--platform", platform, "--kind", kind,
                "--database", database, right=False)  # fmt: skip
    assert told["failed"] == []
    assert len([cell for cell in told["cells"] if not cell["right"]]) > 2


def play(folder: Path, *arguments: str, right: bool = True) -> Any:
    """A run in a process of its own, since whoever forks may have no threads: what it told."""
    told = folder / "told.json"
    matrix = start(
        [sys.executable, "-m", "tests.matrix", *arguments, "--told", told], log=folder / "matrix", cwd=ROOT,
        ready_within_seconds=None,
    )  # fmt: skip
    try:
        code = matrix.wait(within_seconds=280)
    except subprocess.TimeoutExpired:
        pytest.fail(f"it did not end in time:\n{matrix.output()[-4000:]}")
    finally:
        matrix.kill9()
    assert told.exists(), matrix.output()[-4000:]
    assert code == (0 if right else 1), matrix.output()[-8000:]
    return json.loads(told.read_text(encoding="utf-8"))


def entry(remote_id: str = "1", **facts: Any) -> LedgerEntry:
    ours = {"account": "me", "handle": "me", "operation": "createStatus", "key": None, "text": WORDS, "repeat": False}
    return LedgerEntry(
        **{"n": 1, "at": "", "platform": Platform.MASTODON, "remote_id": remote_id, "request_id": 1, **ours, **facts}
    )


def verdict(*ledger: LedgerEntry, files: int = 0, **told: Any) -> Verdict:
    standing = {"status": "completed", "asked": True, "remote": "1", "receipts": ["1"], **told}
    return judge(standing, "me", WORDS, files, ledger)


def test_one_copy_that_the_receipt_names_is_right() -> None:
    assert verdict(entry()) == Verdict("1", True)
    assert verdict(entry(), entry("2", account="her", handle="her")) == Verdict("1", True)
    assert verdict(entry("2", key="c1"), remote="container:c1", receipts=["container:c1"]) == Verdict("1", True)
    assert verdict(entry(media_ids=["a", "b"]), files=2) == Verdict("1", True)


@pytest.mark.parametrize("copies", [0, 1])
def test_a_question_with_one_copy_at_most_is_right(copies: int) -> None:
    said = verdict(*[entry()] * copies, status="unconfirmed", remote=None, receipts=[])
    assert said == Verdict(f"?{copies}", True)


@pytest.mark.parametrize(
    ("sign", "ledger", "told"),
    [
        ("0!", [], {}),
        ("2!", [entry(), entry("2")], {}),
        ("1!", [entry("2")], {}),
        ("1!", [entry(), entry(repeat=True)], {}),
        ("1!", [entry()], {"receipts": []}),
        ("1!", [entry()], {"receipts": ["1", "2"]}),
        ("1!", [entry(text="other words")], {}),
        ("1!", [entry(overwrote=True)], {}),
        ("0!", [entry(), entry(operation="deleteStatus")], {}),
        ("?2!", [entry(), entry("2")], {"status": "unconfirmed"}),
        ("?1!", [entry()], {"status": "unconfirmed", "asked": False}),
        ("0!", [], {"status": "failed"}),
        ("1!", [entry()], {"status": "failed"}),
        ("0!", [], {"status": "cancelled"}),
        ("1!", [entry()], {"status": "processing"}),
        ("0!", [], {"status": "pending"}),
    ],
)
def test_everything_else_is_wrong(sign: str, ledger: list[LedgerEntry], told: dict[str, Any]) -> None:
    said = verdict(*ledger, **told)
    assert (said.sign, said.right) == (sign, False)
    assert said.why


def test_a_post_that_lost_a_file_is_wrong() -> None:
    assert not verdict(entry(media_ids=["a"]), files=2).right


def seen(name: str | None, number: int, *, publishing: bool = False) -> dict[str, Any]:
    return {"call": name is None, "name": name, "number": number, "publishing": publishing}


def test_calls_are_named_as_the_platform_named_the_requests() -> None:
    steps = read_steps(
        [seen("claim_due", 1), seen(None, 1), seen(None, 2), seen("commit_intent", 1), seen(None, 3, publishing=True)],
        [{"operation": "upload", "account": "me"}, {"operation": "upload", "account": None},
         {"operation": "publish", "account": "me"}],
    )  # fmt: skip
    assert [(step.name, step.number, step.place, step.publishing, step.nameless) for step in steps] == [
        ("claim_due", 1, 1, False, False), ("upload", 1, 1, False, False), ("upload", 2, 2, False, True),
        ("commit_intent", 1, 1, False, False), ("publish", 1, 3, True, False),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="2 calls were made and 1 arrived"):
        read_steps([seen(None, 1), seen(None, 2)], [{"operation": "upload", "account": "me"}])


def test_every_step_is_played_from_every_side() -> None:
    plain = read_steps(
        [seen("claim_due", 1), seen("commit_intent", 1), seen(None, 1, publishing=True), seen("settle_try", 1)],
        [{"operation": "publish", "account": "me"}],
    )
    cells = cells_of(plain, plain, [], [])
    crashes = [str(cell) for cell in cells if cell.story is Story.PLAIN and cell.how is How.KILLED]
    assert [crash.split(" →")[0] for crash in crashes] == [
        f"plain: killed {where}"
        # after one step is before the next
        for where in (
            "before claim_due #1", "inside claim_due #1", "after claim_due #1", "inside commit_intent #1",
            "after commit_intent #1", "after publish #1 (publishes)", "inside settle_try #1", "after settle_try #1",
        )
    ]  # fmt: skip
    assert {cell.how for cell in cells if cell.story is Story.PLAIN} == set(How)
    assert [cell.number for cell in cells] == list(range(len(cells)))
    assert 0 < len(choose_few(cells)) < len(cells)


@pytest.mark.parametrize("platform", sorted(STAGES))
def test_the_page_shows_every_kind_of_the_platform_and_only_signs_that_are_right(platform: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    part = page.split(f"\n## {STAGES[platform].name}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ") and "---" not in line]
    headings = [row for row in rows if row[0] == "before that"]
    assert {kind.name for kind in KINDS if kind.platform == platform} == {name for row in headings for name in row[2:]}
    signs = {sign for row in rows if row not in headings for cell in row[2:] for sign in cell.split()}
    assert signs <= {"`1`", "`?1`", "`?0`", "n/a"}
