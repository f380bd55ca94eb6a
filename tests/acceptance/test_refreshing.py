"""Two processes, fifty posts of one account, a token that has just run out: one refresh, and everything goes out once."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from hayon.store.schema import accounts
from tests.acceptance.six import Six

POSTS = 50
REFRESH = {"bluesky": "refreshSession", "tumblr": "token"}
ENOUGH = 10
"""Settled by one process: then it is stopped, so that the other has its part for certain."""


@pytest.mark.parametrize("platform", ["tumblr", pytest.param("bluesky", marks=pytest.mark.long)])
def test_two_processes_refresh_once_and_publish_all_once(six: Six, platform: str) -> None:
    """Everybody who may refresh wants to: workers and relays of both processes, and a person who asks for a check again and again."""
    six.begin("web")
    account_id = six.connect_by_oauth2("ann") if platform == "tumblr" else six.connect_to(platform, "ann")
    posts = [six.post(f"post {number}", account_id) for number in range(POSTS)]
    before = len(six.requests(platform, REFRESH[platform]))
    six.change(platform, "ann", "expire")
    six.in_database(lambda tx: tx.run(sa.update(accounts).values(renew_at=datetime.now(UTC), refresh_wanted=True)))
    # the platform has done it, and its answer takes long: time enough for everybody else to want the same
    slow = {"platform": platform, "operation": REFRESH[platform], "kind": "delay_answer", "seconds": 3, "count": 1}
    six.sandbox.control("faults", slow)

    workers = {name: six.start("serve", name, HAYON_PORT="0") for name in ("one", "two")}
    begun = workers["two"].wait_until
    begun(lambda: len(six.requests(platform, REFRESH[platform])) > before, "the refresh", within_seconds=60)
    with ThreadPoolExecutor(6) as people:
        list(people.map(lambda _: six.ask(f"accounts/{account_id}/check", {}), range(6)))

    def settled() -> dict[str, int]:
        told = {name: process.output() for name, process in workers.items()}
        return {name: words.count('"status":"completed"') for name, words in told.items()}

    deadline = time.monotonic() + 120
    while max(settled().values()) < ENOUGH:
        assert time.monotonic() < deadline, settled()
        time.sleep(0.05)
    first = max(settled(), key=lambda name: settled()[name])
    assert workers[first].stop(within_seconds=40) == 0
    for post_id in posts:
        six.wait_for(post_id, "COMPLETED")

    asked = six.requests(platform, REFRESH[platform])[before:]
    assert [one["status"] for one in asked] == [200]
    entries = [one for one in six.sandbox.ledger(platform) if not (one["repeat"] or one["overwrote"])]
    assert Counter(one["text"] for one in entries) == Counter(f"post {number}" for number in range(POSTS))
    assert all(count > 0 for count in settled().values())
    health = six.account(account_id)["health"]
    assert (health["status"], health["needsReconnection"]) == ("active", False)
