"""The forms by which people connect an account, by the platform's page or with credentials in hand, as data. Nothing is connected here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hayon.errors import Problem
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


@dataclass(frozen=True, slots=True)
class PageWay:
    """The way by the platform's own page: open, with what has to be typed before; or not, and then what has to be done."""

    is_open: bool
    fields: tuple[Field, ...] = ()
    obstacle: str = ""
    redirect_address: str = ""
    document: str = ""


def page_way(platform: str, obstacle: Problem | None, redirect_address: str, typed: Mapping[str, str]) -> PageWay:
    """How somebody goes to this platform's page; else what its operator has to register, and where that is written."""
    if obstacle is None:
        return PageWay(True, PAGE_FIELDS[platform](typed) if platform in PAGE_FIELDS else ())
    if obstacle.rule == "no_way":
        return PageWay(False)  # the credentials in hand are the way
    return PageWay(False, (), obstacle.message, redirect_address, f"docs/connect/{platform}.md")


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


PAGE_FIELDS: dict[str, Callable[[Mapping[str, str]], tuple[Field, ...]]] = {
    "mastodon": lambda typed: (
        Field("instanceUrl", "Instance", placeholder="https://mastodon.social", value=typed.get("instanceUrl", "")),
    ),
}  # fmt: skip
"""What a platform has to know before it can say where its page is."""
SHOWN_AGAIN = ("identifier", "service", "instanceUrl", "pageId", "blog")
"""What was typed stays, but for what is secret."""
SENT = (*SHOWN_AGAIN, "appPassword", "accessToken", "token", "tokenSecret")
