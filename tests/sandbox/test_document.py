"""What `docs/using.md` says about mishaps is what the sandbox can play."""

import json
import re

import pytest
from tests.house.tree import ROOT, plain, table
from tests.sandbox.conftest import Http

from hayon.sandbox.control import FAULT_FIELDS
from hayon.sandbox.faults import KINDS
from hayon.sandbox.sites import SITES
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def where(kind: str) -> str:
    """Where a kind can be played, as the document writes it; empty for one that no platform plays."""
    if not KINDS[kind].particular:
        return "everywhere"
    named = {site.platform: site.mishaps.where[kind] for site in SITES if kind in site.mishaps.where}
    return "; ".join(
        f"{platform}{':' if only else ''} {', '.join(f'`{one}`' for one in only)}".rstrip()
        for platform, only in named.items()
    )


async def test_the_document_tells_every_field_kind_and_operation() -> None:
    fields, kinds, operations = (table("docs/using.md", "What can be planned", number) for number in range(3))
    assert {plain(row[0]) for row in fields} == FAULT_FIELDS
    assert kinds == [
        [
            f"`{name}`",
            kind.meaning,
            "" if kind.seconds is None else f"{kind.seconds:g}",
            where(name),
        ]
        for name, kind in KINDS.items()
        if where(name)
    ]
    assert [(row[0], frozenset(plain(row[1]).split(", "))) for row in operations] == [
        (site.platform, site.mishaps.operations) for site in SITES
    ]
    text = (ROOT / "docs/using.md").read_text(encoding="utf-8")
    habits = re.search(r"habits of a server \(([^)]+)\)", text)
    assert habits is not None
    assert plain(habits[1]).split(", ") == [name for name, kind in KINDS.items() if kind.lasts and where(name)]


async def test_the_documents_examples_can_be_planned(http: Http, world: World) -> None:
    text = (ROOT / "docs/using.md").read_text(encoding="utf-8")
    examples = [json.loads(one) for one in re.findall(r"/control/faults -d '([^']+)'", text)]
    for example in examples:
        assert (await http("POST", "/control/faults", data=json.dumps(example))).status == 201
    assert [(fault.platform, fault.kind, fault.operation) for fault in world.faults.all()] == [
        ("mastodon", "rate_limit", "createStatus"),
        ("mastodon", "accept_then_drop", "createStatus"),
        ("bluesky", "accept_then_drop", "putRecord"),
        ("bluesky", "refuse", "putRecord"),
    ]
