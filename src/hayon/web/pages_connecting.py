"""The forms by which people connect an account with credentials in hand: one for each platform, as data. Nothing is connected here."""

from collections.abc import Mapping
from dataclasses import dataclass

from hayon.settings import Settings


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in the API, and what stands around it. What is secret is never shown again."""

    name: str
    label: str
    hint: str = ""
    placeholder: str = ""
    value: str = ""
    secret: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class ConnectForm:
    """The form of one platform."""

    platform: str
    fields: tuple[Field, ...]
    hint: str = ""


def connect_forms(settings: Settings, typed: Mapping[str, str]) -> list[ConnectForm]:
    """All forms; `typed` is what was sent before and refused."""

    def field(name: str, label: str, **more: str) -> Field:
        return Field(
            name, label, more.get("hint", ""), more.get("placeholder", ""), typed.get(name) or more.get("value", "")
        )

    def secret(name: str, label: str, hint: str = "") -> Field:
        return Field(name, label, hint, secret=True)

    def optional(name: str, label: str, placeholder: str) -> Field:
        return Field(name, label, placeholder=placeholder, value=typed.get(name, ""), required=False)

    meta = "Made with the app you registered at developers.facebook.com."
    return [
        ConnectForm("bluesky", (
            field("identifier", "Handle", placeholder="name.bsky.social"),
            secret("appPassword", "App password", "Not your main password. Made in Bluesky under Settings, Privacy and security, App passwords."),
            optional("service", "Server", settings.bluesky_url),
        )),
        ConnectForm("threads", (secret("accessToken", "Access token", f"A long-lived token of your Threads profile. {meta}"),)),
        ConnectForm("instagram", (secret("accessToken", "Access token", f"A long-lived token of your professional account. {meta}"),)),
        ConnectForm("facebook", (
            field("pageId", "Page", hint="Its number, as in the page's settings under About.", placeholder="1234567890"),
            secret("accessToken", "Page access token", f"The page's own token, not yours. {meta}"),
        )),
        ConnectForm("mastodon", (
            field("instanceUrl", "Instance", placeholder="https://mastodon.social", value=settings.mastodon_url),
            secret("accessToken", "Access token", "On your instance: Preferences, Development, New application, with the scopes read and write. Then copy “Your access token”."),
        )),
        ConnectForm("tumblr", (
            field("blog", "Blog", placeholder="name.tumblr.com"),
            secret("token", "Token", "Token and secret are shown by Tumblr's API console for your registered app."),
            secret("tokenSecret", "Token secret"),
        ), hint="" if settings.tumblr_app_id else "First register an app at tumblr.com/oauth/apps and set HAYON_TUMBLR_APP_ID and HAYON_TUMBLR_APP_SECRET."),
    ]  # fmt: skip


SHOWN_AGAIN = ("identifier", "service", "instanceUrl", "pageId", "blog")
"""What was typed stays, but for what is secret."""
SENT = (*SHOWN_AGAIN, "appPassword", "accessToken", "token", "tokenSecret")
