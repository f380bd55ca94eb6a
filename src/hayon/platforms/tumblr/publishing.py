"""The face that delivery sees: limits, preparing, the one call that publishes, and looking whether it landed."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.model import Account, Receipt
from hayon.domain.rules import Rules
from hayon.errors import Unconfirmed
from hayon.outgoing import Answer, Outgoing
from hayon.platforms.contract import Allowance, Credential, Look, Parcel, SaveCheckpoint, Send
from hayon.platforms.tumblr.allowances import read_allowances
from hayon.platforms.tumblr.answers import Doing, error_of
from hayon.platforms.tumblr.calls import Api, id_of, misread, response_in
from hayon.platforms.tumblr.drafting import body_of, fitted
from hayon.platforms.tumblr.limits import PLATFORM, tumblr_rules
from hayon.platforms.tumblr.looking import DIRECT, find_live, locate, look
from hayon.platforms.tumblr.preparing import Preparation
from hayon.platforms.tumblr.recalling import look_without_handles
from hayon.platforms.tumblr.signing import App, is_renewable


class TumblrPublishing:
    """Publishing in two steps: a draft that nobody sees, and one call that turns it into a post and names one object.

    `direct`: light posts go in a single call instead, which costs fewer calls; a lost answer can then only be settled by
    finding the post, never by not finding it.
    """

    platform = PLATFORM
    settles_within: timedelta | None = timedelta(seconds=180)
    """A judgement: no document says how long a request may wait in Tumblr's queues, or a listing lag behind."""
    fetches_media = False
    has_quota = True

    def __init__(self, *, app: App, direct: bool) -> None:
        self._app = app
        self._direct = direct

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        """The limits, which are the same for every blog."""
        return tumblr_rules()

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        """What is left of the calls of the operator's app, which all accounts share."""
        return read_allowances(answer, now)

    def settles(self, handles: Mapping[str, Any]) -> timedelta | None:
        """None for the direct way: Tumblr knows no key, and a post that is not listed yet may be listed later."""
        return None if handles.get("way") == DIRECT else self.settles_within

    def remote_id_in(self, url: str, account: Account) -> str | None:
        """The number in a post's address, below the blog's own name or domain or on Tumblr's own site."""
        try:
            named, home = urlsplit(url.strip()), urlsplit(account.host)
            own = urlsplit(str(account.facts.get("blogUrl") or ""))
        except ValueError:
            return None
        if named.scheme not in {"http", "https"}:
            return None
        blog, where, at_home = account.handle.lower(), named.netloc.lower(), named.netloc.lower() == home.netloc.lower()
        path = named.path.removeprefix(home.path) if at_home else named.path
        if where in {"www.tumblr.com", "tumblr.com"} or at_home:
            found = _ON_THE_SITE.fullmatch(path)
            if found is not None and found["blog"].lower() == blog:
                return found["id"]
        if where in {f"{blog}.tumblr.com", own.netloc.lower()}:
            found = _ON_THE_BLOG.fullmatch(named.path.removeprefix(own.path.rstrip("/")) if own.netloc else path)
            return found["id"] if found else None
        return None

    async def prepare(self, parcel: Parcel, save: SaveCheckpoint, outgoing: Outgoing) -> Mapping[str, Any]:
        """Mentions, and a draft with all files. The direct way needs no draft; its files go along with the call."""
        return await Preparation(parcel, self._api_of(parcel), save, outgoing, direct=self._direct).run()

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any], send: Send) -> Receipt:
        """PUT of the draft, complete and with the state of a post; in the direct way the POST that makes it.

        Its answer names no address: that has to be read (`locate`). The number may still be that of the draft, and with a
        video it may change once more.
        """
        api = self._api_of(parcel, handles["blog"])
        direct = handles["way"] == DIRECT
        if direct:
            request = api.post(api.of_blog("posts"), **body_of(handles["fields"], await fitted(parcel)))
        else:
            request = api.put(api.of_blog("posts", handles["draftId"]), json=handles["fields"])
        answer = await send(request)
        if answer.status not in {200, 201}:
            raise error_of(
                answer, Doing.POSTING if direct else Doing.PUBLISHING, now=parcel.now,
                sent_before=parcel.first_sent_at is not None, renewable=is_renewable(parcel.credential),
            )  # fmt: skip
        number = id_of(response_in(answer) or {})
        if number is None:
            raise Unconfirmed(
                "Tumblr took the post but did not name it, so it may or may not be live. "
                "Hayon looks before it does anything else.",
                http_status=answer.status,
            )
        return Receipt(number, None, parcel.now)

    async def reconcile(self, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
        """Asks after the draft, then goes through the blog's newest posts for the one it became. Reads only."""
        if handles:
            return await look(parcel, handles, self._api_of(parcel, handles["blog"]), outgoing)
        return await look_without_handles(parcel, self._api_of(parcel), outgoing)

    async def locate(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> str | None:
        """The post's public address; None while Tumblr is at work on it, or where it is gone."""
        return await locate(Api(account.host, account.remote_id, self._app, credential), remote_id, outgoing)

    async def remove(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> bool:
        """Deletes the post. One that is not there under its number is looked for under the number it may have by now."""
        api = Api(account.host, account.remote_id, self._app, credential)
        if await self._delete(api, remote_id, outgoing):
            return True
        live, _ = await find_live(api, outgoing, drafts={remote_id})
        number = id_of(live) if live else None
        if number is not None:
            await self._delete(api, number, outgoing)
        return True

    @staticmethod
    async def _delete(api: Api, number: str, outgoing: Outgoing) -> bool:
        """Whether there was anything to delete."""
        request = api.post(api.of_blog("post", "delete"), json={"id": int(number)})
        answer = await api.ask(outgoing, request, welcome=(200, 404))
        if response_in(answer) is None:
            raise misread(answer)
        return answer.status == 200

    def _api_of(self, parcel: Parcel, blog: str | None = None) -> Api:
        account = parcel.account
        return Api(account.host, blog or account.remote_id, self._app, parcel.credential, parcel.now)


_ID = r"(?P<id>[0-9]{1,20})(?:/[^/]*)?/?"
_ON_THE_SITE = re.compile(rf"/(?:blog/view/)?@?(?P<blog>[A-Za-z0-9-]{{1,32}})/{_ID}")
_ON_THE_BLOG = re.compile(rf"/post/{_ID}")
