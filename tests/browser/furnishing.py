"""What a demo shows when every page of it is looked at: a post in each state, files, a key, a webhook, a notice. No test is here."""

from datetime import UTC, datetime, timedelta

from tests.browser.hayons import PLATFORMS, RunningHayon


def furnish(demo: RunningHayon) -> dict[str, str]:
    """Fills it; the ids that addresses of pages need, by their names there (`draft`, `postId` …)."""
    shown = demo.upload("teal"), demo.upload("orange", (480, 640))
    media = [{"mediaId": one, "altText": f"Picture {place}"} for place, one in enumerate(shown, 1)]
    ahead = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    published = demo.publish("Out everywhere, with two pictures", PLATFORMS, content={"mediaItems": media})
    # the platforms answer one after the other, so the mishaps below meet the posts that they are meant for
    demo.wait_for(published, "COMPLETED")
    demo.mishap("mastodon", "refuse", "createStatus", status=422, body={"error": "Validation failed: Text is too rude"})
    failed = demo.publish("Refused by one of two", ["mastodon", "bluesky"])
    demo.wait_for(failed, "PARTIAL_SUCCESS")
    doubt(demo, "Nobody knows of this one")
    demo.publish("Planned for later, with a picture", ["bluesky", "mastodon", "threads"], scheduledAt=ahead,
                 content={"mediaItems": media[:1]})  # fmt: skip
    draft = demo.publish("A draft, not finished", ["bluesky"], draft=True)
    webhook = demo.ask("webhooks", {"url": "https://hooks.example.org/hayon"})["webhookId"]
    ids = {one["platform"]: one["accountId"] for one in demo.ask("accounts")["accounts"]}
    return {"postId": published, "draft": draft, "mediaId": shown[0], "accountId": ids["bluesky"], "webhookId": webhook}


def doubt(demo: RunningHayon, words: str) -> str:
    """A post of which nobody can tell whether Facebook has it, so that a person is asked; its id."""
    demo.mishap("facebook", "list_late", "create_post", seconds=600, count=1)
    demo.mishap("facebook", "accept_then_drop", "create_post")
    post_id = demo.publish(words, ["facebook"])
    demo.wait_for(post_id, "PROCESSING", asked=True)
    return post_id
