"""The face that delivery sees: limits, preparing, the one call that publishes, and looking whether it landed."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.model import Account, Receipt
from hayon.domain.rules import Rules
from hayon.errors import Unconfirmed
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Look, Parcel, SaveCheckpoint, Send
from hayon.platforms.mastodon.answers import Doing, error_of, read_json
from hayon.platforms.mastodon.instance import Instance
from hayon.platforms.mastodon.limits import PLATFORM, mastodon_rules
from hayon.platforms.mastodon.looking import look, receipt_of
from hayon.platforms.mastodon.uploads import upload_all


class MastodonPublishing:
    """Publishing under an idempotency key, and looking through the account's posts for what went without an answer."""

    platform = PLATFORM
    settles_within: timedelta | None = timedelta(seconds=90)
    """A judgement: no document says how long a request may wait in a server's queue, or a listing lag behind."""

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        """The limits of an account's instance, as it told them when the account was connected or checked."""
        return mastodon_rules(facts)

    def remote_id_in(self, url: str, account: Account) -> str | None:
        """The id in a post's address, in the forms of Mastodon, GoToSocial and Pleroma; None for another instance's."""
        try:
            named, home = urlsplit(url.strip()), urlsplit(account.host)
        except ValueError:
            return None
        if named.scheme not in {"http", "https"} or named.netloc.lower() != home.netloc.lower():
            return None
        found = _POST_PATH.fullmatch(named.path.removeprefix(home.path))
        return found["id"] if found else None

    async def prepare(self, parcel: Parcel, save: SaveCheckpoint, outgoing: Outgoing) -> Mapping[str, Any]:
        """Uploads the pictures and puts down everything that publish() will say. May be repeated at will."""
        instance = Instance.of(parcel)
        uploads = await upload_all(parcel, instance, save, outgoing)
        options = parcel.content.options
        handles = {
            "idempotencyKey": parcel.idempotency_key,
            "accountId": parcel.account.remote_id,
            "status": parcel.content.text,
            "mediaIds": [upload["id"] for upload in uploads],
            "mediaUploadedAt": min((upload["uploadedAt"] for upload in uploads), default=None),
            "warning": options.get("warning"),
            "sensitive": options.get("sensitive"),
            "visibility": options.get("visibility"),
            "language": options.get("language"),
            "applicationName": parcel.account.facts.get("applicationName"),
        }
        return {name: value for name, value in handles.items() if value is not None}

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any], send: Send) -> Receipt:
        """POST /api/v1/statuses with the idempotency key, once (mastodon/documentation: methods/statuses.md).

        The key makes a repeat within the hour harmless, but not always visible: releases from 4.6.0 answer it with 500
        (mastodon issue 40399), and other servers may not know the header; so every answer but a clear one is Unconfirmed.

        A receipt is the instance's word and no more. Its spam defence can answer 200 with an id that it never stores
        (mastodon: app/lib/antispam.rb); that answer looks like a true one, and this one call does not ask again.
        """
        instance = Instance.of(parcel)
        request = instance.post("/api/v1/statuses", json=_form(handles), key=handles["idempotencyKey"])
        answer = await send(request)
        if answer.status != 200:
            sent_before = parcel.first_sent_at is not None
            raise error_of(answer, instance.host, Doing.PUBLISHING, now=parcel.now, sent_before=sent_before)
        try:
            receipt = receipt_of(read_json(answer), parcel.now)
        except ValueError:
            receipt = None
        if receipt is None:
            raise Unconfirmed(
                f"{instance.host} took the post but did not name it, so it may or may not be live. "
                "Hayon looks before it does anything else.",
                http_status=answer.status,
            )
        return receipt

    async def reconcile(self, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
        """Goes through the account's newest posts. Reads only: the key is not used to ask, since that would publish."""
        return await look(parcel, handles, outgoing)


# A post of somebody elsewhere, looked at from here, has a second @ in its address: its id is no id of a post made here.
_POST_PATH = re.compile(
    r"(?:(?:/web|/deck)?/@[^/@]+(?:/statuses)?|(?:/ap)?/users/[^/@]+/statuses|/statuses|/notice)/(?P<id>[0-9A-Za-z]+)/?"
)


def _form(handles: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent. What the author left open is left out, so that the account's own settings hold."""
    form = {
        "status": handles["status"],
        "media_ids": list(handles["mediaIds"]),
        "spoiler_text": handles.get("warning"),
        "sensitive": handles.get("sensitive"),
        "visibility": handles.get("visibility"),
        "language": handles.get("language"),
    }
    return {name: value for name, value in form.items() if value not in (None, [], "")}
