"""How Threads and Instagram publish: a container is made, watched until it is ready, and published by its id.

What a container holds, and what a list shows of it, each platform says for itself.
"""

import hashlib
import json
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hayon.domain.model import Account, Content, Fitting, Json, Media, Receipt
from hayon.errors import Disconnected, NotYet, PlatformError, Problem, Rejected, Unavailable, Unconfirmed, Unreachable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Absent, Credential, Found, Look, Parcel, ParcelMedia, SaveCheckpoint, Send, Unclear
from hayon.platforms.meta.graph import Graph, Listing, failure_of, published_id, token_of
from hayon.platforms.meta.reading import id_in, moment_of

RELIED_UPON = timedelta(hours=23)
"""How long a container is used; after 24 hours it expires (Threads API Troubleshooting, "EXPIRED")."""
REBUILDS = 3
"""How often containers are made anew as soon as they failed."""
FETCHES = 3
"""How often a platform may fail to fetch a file before a person is told to mend it."""
AFTER_A_CALL = timedelta(seconds=30)
"""How long a container rests after a call that was refused: mostly it was not ready on every server of theirs."""
NOT_FOUND_YET = timedelta(minutes=3)
"""How long a container that was just made may be unknown to its maker."""
LONGEST_WAIT_SECONDS = 60.0
WIDEST_VIDEO = 1920
BEFORE, AFTER = timedelta(minutes=5), timedelta(minutes=15)
"""How far from the making of its container, and from the call that published it, a post's own time may be."""
PREFIX = "container:"
"""Begins the id of a post that is live but could not be told from others like it: the container's own id follows."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One container to be made: its form without the file's address, and the file."""

    form: Mapping[str, Any]
    media: ParcelMedia | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All containers of a post: the one that is published, before it those it gathers, and how lists show it.

    `types` are the `media_type` it may have in a list, `listing` the path of that list under the account.
    `first_look_seconds`: how long after it was made a container is asked after.
    """

    main: Draft
    children: tuple[Draft, ...]
    types: tuple[str, ...]
    listing: str
    first_look_seconds: float


class Containers(ABC):
    """The publishing face that Threads and Instagram share. Constructed with the API's address and version.

    `resend`: what was sent without an answer, whose container says long after that it is not published, and which is in
    no list, is published once more from the same container; otherwise a person is asked.
    """

    platform: str
    name: ClassVar[str]
    making: ClassVar[str]
    """Under the account's path, where containers are made; and where they are published."""
    publishing: ClassVar[str]
    status_fields: ClassVar[tuple[str, str]]
    """The fields of a container that hold its status, and the words of its failure."""
    text_field: ClassVar[str]
    settles_within: timedelta | None = timedelta(seconds=420)
    """A container's status and the lists lag behind; another publisher found seven minutes to be enough."""
    fetches_media = True
    has_quota = True

    def __init__(self, address: str, version: str, *, resend: bool = False) -> None:
        self.address = address
        self.version = version
        self._resend = resend

    @abstractmethod
    def plan(self, parcel: Parcel) -> Plan:
        """What containers this post needs."""

    @abstractmethod
    def fitting(self, options: Mapping[str, Any]) -> Fitting:
        """What pictures have to be."""

    def plain(self, text: str) -> str:
        """Words as they compare with those in a list."""
        return " ".join(unicodedata.normalize("NFC", text).split())

    def settles(self, handles: Mapping[str, Any]) -> timedelta | None:
        """The same for every post."""
        return self.settles_within

    async def prepare(self, parcel: Parcel, save: SaveCheckpoint, outgoing: Outgoing) -> Mapping[str, Any]:
        """Makes the containers that are not there yet and asks after them. Raises NotYet while one is not ready."""
        return await _Making(self, parcel, save, outgoing).run()

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any], send: Send) -> Receipt:
        """The one call, with the container's id. No platform says what a second one does, so it counts as another post.

        The answer holds no address: locate() asks for it. A container that was found published while it was prepared is
        not sent: Unconfirmed, so that reconcile finds its post.
        """
        if handles.get("published"):
            raise Unconfirmed(f"{self.name} says that this was published already. Hayon looks for it.")
        request = self.graph(parcel.account, parcel.credential).post(
            f"{handles['user']}/{self.publishing}", {"creation_id": handles["container"]}
        )
        remote_id = published_id(await send(request), self.name, now=parcel.now, sent_before=parcel.doubted)
        return Receipt(remote_id, None, parcel.now)

    async def reconcile(self, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
        """Asks the container, then the account's list. Reads only.

        PUBLISHED proves that it is live; which post of the list it is, likeness tells. Without it, likeness is all there
        is, and that nothing is listed proves nothing.
        """
        try:
            return await self._look(parcel, handles, outgoing)
        except Unreachable as error:
            error.proves_absence = False  # it proves that the question was not sent, not that the post was not
            raise

    async def locate(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> str | None:
        """The post's `permalink`. None for one whose id is not known, and where it is withheld (flagged for copyright)."""
        if ":" in remote_id:
            return None
        graph = self.graph(account, credential)
        return _address_in(await graph.ask(outgoing, graph.get(remote_id, fields="permalink")))

    def graph(self, account: Account, credential: Credential, now: datetime | None = None) -> Graph:
        """The API as an account speaks to it. Raises Disconnected where no token is kept."""
        return Graph(account.host, self.version, token_of(credential), self.name, now)

    async def status_of(self, graph: Graph, container: str, outgoing: Outgoing) -> tuple[str, str]:
        """What a container says of itself: its status, and of a failure the words. Raises Unavailable where it says neither."""
        body = await graph.ask(outgoing, graph.get(container, fields=",".join(self.status_fields)))
        status, words = (body.get(name) for name in self.status_fields)
        if status not in _STATUSES:
            raise Unavailable(
                f"{self.name} does not say how far it is with what was prepared. It is asked again later."
            )
        return str(status), words if isinstance(words, str) else ""

    async def _look(self, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
        if parcel.first_sent_at is None:
            return Unclear("It is not known when the post was sent, so nothing can be concluded from what is live.")
        graph = self.graph(parcel.account, parcel.credential, parcel.now)
        handles = handles or self._recalled(parcel)
        try:
            status, _ = (
                await self.status_of(graph, handles["container"], outgoing)
                if "container" in handles
                else ("nothing", "")
            )
        except Unavailable as error:
            if not _is_unknown(error):
                raise
            status = "GONE"
        try:
            listing = await self._alike(graph, parcel, handles, outgoing)
        except (Rejected, Disconnected):
            if status != "PUBLISHED":
                raise
            listing = Listing([], whole=False)  # it is live all the same
        only = listing.entries[0] if listing.whole and len(listing.entries) == 1 else None
        if status == "PUBLISHED":
            nameless = Receipt(PREFIX + handles["container"], None, parcel.now)
            return Found(nameless if only is None else _receipt_in(only, parcel.now), exact=True)
        if only is not None and handles["listing"] != _STORIES:
            return Found(_receipt_in(only, parcel.now))
        if self._resend and status == "FINISHED" and listing.whole and not listing.entries and "again" not in handles:
            return Absent(f"{self.name} has not published it, and lists nothing like it.")
        return Unclear(_UNCLEAR.format(name=self.name, status=status, count=len(listing.entries)))

    def _recalled(self, parcel: Parcel) -> Json:
        """Handles after a backup was restored. A container from before may not be the one that was published since."""
        plan, kept, sent_at = self.plan(parcel), parcel.checkpoint, parcel.first_sent_at or parcel.now
        return {
            "user": parcel.account.remote_id,
            **({"container": kept["container"]} if kept.get("container") else {}),
            "since": min(sent_at, moment_of(kept.get("since")) or sent_at).isoformat(),
            "again": parcel.now.isoformat(),  # up to now it may have gone out
            "text": parcel.content.text,
            "types": list(plan.types),
            "listing": plan.listing,
        }

    async def _alike(self, graph: Graph, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Listing:
        """Posts of the account that may be this one: of its kind, made about then, saying the same."""
        by_text, words = handles["listing"] != _STORIES, self.plain(handles["text"])
        if by_text and not words:
            return Listing([], whole=False)  # posts without words are all alike
        fields = ["id", "media_type", "timestamp", "permalink", *([self.text_field] if by_text else [])]
        since = (moment_of(handles["since"]) or parcel.now) - BEFORE
        until = max(filter(None, (parcel.first_sent_at, moment_of(handles.get("again"))))) + AFTER
        path = f"{handles['user']}/{handles['listing']}"
        listing = await graph.listed(outgoing, path, since=since, stamp="timestamp", fields=",".join(fields))
        alike = [
            one for one in listing.entries
            if one.get("media_type") in handles["types"]
            and (moment_of(one.get("timestamp")) or since) <= until
            and (not by_text or self.plain(str(one.get(self.text_field) or "")) == words)
        ]  # fmt: skip
        return Listing(alike, listing.whole)


_STATUSES = frozenset({"IN_PROGRESS", "FINISHED", "PUBLISHED", "ERROR", "EXPIRED"})
_STORIES = "stories"
_UNCLEAR = (
    "{name} says of what was prepared for this post: {status}. {count} posts like it are listed, so it cannot be told whether it is "
    "live."
)


class _Broken(Exception):
    """A container that will never be published; `error` says why."""

    def __init__(self, error: PlatformError) -> None:
        super().__init__(error.message)
        self.error = error


class _Making:
    """One walk from a parcel to its handles. Each container is saved before the next is made; a later walk goes on there.

    The checkpoint holds: `of`, what the containers were made from; `since`, when the first was made, `madeAt` the newest;
    `children`, how many of them are `ready`; `container`; how often all was made anew (`rebuilds`) and a file could not
    be `fetched`.
    """

    def __init__(self, face: Containers, parcel: Parcel, save: SaveCheckpoint, outgoing: Outgoing) -> None:
        self._face, self._parcel, self._save, self._outgoing = face, parcel, save, outgoing
        self._plan, self._graph = face.plan(parcel), face.graph(parcel.account, parcel.credential, parcel.now)
        self._sent_before = parcel.doubted
        self._of = _fingerprint(parcel)
        self._done: Json = dict(parcel.checkpoint) if parcel.checkpoint.get("of") == self._of else {"of": self._of}

    async def run(self) -> Mapping[str, Any]:
        while True:
            try:
                return await self._walk()
            except _Broken as broken:
                await self._make_room(broken.error)

    async def _walk(self) -> Mapping[str, Any]:
        if not self._sent_before and "since" in self._done and self._age("since") > RELIED_UPON:
            raise _Broken(self._face_says("what was prepared for it is about to expire"))
        if "container" not in self._done:
            for draft in self._plan.children[len(self._done.get("children", [])) :]:
                made = await self._make(draft, {})
                await self._keep_made(children=[*self._done.get("children", []), made])
            for child in self._done.get("children", [])[self._done.get("ready", 0) :]:
                await self._watch(child)
                self._done["ready"] = self._done.get("ready", 0) + 1
            gathered = {"children": ",".join(self._done["children"])} if self._plan.children else {}
            await self._keep_made(container=await self._make(self._plan.main, gathered))
        published = await self._watch(self._done["container"]) == "PUBLISHED"
        return {
            "user": self._parcel.account.remote_id,
            "container": self._done["container"],
            "since": self._done["since"],
            "text": self._parcel.content.text,
            "types": list(self._plan.types),
            "listing": self._plan.listing,
            **({"published": True} if published else {}),
            **({"again": self._parcel.now.isoformat()} if self._parcel.first_sent_at is not None else {}),
        }

    async def _make(self, draft: Draft, more: Mapping[str, Any]) -> str:
        form = {**draft.form, **more}
        if draft.media is not None:
            video = draft.media.media.is_video
            file = draft.media if video else await draft.media.fit(self._face.fitting(self._parcel.content.options))
            form["video_url" if video else "image_url"] = await file.address()
        try:
            return await self._graph.make(self._outgoing, f"{self._parcel.account.remote_id}/{self._face.making}", form)
        except Unavailable as error:
            if "2207052" not in error.code:
                raise
            await self._count_fetch(error)
            raise

    async def _count_fetch(self, error: Unavailable) -> None:
        """Raises Rejected when a file could not be fetched too often: then somebody has to open the way to it."""
        fetched = self._done.get("fetched", 0) + 1
        await self._keep(fetched=fetched % FETCHES)  # a person's retry begins anew
        if fetched == FETCHES:
            raise Rejected(error.message, code=error.code, http_status=error.http_status) from error

    async def _watch(self, container: str) -> str:
        """FINISHED or PUBLISHED. Raises NotYet while the platform is at work on it, _Broken where it gave it up."""
        age, first = self._age("madeAt"), timedelta(seconds=self._plan.first_look_seconds)
        sent_at = self._parcel.first_sent_at
        if sent_at is not None and self._parcel.now - sent_at < AFTER_A_CALL:
            await self._wait(sent_at + AFTER_A_CALL - self._parcel.now)
        if age < first:
            await self._wait(first - age)
        try:
            status, words = await self._face.status_of(self._graph, container, self._outgoing)
        except Unavailable as error:
            if _is_unknown(error) and age > NOT_FOUND_YET:
                raise _Broken(error) from error
            raise
        if status == "IN_PROGRESS":
            # about as long as it took so far: 5, 10, 20, 40 s, then every minute
            await self._wait(min(max(age, first), timedelta(seconds=LONGEST_WAIT_SECONDS)))
        if status == "ERROR":
            raise _Broken(failure_of(words, self._face.name))
        if status == "EXPIRED":
            raise _Broken(self._face_says("what was prepared for it has expired"))
        return status

    async def _make_room(self, error: PlatformError) -> None:
        """Forgets the containers, so that the walk can begin anew. Raises what they failed of where that is of no use.

        An error that will not pass is raised at once; one that may pass once three new ones failed too, and from then on
        there is one for each step of the ladder. After a call that publishes nothing is made anew but what has expired:
        that was never published.
        """
        if self._sent_before and "expired" not in error.code:
            raise Rejected(
                f"{self._face.name} can no longer publish what was prepared, and it was asked to once. Look at the profile: if the "
                f"post is not there, make it anew. It says: {error.message}",
                code=error.code,
            )
        rebuilds = self._done.get("rebuilds", 0)
        passing = isinstance(error, Unavailable)
        self._done = {"of": self._of}
        await self._keep(**({"rebuilds": min(rebuilds + 1, REBUILDS)} if passing else {}))
        if not passing or rebuilds >= REBUILDS:
            raise error

    def _face_says(self, what: str) -> Unavailable:
        return Unavailable(f"{self._face.name} does not publish the post: {what}. It is prepared anew.", code="expired")

    async def _wait(self, length: timedelta) -> None:
        if self._done.get("ready", 0) != self._parcel.checkpoint.get("ready", 0):
            await self._keep()
        raise NotYet(f"{self._face.name} is still preparing the post.", wait_seconds=length.total_seconds())

    def _age(self, since: str) -> timedelta:
        return self._parcel.now - (moment_of(self._done.get(since)) or self._parcel.now)

    async def _keep_made(self, **made: Any) -> None:
        now = self._parcel.now.isoformat()
        await self._keep(**{"since": now, **self._done, **made, "madeAt": now})

    async def _keep(self, **steps: Any) -> None:
        self._done = {**self._done, **steps}
        await self._save(self._done)


def too_wide(content: Content, media: Sequence[Media], name: str, platform: str) -> list[Problem]:
    """Videos of more columns than Meta takes; how high they are does not matter."""
    wide = {one.id: one.width for one in media if one.is_video and one.width and one.width > WIDEST_VIDEO}
    return [
        Problem(
            f"mediaItems[{index}]", "too_wide",
            f"{name} takes videos up to {WIDEST_VIDEO} pixels wide; this one has {wide[use.media_id]}. Export it smaller.", platform,
        )
        for index, use in enumerate(content.media) if use.media_id in wide
    ]  # fmt: skip


def _fingerprint(parcel: Parcel) -> str:
    """What containers are made from, but for addresses of files, which change."""
    said = parcel.content
    media = [[str(one.media.id), one.alt_text] for one in parcel.media]
    whole = json.dumps([parcel.account.remote_id, said.text, dict(said.options), media], sort_keys=True)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_unknown(error: Unavailable) -> bool:
    """Whether a container is said not to be there; unlike 100/33, which is said by mistake too."""
    return error.code.partition("/")[0] == "24"


def _address_in(post: Mapping[str, Any]) -> str | None:
    link = post.get("permalink")
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else None


def _receipt_in(post: Mapping[str, Any], otherwise: datetime) -> Receipt:
    return Receipt(id_in(post) or "", _address_in(post), moment_of(post.get("timestamp")) or otherwise)
