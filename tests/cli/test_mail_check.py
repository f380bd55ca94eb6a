"""`hayon doctor` looks whether mails would be taken, and sends none."""

import asyncio
import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.notifying.office import SENDER, open_office
from tests.servers.ports import free_port


async def _mail(hayon: Run, **settings: str) -> dict[str, str]:
    said = await asyncio.to_thread(lambda: hayon("doctor", "--json", **settings))
    (finding,) = [one for one in json.loads(said.out) if one["check"] == "Mail"]
    return dict(finding)


async def test_a_server_that_answers_is_well_and_gets_no_mail(hayon: Run, tmp_path: Path) -> None:
    async with open_office() as office:
        found = await _mail(hayon, SMTP_URL=office.url(), MAIL_FROM=SENDER)
        assert (found["state"], found["found"]) == ("ok", f"127.0.0.1:{office.port} answers, encrypted if offered")
        assert office.mails == []
    assert (await _mail(hayon))["found"] == "none is sent: HAYON_SMTP_URL is not set"


async def test_what_is_wrong_is_said(hayon: Run, tmp_path: Path) -> None:
    away = await _mail(hayon, SMTP_URL=f"smtp://u:a-secret@127.0.0.1:{free_port()}", MAIL_FROM=SENDER)
    assert (away["state"], "cannot be reached" in away["found"], "a-secret" in str(away)) == ("failed", True, False)
    nobody = await _mail(hayon, SMTP_URL="smtp://mail.test")
    assert (nobody["state"], "HAYON_MAIL_FROM" in nobody["found"]) == ("failed", True)
