"""What an author sees and may say after a backup was restored: over the API and on the page."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hayon.delivery.agreement import Note
from hayon.delivery.deliver import fingerprint
from hayon.errors import Misconfigured, Unavailable
from hayon.store import restoring
from hayon.store.generation import read_generation
from tests.delivery.scripted import Scripted
from tests.web.house import House, Visitor, at_work
from tests.web.test_deciding import wait_for
from tests.web.test_posts import later, make


async def restored(house: House) -> None:
    backup_time = datetime.now(UTC) - timedelta(hours=1)
    await house.hayon.database.write(restoring.mark, backup_time, backup_time, fingerprint)


async def test_a_held_post_says_so_and_its_author_confirms_it(house: House, ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    assert (await ada.post(f"/api/posts/{post_id}/confirm")).status == 409
    await restored(house)
    told = (await ada.get(f"/api/posts/{post_id}/status")).json
    (target,) = told["platformStatuses"]
    assert (told["status"], told["needsAttention"]) == ("SCHEDULED", True)
    assert (target["status"], target["needsAttention"], target["question"]) == ("pending", True, None)
    assert target["heldSince"]
    assert "until you confirm it" in target["error"]["message"]

    stranger = await house.register("eve@example.org")
    assert (await stranger.post(f"/api/posts/{post_id}/confirm")).status == 404
    answer = await ada.post(f"/api/posts/{post_id}/confirm")
    assert (answer.status, [one["answer"] for one in answer.json["targets"]]) == (200, ["confirmed"])
    told = (await ada.get(f"/api/posts/{post_id}/status")).json
    (target,) = told["platformStatuses"]
    assert (told["needsAttention"], target["heldSince"], target["error"]) == (False, None, None)
    assert (await ada.post(f"/api/posts/{post_id}/confirm")).status == 409


async def test_what_may_have_gone_out_can_be_answered_at_once(house: House, ada: Visitor) -> None:
    post_id = await make(ada)
    await restored(house)
    (target,) = (await ada.get(f"/api/posts/{post_id}/status")).json["platformStatuses"]
    assert (target["status"], target["question"]["askedNow"]) == ("unconfirmed", False)
    assert "restored from a backup" in target["error"]["message"]
    answer = {"targetId": target["targetId"], "attemptId": target["question"]["attemptId"], "outcome": "absent"}
    assert (await ada.post(f"/api/posts/{post_id}/resolve", answer)).json["status"] == "FAILED"
    (attempt,) = (await ada.get(f"/api/posts/{post_id}/attempts")).json["attempts"]
    assert (attempt["ended"], attempt["answeredBy"]) == ("restored", "person")


async def test_the_page_shows_what_is_held_and_has_a_button_for_it(house: House, ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    assert 'value="confirm"' not in (await ada.get(f"/posts/{post_id}")).text
    await restored(house)
    page = (await ada.get(f"/posts/{post_id}")).text
    assert "Held: please confirm" in page
    assert "Needs you" in page
    assert "Hayon was restored from a backup of" in (await ada.get("/notices")).text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf
    form = {"do": "confirm", "csrf": csrf[1]}
    answer = await ada.ask("POST", f"/posts/{post_id}/decide", data=form)
    assert (answer.status, answer.headers["Location"]) == (303, "/?told=confirm")
    home = (await ada.get("/?told=confirm")).text
    assert "It goes out as planned." in home
    assert "Held: please confirm" not in home


async def test_nothing_is_delivered_before_it_is_known_whether_a_backup_was_restored(
    house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def out_of_reach() -> str | None:
        raise Unavailable("the files are out of reach")

    house.hayon.platforms["bluesky"] = scripted = Scripted("bluesky")
    post_id = await make(ada)
    with monkeypatch.context() as away:
        away.setattr(house.hayon.media, "read_note", out_of_reach)
        async with at_work(house.hayon):
            await asyncio.sleep(0.5)
            assert scripted.prepared == []
            assert (await ada.get(f"/api/posts/{post_id}/status")).json[
                "status"
            ] == "PENDING"  # pages and API are there
            away.undo()
            await wait_for(ada, post_id, "completed")


async def test_a_process_on_an_older_database_ends_and_has_delivered_nothing(
    house: House, ada: Visitor, folder: Path
) -> None:
    house.hayon.platforms["bluesky"] = scripted = Scripted("bluesky")
    await make(ada)
    ours = await house.hayon.database.read(read_generation)
    await house.hayon.media.write_note(Note(ours.house, ours.number + 1).written())
    with pytest.raises(Misconfigured, match="hayon restored"):
        await house.hayon.run_duties()
    assert scripted.prepared == []
