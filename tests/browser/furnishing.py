"""What a demo shows when every page of it is looked at: a post in each state, files, a key, a webhook, a notice. No test is here."""

from datetime import UTC, datetime, timedelta

from tests.browser.hayons import PLATFORMS, RunningHayon

ALT_TEXTS = ("Hills in the morning, the sun just above them", "The path down to the village")
PLANNED = [
    (1, "Saturday walk: meet at the old mill, nine o’clock", ["bluesky", "mastodon", "facebook"]),
    (2, "What to pack for a day in the hills", ["tumblr", "threads"]),
    (4, "Bus times change on Monday", ["bluesky", "mastodon"]),
    (4, "A question for you: sea or hills?", ["threads"]),
    (6, "Last places for the winter walk", ["facebook", "bluesky", "mastodon"]),
]
"""In so many days: what is said, and where."""


def furnish(demo: RunningHayon) -> dict[str, str]:
    """Fills it; the ids that addresses of pages need, by their names there (`draft`, `postId` …)."""
    shown = demo.upload("teal"), demo.upload("orange", (480, 640))
    media = [{"mediaId": one, "altText": words} for one, words in zip(shown, ALT_TEXTS, strict=True)]
    ahead = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    published = demo.publish(
        "First light over the hills. Two pictures from this morning’s walk. #morning",
        PLATFORMS,
        content={"mediaItems": media},
    )
    # the platforms answer one after the other, so the mishaps below meet the posts that they are meant for
    demo.wait_for(published, "COMPLETED")
    demo.mishap("mastodon", "refuse", "createStatus", status=422, body={"error": "Validation failed: Text is too rude"})
    failed = demo.publish("Opinions, strongly held", ["mastodon", "bluesky"])
    demo.wait_for(failed, "PARTIAL_SUCCESS")
    doubt(demo, "Are we open on Sunday? Yes, from ten.")
    demo.publish("The new walks are out: five routes, all by bus", ["bluesky", "mastodon", "threads"], scheduledAt=ahead,
                 content={"mediaItems": media[:1]})  # fmt: skip
    for days, words, platforms in PLANNED:
        demo.publish(words, platforms, scheduledAt=(datetime.now(UTC) + timedelta(days=days)).isoformat())
    draft = demo.publish("Notes for the spring letter", ["bluesky"], draft=True)
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
