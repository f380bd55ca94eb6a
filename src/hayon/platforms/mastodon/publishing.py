"""The face that delivery sees: limits, preparing, the one call that publishes, and looking whether it landed."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.model import Account, Receipt
from hayon.domain.rules import Rules
from hayon.errors import Rejected, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Allowance, Credential, Look, Parcel, SaveCheckpoint, Send
from hayon.platforms.mastodon.allowances import read_allowances
from hayon.platforms.mastodon.answers import Doing, error_of, read_json, words_of
from hayon.platforms.mastodon.instance import Instance, token_of
from hayon.platforms.mastodon.limits import PLATFORM, mastodon_rules
from hayon.platforms.mastodon.looking import address_of, look, look_without_handles, receipt_of
from hayon.platforms.mastodon.uploads import Upload, upload_all


class MastodonPublishing:
    """Publishing under an idempotency key, and looking through the account's posts for what went without an answer."""

    platform = PLATFORM
    settles_within: timedelta | None = timedelta(seconds=90)
    """A judgement: no document says how long a request may wait in a server's queue, or a listing lag behind."""
    fetches_media = False
    has_quota = False

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        """The limits of an account's instance, as it told them when the account was connected or checked."""
        return mastodon_rules(facts)

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        """What is left of the tightest limit that the call was counted in."""
        return read_allowances(answer, now)

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
        """Uploads pictures or video and puts down everything that publish() will say. May be repeated at will."""
        instance = Instance.of(parcel)
        return _handles_of(parcel, await upload_all(parcel, instance, save, outgoing))

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
        if handles:
            return await look(parcel, handles, outgoing)
        uploads = parcel.checkpoint.get("uploads", {})
        known = [uploads[str(one.media.id)] for one in parcel.media if str(one.media.id) in uploads]
        return await look_without_handles(parcel, _handles_of(parcel, known), outgoing)

    def settles(self, handles: Mapping[str, Any]) -> timedelta | None:
        """The same for every call."""
        return self.settles_within

    async def locate(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> str | None:
        """The public address of a post, asked of the instance; None where it shows the post without one.

        Raises Rejected where the instance itself says that there is no such post: its defence against spam answers a
        post with 200 and an id that it never stores (mastodon: app/lib/antispam.rb). Asked right after publishing, that
        is what a missing post means; asked later, its author may have deleted it. A read, so no proof of absence: a
        server that reads from a copy of its database may be behind for a moment.
        """
        instance = Instance(account.host, token_of(credential))
        answer = await self._ask_about(instance, instance.get("/api/v1/statuses", remote_id), outgoing)
        if answer.status == 404:
            raise Rejected(
                f"{instance.host} said that it took the post, but does not have it: its defence against spam may have "
                "dropped it, or it was deleted there. Look at your profile; if the post is missing, ask the people who "
                "run the instance before you publish it again.",
                code=words_of(answer) or "",
                http_status=404,
            )
        return address_of(instance.read(answer))

    async def remove(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> bool:
        """Deletes a post and what hangs on it; True also where the instance says that it has no such post any more."""
        instance = Instance(account.host, token_of(credential))
        # Since 4.4 the files go at once; before, a day later, and the word is not read.
        request = instance.delete("/api/v1/statuses", remote_id, query={"delete_media": "true"})
        answer = await self._ask_about(instance, request, outgoing)
        instance.read(answer)  # a page of something in front of it is no word that the post is gone
        return True

    async def _ask_about(self, instance: Instance, request: Request, outgoing: Outgoing) -> Answer:
        """An answer of 200, or of 404 in the instance's own words: something in front of it knows no posts."""
        answer = await instance.ask(outgoing, request, welcome=(200, 404))
        if answer.status == 404 and words_of(answer) is None:
            raise error_of(answer, instance.host, Doing.READING)
        return answer


# A post of somebody elsewhere, looked at from here, has a second @ in its address: its id is no id of a post made here.
_POST_PATH = re.compile(
    r"(?:(?:/web|/deck)?/@[^/@]+(?:/statuses)?|(?:/ap)?/users/[^/@]+/statuses|/statuses|/notice)/(?P<id>[0-9A-Za-z]+)/?"
)


def _handles_of(parcel: Parcel, uploads: Sequence[Upload]) -> dict[str, Any]:
    """Everything that publish() will say of this parcel, with these files."""
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
