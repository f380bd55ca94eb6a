"""The face that delivery sees: limits, preparing, the one call that shows a post, and looking whether it landed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hayon.domain.model import Account, Receipt
from hayon.domain.rules import Rules
from hayon.errors import PlatformError, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Allowance, Credential, Look, Parcel, SaveCheckpoint, Send
from hayon.platforms.facebook.addresses import public_url, remote_id_in, shown_at, video_graph
from hayon.platforms.facebook.limits import NAME, PLATFORM, Kind, facebook_rules
from hayon.platforms.facebook.listing import stories_since
from hayon.platforms.facebook.looking import look, look_without_handles
from hayon.platforms.facebook.preparing import prepare_post, recalled
from hayon.platforms.meta.allowances import usage_told
from hayon.platforms.meta.graph import Doing, Graph, error_of, token_of
from hayon.platforms.meta.login import App
from hayon.platforms.meta.reading import body_of, id_in

SETTLES = timedelta(seconds=420)
"""How long Meta may take to show what it took; the longest wait that another client was seen to need."""


class FacebookPublishing:
    """Publishing to a Page, and looking for what went without an answer by the ids that its files had before."""

    platform = PLATFORM
    settles_within: timedelta | None = None
    """Never, for words alone: see settles()."""
    fetches_media = False
    has_quota = False

    def __init__(self, *, version: str, two_phase_text: bool, app: App) -> None:
        self._version = version
        self._two_phase_text = two_phase_text
        self._app = app

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        """The limits, which are the same for every Page."""
        return facebook_rules(facts)

    def settles(self, handles: Mapping[str, Any]) -> timedelta | None:
        """Seven minutes where an id of Facebook's answers; never where there are only words to look for."""
        words_alone = handles.get("kind") == Kind.POST and not handles.get("photoIds")
        return None if words_alone else SETTLES

    def remote_id_in(self, url: str, account: Account) -> str | None:
        """The id in an address of a post, picture, video or reel; None for another Page's, where the address tells."""
        return remote_id_in(url, account)

    async def prepare(self, parcel: Parcel, save: SaveCheckpoint, outgoing: Outgoing) -> Mapping[str, Any]:
        """Uploads pictures unpublished, or the video, and puts down everything that publish() will say."""
        return await prepare_post(parcel, self._graph(parcel), save, outgoing, two_phase_text=self._two_phase_text)

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any], send: Send) -> Receipt:
        """The one call that puts it before people's eyes (pages "Page Feed", "Reels Publishing API", "Stories API").

        There is no key that makes a repeat harmless, and posts went live under errors of every kind, HTTP 500 among them
        (arsduo/koala issue 699), so all but a clear answer is Unconfirmed. Of a video, success is Facebook's word that
        it took the order; it makes the film afterwards.
        """
        answer = await send(_call(self._graph(parcel), handles))
        body = body_of(answer)
        if answer.status != 200 or body is None or "error" in body:
            raise error_of(answer, NAME, Doing.PUBLISHING, now=parcel.now, sent_before=parcel.doubted)
        if body.get("success") is True and Kind(handles["kind"]) in (Kind.REEL, Kind.VIDEO):
            # fbsamples/reels_publishing_apis: index.js; the answer only says that the wish was heard
            raise Unconfirmed(
                "Facebook has taken the video and makes it ready. Hayon looks until it is there.",
                http_status=answer.status,
            )
        receipt = _receipt_in(body, handles, parcel)
        if receipt is None:
            raise Unconfirmed(
                "Facebook answered, but neither named the post nor said that it is there, so it may or may not be live. "
                "Hayon looks before it does anything else.",
                http_status=answer.status,
            )
        return receipt

    async def reconcile(self, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
        """Asks after the ids of pictures, video or draft; goes through the Page's newest posts where there are only words."""
        if handles:
            return await look(parcel, handles, self._graph(parcel), outgoing, self._app.id)
        return await look_without_handles(parcel, recalled(parcel), self._graph(parcel), outgoing, self._app.id)

    async def locate(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> str | None:
        """The public address, as Facebook tells it; None where it does not. Reads only."""
        graph = self._graph_of(account, credential)
        try:
            body = await graph.ask(outgoing, graph.get(remote_id, fields="permalink_url"))
        except PlatformError:
            body = {}
        url = shown_at(account, body)
        if url is not None:
            return url
        try:
            stories = await stories_since(None, account.remote_id, graph, outgoing)
        except PlatformError:
            return None
        found = (shown_at(account, one, "url") for one in stories.entries if id_in(one, "post_id") == remote_id)
        return next(found, None)

    async def remove(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> bool:
        """Deletes the post, video or story (page "Pages API: Posts")."""
        return await self._graph_of(account, credential).remove(outgoing, remote_id)

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        """How many calls are left, as the headers tell it in percent."""
        return usage_told(answer, now)

    def _graph(self, parcel: Parcel) -> Graph:
        return replace(self._graph_of(parcel.account, parcel.credential), now=parcel.now)

    def _graph_of(self, account: Account, credential: Credential) -> Graph:
        secret = self._app.secret_for(credential)
        return Graph(account.host, self._version, token_of(credential), NAME, secret=secret)


def _call(graph: Graph, handles: Mapping[str, Any]) -> Request:
    """The request that publishes, made of the handles alone. What the author left open is left out."""
    page = handles["pageId"]
    match Kind(handles["kind"]):
        case Kind.POST:
            attached = {
                f"attached_media[{number}]": {"media_fbid": photo_id}
                for number, photo_id in enumerate(handles.get("photoIds", ()))
            }
            form = {"message": handles.get("message"), "link": handles.get("link"), **attached}
            return graph.post(f"{page}/feed", form)
        case Kind.DRAFT:
            return graph.post(handles["draftId"], {"is_published": True})
        case Kind.REEL:
            finish = {"upload_phase": "finish", "video_id": handles["videoId"], "video_state": "PUBLISHED"}
            return graph.post(f"{page}/video_reels", {**finish, "description": handles.get("description")})
        case Kind.VIDEO:
            finish = {"upload_phase": "finish", "upload_session_id": handles["sessionId"]}
            return video_graph(graph).post(f"{page}/videos", {**finish, "description": handles.get("description")})
        case Kind.PHOTO_STORY:
            return graph.post(f"{page}/photo_stories", {"photo_id": handles["photoIds"][0]})
        case Kind.VIDEO_STORY:
            finish = {"upload_phase": "finish", "video_id": handles["videoId"]}
            return graph.post(f"{page}/video_stories", finish)


def _receipt_in(body: Mapping[str, Any], handles: Mapping[str, Any], parcel: Parcel) -> Receipt | None:
    """The receipt in a good answer; None where it says neither which post it made nor that it did."""
    kind, account = Kind(handles["kind"]), parcel.account
    if kind is Kind.POST:
        remote_id = id_in(body)
        return Receipt(remote_id, public_url(account, remote_id), parcel.now) if remote_id else None
    if body.get("success") is not True:
        return None
    if kind is Kind.DRAFT:
        return Receipt(handles["draftId"], public_url(account, handles["draftId"]), parcel.now)
    media_id = handles["videoId"] if kind is Kind.VIDEO_STORY else handles["photoIds"][0]
    return Receipt(id_in(body, "post_id") or media_id, None, parcel.now)
