"""Reconcile: is what was to be published with these handles live? Reads only, and says Absent only where it saw enough.

There is no question by idempotency key, so the account's newest posts are gone through. Media settle it: an id of
ours hangs on one post at most. Words settle it only together with the rest of what was sent, since an account may say
the same twice.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hayon.domain.model import Receipt
from hayon.errors import Unreachable
from hayon.outgoing import Answer, Outgoing
from hayon.platforms.contract import Absent, Found, Look, Parcel, Unclear, unproven
from hayon.platforms.mastodon.answers import date_of, moment_of
from hayon.platforms.mastodon.instance import LARGEST_LISTING, Instance
from hayon.platforms.mastodon.uploads import KEPT_FOR, is_unused

SKEW = timedelta(minutes=2)
"""How far a post may seem to be older than the call that made it."""
PAGE = 40
"""The most an instance lists at once (mastodon/documentation: methods/accounts.md)."""
PAGES = 5
MOST_READ = 40
"""Posts whose source is fetched in one look: each costs a request of the 300 that a token has in five minutes."""


async def look(parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
    """Found for the one post that carries the files, or the words and all else that was sent.

    An error raised here says nothing about the post, not even that a host is out of reach.
    """
    try:
        return await _look_through(parcel, handles, outgoing)
    except Unreachable as error:
        error.proves_absence = False  # it proves that the question was not sent, not that the post was not
        raise


async def look_without_handles(parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
    """After a backup was restored: `handles` are what the parcel would be sent with now. By the files that were handed over
    before the backup; then by the words, for the same files may have been handed over again since.
    """
    if handles["mediaIds"]:
        found = await look(parcel, handles, outgoing)
        if isinstance(found, Found):
            return found
    if not _plain(handles["status"]):
        return Unclear("Posts without words cannot be told from one another.")
    return unproven(await look(parcel, {**handles, "mediaIds": []}, outgoing))


def receipt_of(status: Any, otherwise: datetime) -> Receipt | None:
    """The receipt in a status as the API shows it; None where it has no id. `otherwise` dates one without a date."""
    if not isinstance(status, Mapping) or not isinstance(status.get("id"), str) or not status["id"]:
        return None
    return Receipt(status["id"], address_of(status), moment_of(status.get("created_at")) or otherwise)


def address_of(status: Any) -> str | None:
    """The public address in a status as the API shows it; None where it has none that can be followed."""
    addresses = (status.get(name) for name in ("url", "uri")) if isinstance(status, Mapping) else ()
    return next((one for one in addresses if isinstance(one, str) and one.startswith(("https://", "http://"))), None)


async def _look_through(parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
    if parcel.first_sent_at is None:
        return Unclear("It is not known when the post was sent, so nothing can be concluded from what is live.")
    instance = Instance.of(parcel)
    listing = await _list_since(parcel.first_sent_at - SKEW, instance, handles["accountId"], outgoing)
    if handles["mediaIds"]:
        return await _by_media(listing, parcel, handles, instance, outgoing)
    return await _by_words(listing, parcel, handles, instance, outgoing)


@dataclass(frozen=True, slots=True)
class _Listing:
    """The account's newest posts, and from when on one may be ours. `whole`: none made since then is missing."""

    statuses: list[Mapping[str, Any]]
    since: datetime
    whole: bool

    def recent(self) -> list[Mapping[str, Any]]:
        """Those made since then; a post without a time may have been."""
        return [one for one in self.statuses if (moment_of(one.get("created_at")) or self.since) >= self.since]


async def _list_since(since: datetime, instance: Instance, account_id: str, outgoing: Outgoing) -> _Listing:
    statuses: list[Mapping[str, Any]] = []
    query = {"limit": str(PAGE), "exclude_reblogs": "true"}
    for number in range(PAGES):
        request = instance.get("/api/v1/accounts", account_id, "statuses", query=query, largest=LARGEST_LISTING)
        answer = await instance.ask(outgoing, request)
        page = instance.read(answer)
        if not isinstance(page, list) or not all(isinstance(one, Mapping) and "id" in one for one in page):
            raise instance.misread(answer)
        if number == 0:
            since = _by_their_clock(since, answer, instance.now)
        statuses += page
        reaches_back = not page or (moment_of(page[-1].get("created_at")) or since) < since
        if reaches_back or (len(page) < PAGE and not _offers_more(answer)):
            return _Listing(statuses, since, whole=True)
        query = {**query, "max_id": str(page[-1]["id"])}
    return _Listing(statuses, since, whole=False)


def _by_their_clock(moment: datetime, answer: Answer, now: datetime | None) -> datetime:
    """A moment of ours as an instance would write it whose clock is behind; one that is ahead does no harm."""
    theirs = date_of(answer)
    return moment + min(theirs - now, timedelta(0)) if theirs and now else moment


