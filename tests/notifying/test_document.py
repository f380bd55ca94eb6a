"""docs/notices.md tells the truth: its kinds are those of the code, and the receiver in it works as it stands."""

import asyncio
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from hayon.domain.notices import KINDS
from hayon.domain.pacing import MAIL_STEPS, WEBHOOK_STEPS
from hayon.notifying import webhooks
from hayon.outgoing import Outgoing
from hayon.store.leaving import Event
from tests.house.tree import ROOT, table
from tests.notifying.office import SECRET, until
from tests.servers.ports import free_port
from tests.servers.processes import Process

DOCUMENT = "docs/notices.md"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def test_every_kind_is_documented_as_it_is() -> None:
    rows = [[f"`{one.word}`", one.meaning, "yes" if one.mailed else "no"] for one in KINDS.values()]
    assert table(DOCUMENT, "Kinds") == rows
    assert all(word == one.word and one.subject and "\n" not in one.subject for word, one in KINDS.items())


def test_the_waits_are_documented_as_they_are() -> None:
    text = " ".join((ROOT / DOCUMENT).read_text(encoding="utf-8").split())
    assert "after 1, 5, 15 and 30 minutes, 1, 2, 4, 8 and 8 hours" in text
    assert [step.total_seconds() / 60 for step in MAIL_STEPS] == [1, 5, 15, 30, 60, 120, 240, 480, 480]
    assert "after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h" in text
    assert [step.total_seconds() for step in WEBHOOK_STEPS] == [
        5, 300, 1800, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24))]  # fmt: skip


async def test_the_receiver_of_the_document_takes_what_is_ours_alone(
    start_process: Callable[..., Process], outgoing: Outgoing
) -> None:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    (shown,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    port = free_port()
    program = shown.replace("whsec_…", SECRET).replace("8000", str(port))
    assert program.count(SECRET) == program.count(str(port)) == 1
    receiver = await asyncio.to_thread(
        start_process, sys.executable, "-u", "-c", program, ready_within_seconds=None
    )  # fmt: skip
    body = {"type": "post.failed", "timestamp": "2026-11-22T12:00:00.000Z", "data": {"message": "Größe"}}
    event = Event(uuid4(), uuid4(), f"http://127.0.0.1:{port}/hook", b"", "post.failed", body, 1)

    async def taken() -> bool:
        return (await webhooks.send(event, [SECRET], outgoing, datetime.now(UTC))).http_status == 204

    await until(taken)
    forged = await webhooks.send(event, [OTHER], outgoing, datetime.now(UTC))
    assert (forged.http_status, bool(forged.error)) == (None, True)
    assert receiver.output().count("post.failed Größe") == 1
