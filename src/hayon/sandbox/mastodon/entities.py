"""The JSON shapes of Mastodon's API. Source: mastodon documentation, entities/*.md."""

from html import escape
from typing import Any

from hayon.sandbox.gate import Call
from hayon.sandbox.mastodon.instance import VERSION, instance_of
from hayon.sandbox.mastodon.limits import InstanceLimits
from hayon.sandbox.mastodon.text import entities
from hayon.sandbox.model import Account, Media, Platform, Status
from hayon.sandbox.moments import iso
from hayon.sandbox.portraits import portrait_url

IMAGES = ("image/jpeg", "image/png", "image/gif", "image/heic", "image/heif", "image/webp", "image/avif")
VIDEOS = ("video/webm", "video/mp4", "video/quicktime", "video/ogg")


def account_json(call: Call, account: Account, *, own: bool = False) -> dict[str, Any]:
    """Account, or CredentialAccount for its owner."""
    base, picture = f"{call.base_url}/mastodon", portrait_url(call.base_url, account)
    body: dict[str, Any] = {
        "id": account.account_id,
        "username": account.handle,
        "acct": account.handle,
        "display_name": account.display_name,
        "locked": False,
        "bot": False,
        "discoverable": True,
        "group": False,
        "created_at": iso(account.created_at),
        "note": "",
        "url": f"{base}/@{account.handle}",
        "uri": f"{base}/users/{account.handle}",
        "avatar": picture,
        "avatar_static": picture,
        "header": picture,
        "header_static": picture,
        "followers_count": 0,
        "following_count": 0,
        "statuses_count": len(instance_of(call.world).by_account.get(account.account_id, ())),
        "last_status_at": None,
        "emojis": [],
        "fields": [],
    }
    if own:
        source = {"privacy": "public", "sensitive": False, "language": None, "note": "", "fields": []}
        body |= {"source": {**source, "follow_requests_count": 0}}
    return body


def media_json(call: Call, media: Media) -> dict[str, Any]:
    """MediaAttachment; its `url` is null while it is being processed."""
    url = f"{call.base_url}/media/{media.digest}"
    ready = call.now >= media.ready_at and not media.failed
    about: dict[str, Any] = {}
    if media.width and media.height:
        size = {"width": media.width, "height": media.height, "size": f"{media.width}x{media.height}"}
        about = {"original": {**size, "aspect": media.width / media.height}}
    if media.focus:
        about["focus"] = {"x": media.focus[0], "y": media.focus[1]}
    return {
        "id": media.media_id,
        "type": media.mime_type.split("/")[0],
        "url": url if ready else None,
        "preview_url": url,
        "remote_url": None,
        "preview_remote_url": None,
        "text_url": None,
        "meta": about,
        "description": media.description,
        "blurhash": None,
    }


def status_json(call: Call, status: Status, *, with_text: bool = False) -> dict[str, Any]:
    """Status; `with_text` as the answer to its deletion gives it."""
    instance = instance_of(call.world)
    author = instance.get_author(status.account_id)
    parent = instance.statuses.get(status.in_reply_to_id or "")
    base = f"{call.base_url}/mastodon"
    body: dict[str, Any] = {
        "id": status.status_id,
        "created_at": iso(status.created_at),
        "in_reply_to_id": status.in_reply_to_id,
        "in_reply_to_account_id": parent.account_id if parent else None,
        "sensitive": status.sensitive,
        "spoiler_text": status.spoiler_text,
        "visibility": status.visibility,
        "language": status.language,
        "uri": f"{base}/users/{author.handle}/statuses/{status.status_id}",
        "url": f"{base}/@{author.handle}/{status.status_id}",
        "replies_count": 0,
        "reblogs_count": 0,
        "favourites_count": 0,
        "quotes_count": 0,
        "edited_at": None,
        "favourited": False,
        "reblogged": False,
        "muted": False,
        "bookmarked": False,
        "pinned": False,
        "content": content_html(call, status.text),
        "filtered": [],
        "reblog": None,
        "application": {"name": status.app_name, "website": status.app_website},
        "account": account_json(call, author),
        "media_attachments": [media_json(call, instance.media[held]) for held in status.media_ids],
        "mentions": _mentions(call, status.text),
        "tags": [
            {"name": name.lower(), "url": f"{base}/tags/{name.lower()}"}
            for name in dict.fromkeys(one.value for one in entities(status.text) if one.kind == "hashtag")
        ],
        "emojis": [],
        "card": None,
        "poll": None,
    }
    if with_text:
        body["text"] = status.text
    return body


