"""A credential is revoked on the platform's side, on all six: one clear sentence, `revoked`, a notice; connected again, it goes out."""

from typing import Any

from tests.acceptance.six import PLATFORMS, Six

SENTENCES = {
    "bluesky": "The connection to Bluesky was revoked. Make a new app password in Bluesky's settings and connect the account again.",
    "threads": "Threads no longer accepts the access token",
    "instagram": "Instagram no longer accepts the access token",
    "facebook": "Facebook no longer accepts the access token",
    "mastodon": "Reconnect",
    "tumblr": "Tumblr no longer accepts this connection",
}  # fmt: skip


def test_revoked_told_connected_again_and_retried(six: Six) -> None:
    six.begin("serve")
    ids = {platform: six.connect_to(platform, "ann") for platform in PLATFORMS}
    for platform in PLATFORMS:
        six.change(platform, "ann", "revoke")
    six.change("bluesky", "ann", "expire")  # a session that was given out outlives its app password
    said = {"content": {"text": "Cut off", "mediaItems": [{"mediaId": six.upload(), "altText": "teal"}]}}
    post_id = six.ask("posts", said | {"accountIds": list(ids.values())})["postId"]
    six.wait_for(post_id, "FAILED")

    targets = {one["platform"]: one for one in six.ask(f"posts/{post_id}")["platformStatuses"]}
    assert {platform: one["status"] for platform, one in targets.items()} == dict.fromkeys(PLATFORMS, "failed")
    for platform, words in SENTENCES.items():
        told = targets[platform]["error"] if isinstance(targets[platform].get("error"), str) else str(targets[platform])
        assert words in told, (platform, told)
        health = six.account(ids[platform])["health"]
        assert (health["status"], health["needsReconnection"]) == ("revoked", True), platform
        assert words in health["message"], platform
        assert "connect" in health["mend"], platform
    assert _cut_off(six) == sorted(PLATFORMS)
    assert not any(six.sandbox.ledger(platform) for platform in PLATFORMS)

    for platform in PLATFORMS:
        assert six.connect_with(platform, six.change(platform, "ann", "renew")) == ids[platform]
        health = six.account(ids[platform])["health"]
        assert health == {"status": "active", "needsReconnection": False, "message": "", "mend": ""}, platform
    six.ask(f"posts/{post_id}/retry", {})
    six.wait_for(post_id, "COMPLETED")
    for platform in PLATFORMS:
        entries = [one for one in six.sandbox.ledger(platform) if not (one["repeat"] or one["overwrote"])]
        assert [one["text"] for one in entries if "Cut off" in one["text"]] == ["Cut off"], (platform, entries)
    assert _cut_off(six) == sorted(PLATFORMS)


def _cut_off(six: Six) -> list[Any]:
    """The platforms of which a notice says that an account has to be connected again."""
    told = six.ask("notices?limit=100")["notices"]
    return sorted(one["facts"]["platform"] for one in told if one["kind"] == "account.needs_reconnection")