def _offers_more(answer: Answer) -> bool:
    return 'rel="next"' in answer.headers.get("link", "")


async def _by_media(
    listing: _Listing, parcel: Parcel, handles: Mapping[str, Any], instance: Instance, outgoing: Outgoing
) -> Look:
    ours = set(handles["mediaIds"])
    holders = [one for one in listing.statuses if ours & {medium.get("id") for medium in _media_of(one)}]
    if holders:
        return (
            _found(holders[0], parcel, exact=True)
            if len(holders) == 1
            else Unclear(f"{len(holders)} posts at {instance.host} carry these pictures or this video.")
        )
    if not listing.whole:
        return _saw_too_little(instance)
    uploaded_at = moment_of(handles.get("mediaUploadedAt"))
    young = uploaded_at is not None and parcel.now - uploaded_at < KEPT_FOR
    if young and not await is_unused(instance, handles["mediaIds"][0], outgoing):
        return Unclear(
            f"{instance.host} lists no such post, but its pictures or video are in use: it may be listed late, or was deleted."
        )
    return Absent(f"{instance.host} lists no post with these pictures or this video.")


async def _by_words(
    listing: _Listing, parcel: Parcel, handles: Mapping[str, Any], instance: Instance, outgoing: Outgoing
) -> Look:
    candidates = [
        one for one in listing.recent()
        if len(_media_of(one)) == len(parcel.media) and (one.get("edited_at") or _same(one.get("spoiler_text"), handles.get("warning")))
    ]  # fmt: skip
    if len(candidates) > MOST_READ:
        return _saw_too_little(instance)
    exact: list[Mapping[str, Any]] = []
    alike = unreadable = False
    for one in candidates:
        source = await _source_of(one, instance, outgoing)
        same = _same(source.get("text"), handles["status"]) and _same(
            source.get("spoiler_text"), handles.get("warning")
        )
        if same:
            if _as_sent(one, handles):
                exact.append(one)
            else:
                alike = True
        elif one.get("edited_at") or not source:
            unreadable = True
    if len(exact) == 1:
        return _found(exact[0], parcel, exact=False)
    if exact:
        return Unclear(f"{len(exact)} posts at {instance.host} say exactly this.")
    if alike:
        return Unclear(
            f"A post at {instance.host} says the same, but was made with another app, visibility or language."
        )
    if unreadable:
        return Unclear(f"A post made at {instance.host} since then was edited or cannot be read; it may be this one.")
    if not listing.whole:
        return _saw_too_little(instance)
    if handles.get("visibility") == "direct":
        return Unclear(f"{instance.host} lists no such post, but it may leave posts to single people out of its list.")
    return Absent(f"{instance.host} lists no such post.")


async def _source_of(status: Mapping[str, Any], instance: Instance, outgoing: Outgoing) -> Mapping[str, Any]:
    """A post as it was written (mastodon/documentation: methods/statuses.md, since 3.5.0); empty where it is not given."""
    request = instance.get("/api/v1/statuses", str(status["id"]), "source")
    answer = await instance.ask(outgoing, request, welcome=(200, 404))
    source = instance.read(answer) if answer.status == 200 else {}
    return source if isinstance(source, Mapping) else {}


def _as_sent(status: Mapping[str, Any], handles: Mapping[str, Any]) -> bool:
    """Whether all but the words is as sent, as far as both sides say."""
    application = status.get("application")
    seen = {
        "visibility": status.get("visibility"),
        "language": status.get("language"),
        "applicationName": application.get("name") if isinstance(application, Mapping) else None,
    }
    if (handles.get("visibility"), seen["visibility"]) == ("public", "unlisted"):
        seen["visibility"] = "public"  # what a silenced account gets without being told (post_status_service.rb)
    return all(None in (handles.get(name), value) or handles[name] == value for name, value in seen.items())


def _same(one: Any, other: Any) -> bool:
    return _plain(one) == _plain(other)


def _plain(words: Any) -> str:
    """Words as they compare: instances trim them, and may write line ends and accents in another way."""
    return unicodedata.normalize("NFC", words.replace("\r\n", "\n")).strip() if isinstance(words, str) else ""


def _media_of(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    media = status.get("media_attachments")
    return [one for one in media if isinstance(one, Mapping)] if isinstance(media, list) else []


def _found(status: Mapping[str, Any], parcel: Parcel, *, exact: bool) -> Look:
    receipt = receipt_of(status, parcel.now)
    return Found(receipt, exact=exact) if receipt else Unclear("The post is live, but it has no id that could be kept.")


def _saw_too_little(instance: Instance) -> Unclear:
    return Unclear(f"The account made more posts at {instance.host} since then than Hayon looks through.")