def content_html(call: Call, text: str) -> str:
    """The text as the server shows it: paragraphs, with links, hashtags and known people linked."""
    base, linked, place = f"{call.base_url}/mastodon", [], 0
    for one in entities(text):
        linked.append(escape(text[place : one.start]))
        shown, place = escape(text[one.start : one.end]), one.end
        if one.kind == "link":
            href = escape(one.value)
            linked.append(f'<a href="{href}" target="_blank" rel="nofollow noopener">{shown}</a>')
        elif one.kind == "hashtag":
            href = f"{base}/tags/{escape(one.value.lower())}"
            linked.append(f'<a href="{href}" class="mention hashtag" rel="tag">{shown}</a>')
        elif known := call.world.find_account(Platform.MASTODON, one.value):
            href = f"{base}/@{known.handle}"
            linked.append(f'<span class="h-card"><a href="{href}" class="u-url mention">{shown}</a></span>')
        else:
            linked.append(shown)
    linked.append(escape(text[place:]))
    paragraphs = "".join(linked).split("\n\n")
    return "".join("<p>" + part.replace("\n", "<br />") + "</p>" for part in paragraphs) if text else ""


def configuration_json(limits: InstanceLimits) -> dict[str, Any]:
    """What an instance declares about itself; every client is expected to ask."""
    return {
        "accounts": {"max_featured_tags": 10, "max_pinned_statuses": 5},
        "statuses": {
            "max_characters": limits.characters,
            "max_media_attachments": limits.media_per_status,
            "characters_reserved_per_url": limits.characters_per_url,
        },
        "media_attachments": {
            "description_limit": limits.description_characters,
            "image_matrix_limit": limits.image_pixels,
            "image_size_limit": limits.image_size,
            "supported_mime_types": [*IMAGES, *VIDEOS],
            "video_frame_rate_limit": 120,
            "video_matrix_limit": 8_294_400,
            "video_size_limit": limits.video_size,
        },
        "polls": {
            "max_characters_per_option": 50,
            "max_expiration": 2_629_746,
            "max_options": 4,
            "min_expiration": 300,
        },
    }


def instance_v2_json(call: Call) -> dict[str, Any]:
    """GET /api/v2/instance."""
    base = f"{call.base_url}/mastodon"
    return {
        "domain": call.request.headers.get("host", "localhost"),
        "title": "Sandbox",
        "version": VERSION,
        "source_url": "https://github.com/mastodon/mastodon",
        "description": "A simulated instance",
        "usage": {"users": {"active_month": len(call.world.accounts)}},
        "thumbnail": {"url": f"{call.base_url}/static/avatar.svg"},
        "languages": ["en"],
        "configuration": {
            "urls": {"streaming": f"{base}/streaming"},
            "translation": {"enabled": False},
            "vapid": {"public_key": ""},
            **configuration_json(call.world.limits.of(InstanceLimits)),
        },
        "registrations": {"enabled": False, "approval_required": False, "message": None, "url": None},
        "api_versions": {"mastodon": 7},
        "contact": {"email": "", "account": None},
        "rules": [],
    }


def instance_v1_json(call: Call) -> dict[str, Any]:
    """GET /api/v1/instance."""
    return {
        "uri": call.request.headers.get("host", "localhost"),
        "title": "Sandbox",
        "short_description": "A simulated instance",
        "description": "A simulated instance",
        "email": "",
        "version": VERSION,
        "urls": {"streaming_api": f"{call.base_url}/mastodon/streaming"},
        "stats": {
            "user_count": len(call.world.accounts),
            "status_count": len(instance_of(call.world).statuses),
            "domain_count": 1,
        },
        "thumbnail": None,
        "languages": ["en"],
        "registrations": False,
        "approval_required": False,
        "invites_enabled": False,
        "configuration": configuration_json(call.world.limits.of(InstanceLimits)),
        "contact_account": None,
        "rules": [],
    }


def _mentions(call: Call, text: str) -> list[dict[str, Any]]:
    known = (call.world.find_account(Platform.MASTODON, one.value) for one in entities(text) if one.kind == "mention")
    people = {account.account_id: account for account in known if account}
    return [
        {
            "id": account.account_id,
            "username": account.handle,
            "acct": account.handle,
            "url": f"{call.base_url}/mastodon/@{account.handle}",
        }
        for account in people.values()
    ]
