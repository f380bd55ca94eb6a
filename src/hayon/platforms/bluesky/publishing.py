"""The face that delivery sees: limits, preparing, the one call that publishes, and looking whether it landed."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.model import Account, Receipt
from hayon.domain.rules import Rules
from hayon.errors import Unavailable, Unconfirmed
from hayon.outgoing import Answer, Outgoing
from hayon.platforms.bluesky.allowances import read_allowances
from hayon.platforms.bluesky.answers import name_and_words, read_publish_failure, read_removal_failure
from hayon.platforms.bluesky.calls import procedure, query, read_body, send_repeatable
from hayon.platforms.bluesky.limits import PLATFORM, bluesky_rules
from hayon.platforms.bluesky.preparing import Fit, Preparation
from hayon.platforms.bluesky.recalling import find_alike
from hayon.platforms.bluesky.record import COLLECTION, KEY_PATTERN
from hayon.platforms.contract import (
    Absent,
    Allowance,
    Credential,
    Found,
    Look,
    Parcel,
    SaveCheckpoint,
    Send,
    Unclear,
)


class BlueskyPublishing:
    """Publishing by putRecord with a key of our own and `swapRecord: null`: a repeat can neither double nor overwrite.

    Source: atproto: packages/pds/src/api/com/atproto/repo/putRecord.ts.
    """

    platform = PLATFORM
    settles_within: timedelta | None = timedelta(0)  # a late first call and its repeat end in the same one record
    fetches_media = False
    has_quota = False

    def __init__(self, *, public_url: str, fit: Fit, link_cards: bool, video_url: str | None) -> None:
        self._public_url = public_url.rstrip("/")
        self._fit = fit
        self._link_cards = link_cards
        self._video_url = None if video_url is None else video_url.rstrip("/")

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        """The limits for an account; its server's version decides about galleries, the video service about videos."""
        return bluesky_rules(facts, video_service=self._video_url is not None, link_cards=self._link_cards)

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        """What is left of the tightest limit that the call was counted in."""
        return read_allowances(answer, now)

    def remote_id_in(self, url: str, account: Account) -> str | None:
        """The AT URI of the account's post at this address of the app, or the AT URI itself; None for anything else.

        The app writes addresses with the handle or with the DID; both come out as our receipts name the post.
        """
        try:
            named, home = urlsplit(url.strip()), urlsplit(self._public_url)
        except ValueError:
            return None
        if named.scheme == "at":
            found = _POST_URI.fullmatch(url.strip())
        elif named.scheme in {"http", "https"} and named.netloc.lower() == home.netloc.lower():
            found = _POST_PATH.fullmatch(named.path.removeprefix(home.path))
        else:
            return None
        if found is None or found["author"].lower() not in {account.remote_id.lower(), account.handle.lower()}:
            return None
        return f"at://{account.remote_id}/{COLLECTION}/{found['rkey']}"

    async def prepare(self, parcel: Parcel, save: SaveCheckpoint, outgoing: Outgoing) -> Mapping[str, Any]:
        """Key and time, mentions, link card, uploads, record. Returns {"repo", "rkey", "record"}."""
        preparation = Preparation(
            parcel, save, outgoing, fit=self._fit, link_cards=self._link_cards, video_url=self._video_url
        )
        return await preparation.run()

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any], send: Send) -> Receipt:
        """Writes the record. A repeat of one that landed is answered 200 with nothing written."""
        body = {
            "repo": handles["repo"],
            "collection": COLLECTION,
            "rkey": handles["rkey"],
            "record": handles["record"],
            "swapRecord": None,  # null means "there must be none yet"; absent would overwrite
        }
        token = str(parcel.credential.get("accessJwt", ""))
        answer = await send(procedure(parcel.account.host, "com.atproto.repo.putRecord", body, token))
        if answer.status != 200:
            raise read_publish_failure(answer, parcel.now)
        if _field(answer, "uri") != _uri(handles):
            raise Unconfirmed(
                "The Bluesky server took the post but did not confirm it properly. Look at your profile.",
                http_status=200,
            )
        return self._receipt(handles)

    async def reconcile(self, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
        """Asks the account's own server, which knows at once; the public network learns later.

        Source: atproto-website: read-after-write; atproto: packages/pds/src/api/com/atproto/repo/getRecord.ts.
        """
        if not handles:
            return await self._look_without_key(parcel, outgoing)
        parameters = {"repo": handles["repo"], "collection": COLLECTION, "rkey": handles["rkey"]}
        try:
            answer = await send_repeatable(
                outgoing, query(parcel.account.host, "com.atproto.repo.getRecord", parameters)
            )
        except Unavailable as error:
            return Unclear(error.message)
        if answer.status == 400 and name_and_words(answer)[0] == "RecordNotFound":
            return Absent("Bluesky has no post under the key chosen for this one.")
        if answer.status != 200:
            return Unclear(f"The Bluesky server answered HTTP {answer.status} when asked whether the post is live.")
        value = _field(answer, "value")
        if not isinstance(value, dict) or _field(answer, "uri") != _uri(handles):
            return Unclear("The Bluesky server answered, but not with the post that was asked for.")
        if value.get("createdAt") != handles["record"]["createdAt"]:
            return Unclear("Under the key chosen for this post Bluesky has another one. Look at your profile.")
        return Found(self._receipt(handles), exact=True)  # no other target shares our key

    async def _look_without_key(self, parcel: Parcel, outgoing: Outgoing) -> Look:
        """By the key that was chosen before the backup, if there was one; a later try may have had another. Then by the words."""
        known, repo = parcel.checkpoint, parcel.account.remote_id
        if "rkey" in known and "createdAt" in known:
            handles = {"repo": repo, "rkey": known["rkey"], "record": {"createdAt": known["createdAt"]}}
            look = await self.reconcile(parcel, handles, outgoing)
            if isinstance(look, Found):
                return look
        if parcel.first_sent_at is None or not parcel.content.text:
            return Unclear("Bluesky cannot be asked for a post without its key or its words.")
        alike, whole = await find_alike(parcel, parcel.first_sent_at, outgoing)
        rkey = _key_in(str(alike[0].get("uri")), parcel.account) if len(alike) == 1 and whole else None
        if rkey is None:
            return Unclear(f"{len(alike) or 'No'} posts of the account say exactly this since then.")
        made_at = str(alike[0]["value"].get("createdAt"))
        return Found(self._receipt({"repo": repo, "rkey": rkey, "record": {"createdAt": made_at}}))

    def settles(self, handles: Mapping[str, Any]) -> timedelta | None:
        """The same for every call: each has its own key."""
        return self.settles_within

    async def locate(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> str | None:
        """The address of a post of this account, without asking: it follows from the key. None for anything else."""
        rkey = _key_in(remote_id, account)
        return rkey and self._address(account.remote_id, rkey)

    async def remove(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> bool:
        """Deletes the record; one that is gone already is no error here. False for what is no post of this account.

        Source: atproto: packages/pds/src/api/com/atproto/repo/deleteRecord.ts.
        """
        rkey = _key_in(remote_id, account)
        if rkey is None:
            return False
        body = {"repo": account.remote_id, "collection": COLLECTION, "rkey": rkey}
        token = str(credential.get("accessJwt", ""))
        try:
            answer = await outgoing.send(procedure(account.host, "com.atproto.repo.deleteRecord", body, token))
        except Unconfirmed as error:
            raise Unavailable(f"It is not known whether the post was deleted: {error.message}") from error
        if answer.status != 200:
            raise read_removal_failure(answer)
        if answer.body:  # older servers say nothing; a page of something in front of them is no word of theirs
            read_body(answer)
        return True

    def _address(self, repo: str, rkey: str) -> str:
        return f"{self._public_url}/profile/{repo}/post/{rkey}"

    def _receipt(self, handles: Mapping[str, Any]) -> Receipt:
        return Receipt(
            remote_id=_uri(handles),
            url=self._address(handles["repo"], handles["rkey"]),
            published_at=datetime.fromisoformat(handles["record"]["createdAt"]),
        )


_AUTHOR = r"(?P<author>did:[a-z]+:[A-Za-z0-9._:%-]+|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
_POST_PATH = re.compile(rf"/profile/{_AUTHOR}/post/(?P<rkey>{KEY_PATTERN})/?")
_POST_URI = re.compile(rf"at://{_AUTHOR}/{re.escape(COLLECTION)}/(?P<rkey>{KEY_PATTERN})")


def _key_in(remote_id: str, account: Account) -> str | None:
    """The key of a post of this account in its AT URI; None for anything else."""
    found = _POST_URI.fullmatch(remote_id)
    return found["rkey"] if found and found["author"] == account.remote_id else None


def _uri(handles: Mapping[str, Any]) -> str:
    return f"at://{handles['repo']}/{COLLECTION}/{handles['rkey']}"


def _field(answer: Answer, name: str) -> Any:
    """One field of an answer's object; None where the answer is none."""
    try:
        return read_body(answer).get(name)
    except Unavailable:
        return None
