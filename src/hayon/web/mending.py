"""What to do about an account that cannot be published on: one sentence for each platform and health. What is wrong says the platform."""

ACTIVE = "active"

_APP_PASSWORD = "make an app password in Bluesky under Settings, Privacy and security, App passwords, and connect the account again with it"  # noqa: S105 - words
_MENDS: dict[str, dict[str, str]] = {
    "bluesky": {
        "expired": f"The session has run out: {_APP_PASSWORD}.",
        "revoked": f"The app password was taken away: {_APP_PASSWORD}.",
        "error": "Open the account in the Bluesky app and put right what stands there, then check it here; if that does not help, connect it again.",
    },
    "threads": {
        "expired": "The access token was not renewed within its sixty days: connect the account again.",
        "revoked": "The access token was taken away, by a new password or in Threads under Settings, Account, Website permissions: connect the account again.",
        "error": "Open the account in the Threads app and do as it asks, then check it here; if a permission is missing, connect it again and grant all of them.",
    },
    "instagram": {
        "expired": "The access token was not renewed within its sixty days: connect the account again.",
        "revoked": "The access token was taken away, by a new password or in Instagram under Settings, Website permissions: connect the account again.",
        "error": "Open the account in the Instagram app, see that it is a professional account and do as it asks, then check it here or connect it again.",
    },
    "facebook": {
        "expired": "The Page's access token is no longer good: connect the Page again.",
        "revoked": "The Page's access token was taken away, by a new password or in Facebook under Settings, Business integrations: connect the Page again.",
        "error": "See in Facebook that you may still create content on the Page and that nothing is asked of you there, then check it here or connect it again.",
    },
    "mastodon": {
        "expired": "The access token is no longer good: connect the account again.",
        "revoked": "The access token was taken away, by a new password or at the server under Preferences, Account, Authorized apps: connect the account again.",
        "error": "Sign in at your server and see what it says of your account, then check it here; if a permission is missing, connect it again.",
    },
    "tumblr": {
        "expired": "The connection was not renewed in time: connect the blog again.",
        "revoked": "The connection was taken away, in Tumblr under Settings, Apps: connect the blog again.",
        "error": "See in Tumblr that you may still write for the blog, then check it here or connect it again.",
    },
}  # fmt: skip


def find_mend(platform: str, health: str) -> str:
    """What its owner can do; empty where there is nothing to do."""
    if health == ACTIVE:
        return ""
    return _MENDS.get(platform, {}).get(health, "Check the account; if that does not help, connect it again.")
