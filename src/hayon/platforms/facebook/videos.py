"""A video on its way to a Page: begun, handed over from where it stopped, and waited for. What shows it is `publish`.

Facebook names a video before it has a byte of it. That id goes into the checkpoint before the first byte does, so that a
try that stopped is continued, and a lost answer to the last call is settled by asking after this very video.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hayon.domain.model import Json
from hayon.errors import NotYet, PlatformError, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Part, Request, Stream
from hayon.platforms.contract import Parcel, ParcelMedia, SaveCheckpoint
from hayon.platforms.facebook.addresses import trusted_upload, video_graph
from hayon.platforms.facebook.films import FilmState
from hayon.platforms.facebook.tape import Tape
from hayon.platforms.meta.graph import GONE, Doing, Graph, error_of
from hayon.platforms.meta.reading import body_of, id_in, moment_of

KEPT_FOR = timedelta(hours=20)
"""How long a video that was begun and not published is relied upon; no page says how long Facebook keeps one."""
LOOK_AGAIN_SECONDS = 5.0
FAILURES_BORNE = 2
"""How many failures over one video make it the video's fault."""
CORRECTIONS_BORNE = 3
"""How often in one try Facebook may name another place to go on from."""
_OFFSET_CORRECTED = 1363037
"""The answer to a part that is not the next one, with the place to go on from (facebookarchive/php-graph-sdk issue 821)."""
_SESSIONS_LOST = (1363033, 1363041)
_INTERRUPTED = ("offsetinvaliderror", "partialrequesterror")


class Videos:
    """The video of one parcel during one prepare(): what is known of it is saved as it changes."""

    def __init__(self, parcel: Parcel, graph: Graph, save: SaveCheckpoint, outgoing: Outgoing) -> None:
        self._parcel, self._graph, self._save_checkpoint, self._outgoing = parcel, graph, save, outgoing
        self._kept: Json = dict(parcel.checkpoint.get("video", {}))
        self._page = parcel.account.remote_id

    async def bring_whole(self, one: ParcelMedia, edge: str) -> str:
        """The id of a reel's or story's video that is ready to be published. `edge`: video_reels or video_stories.

        Sent in one piece from where Facebook has it. Raises NotYet while Facebook is at work on it, Rejected where it
        fails over it again and again.
        """
        state = await self._resume()
        if state is None:
            body = await self._begin(edge, {"upload_phase": "start"})
            await self._keep({"id": self._id_in(body), "uploadUrl": body.get("upload_url")})
        if not self._kept.get("handedOver") and not (state and state.uploaded):
            await self._hand_over(one, (state.received if state else 0) or 0)
            state = None
        if state is None:
            state = await self._look()
            await self._require_sound(state)
        if not state.uploaded or state.working:
            raise NotYet("Facebook is still preparing the video.", wait_seconds=LOOK_AGAIN_SECONDS)
        return str(self._kept["id"])

    async def bring_in_parts(self, one: ParcelMedia) -> tuple[str, str]:
        """The id and the upload session of a video that Facebook has whole, sent in the parts that it asks for."""
        graph, size = video_graph(self._graph), one.media.size
        try:
            state = await self._resume()
        except Unavailable as error:
            if error.code != GONE:
                raise
            state = None  # not shown before it is whole; where to go on stands in the checkpoint
        if state is None and "id" not in self._kept:
            body = await self._begin("videos", {"upload_phase": "start", "file_size": size}, graph)
            session = id_in(body, "upload_session_id")
            if session is None:
                raise _misread()
            await self._keep({"id": self._id_in(body), "sessionId": session, **_offsets_in(body)})
        elif state is not None and state.uploaded:
            await self._keep({"start": size, "end": size})
        elif state is not None and state.received is not None and state.received != self._kept["start"]:
            span = self._kept["end"] - self._kept["start"]
            await self._keep({"start": state.received, "end": min(state.received + span, size)})
        tape = Tape(one)
        try:
            await self._send_parts(tape, graph, size)
        finally:
            await tape.aclose()
        return str(self._kept["id"]), str(self._kept["sessionId"])

    async def _resume(self) -> FilmState | None:
        """How far Facebook is with the video of an earlier try; None where a new one has to be begun."""
        if "id" not in self._kept or not self._is_relied_upon():
            self._kept = {"failures": self._kept.get("failures", 0)}
            return None
        state = await self._look()
        await self._require_sound(state)
        return state

    def _is_relied_upon(self) -> bool:
        # Once a call was made with it, it may be live however old it is: Facebook says what became of it.
        begun_at = moment_of(self._kept.get("begunAt"))
        young = begun_at is not None and self._parcel.now - begun_at < KEPT_FOR
        return young or self._parcel.first_sent_at is not None

    async def _begin(self, edge: str, form: Mapping[str, Any], graph: Graph | None = None) -> Mapping[str, Any]:
        graph = graph or self._graph
        request = graph.post(f"{self._page}/{edge}", form)
        self._kept["begunAt"] = self._parcel.now.isoformat()
        return await self._graph.ask(self._outgoing, request, doing=Doing.PREPARING)

    def _id_in(self, body: Mapping[str, Any]) -> str:
        video_id = id_in(body, "video_id")
        if video_id is None:
            raise _misread()
        return video_id

    async def _look(self) -> FilmState:
        request = self._graph.get(str(self._kept["id"]), fields="status")
        return FilmState.of(await self._graph.ask(self._outgoing, request))

    async def _require_sound(self, state: FilmState) -> None:
        if state.failed:
            raise await self._failed(state.words)

    async def _failed(self, words: str, code: str = "") -> PlatformError:
        """What a failure over this video means. The video is forgotten, so that it is handed over anew."""
        failures = int(self._kept.get("failures", 0)) + 1
        last = failures >= FAILURES_BORNE
        self._kept = {}
        await self._keep({} if last else {"failures": failures})  # a person's retry begins anew
        said = f' ("{words}")' if words else ""
        if last:
            return Rejected(
                f"Facebook failed over this video {FAILURES_BORNE} times{said}. Export it anew, or use another one.",
                code=code,
            )
        return Unavailable(f"Facebook failed over the video{said}. It is handed over anew.", code=code)

    async def _keep(self, changes: Json) -> None:
        self._kept = {**self._kept, **changes}
        await self._save_checkpoint({"video": dict(self._kept)})

    async def _hand_over(self, one: ParcelMedia, offset: int) -> None:
        """Sends the file from this place on to the address that Facebook named."""
        size = one.media.size
        if offset < size:
            tape = Tape(one)
            request = Request(
                "POST",
                trusted_upload(self._kept.get("uploadUrl"), self._graph.address),
                {"Authorization": f"OAuth {self._graph.token}", "offset": str(offset), "file_size": str(size)},
                body=Stream(size - offset, lambda: tape.read(offset, size - offset)),
            )
            try:
                answer = await _send(self._outgoing, request)
            finally:
                await tape.aclose()
            await self._read_handed_over(answer)
        await self._keep({"handedOver": True})

    async def _read_handed_over(self, answer: Answer) -> None:
        body = body_of(answer)
        if answer.status == 200 and body is not None and body.get("success") is True:
            return
        fault = body.get("debug_info") if body is not None else None
        if isinstance(fault, Mapping):
            kind = str(fault.get("type", "")).lower()
            if kind in _INTERRUPTED:
                raise Unavailable("Facebook has a part of the video only. The rest is sent at the next try.", code=kind)
            if kind == "processingfailederror":
                raise await self._failed("", kind)
        raise error_of(answer, "Facebook", Doing.PREPARING, now=self._parcel.now, sent_before=False)

    async def _send_parts(self, tape: Tape, graph: Graph, size: int) -> None:
        corrections = 0
        while self._kept["start"] < self._kept["end"]:
            start, end = self._kept["start"], self._kept["end"]
            if end > size:
                raise _misread()
            answer = await _send(self._outgoing, self._part(tape, graph, start, end - start))
            body = body_of(answer)
            fault = body.get("error") if body is not None else None
            if isinstance(fault, Mapping) and fault.get("error_subcode") == _OFFSET_CORRECTED:
                corrections += 1
                data = fault.get("error_data")
                if not isinstance(data, Mapping) or corrections > CORRECTIONS_BORNE:
                    raise error_of(answer, "Facebook", Doing.PREPARING, now=self._parcel.now, sent_before=False)
                await self._keep(_offsets_in(data))
            elif answer.status == 200 and body is not None and fault is None:
                offsets = _offsets_in(body)
                if offsets["start"] <= start:
                    raise _misread()
                await self._keep(offsets)
            else:
                if isinstance(fault, Mapping) and fault.get("error_subcode") in _SESSIONS_LOST:
                    self._kept = {"failures": self._kept.get("failures", 0)}
                    await self._keep({})
                    raise Unavailable("Facebook gave up this upload. The video is handed over anew.")
                raise error_of(answer, "Facebook", Doing.PREPARING, now=self._parcel.now, sent_before=False)

    def _part(self, tape: Tape, graph: Graph, start: int, length: int) -> Request:
        fields = {"upload_phase": "transfer", "upload_session_id": self._kept["sessionId"], "start_offset": str(start)}
        chunk = Stream(length, lambda: tape.read(start, length))
        parts = [
            *(Part(name, str(value)) for name, value in fields.items()),
            Part("video_file_chunk", chunk, filename="part.mp4", mime="application/octet-stream"),
        ]
        return Request("POST", graph.url(f"{self._page}/videos"), graph.headers, graph.proof, parts=parts)


async def _send(outgoing: Outgoing, request: Request) -> Answer:
    """Sends what may be repeated without harm and may take as long as its size wants."""
    try:
        return await outgoing.send(request)
    except Unconfirmed as error:
        raise Unavailable("Facebook did not take all of the video. It goes on from there at the next try.") from error


def _offsets_in(body: Mapping[str, Any]) -> dict[str, int]:
    """Where the next part begins and ends; the same place twice where none is wanted."""
    found = {name: str(body.get(f"{name}_offset", "")) for name in ("start", "end")}
    if not all(value.isascii() and value.isdecimal() and len(value) < 16 for value in found.values()):
        raise _misread()
    return {name: int(value) for name, value in found.items()}


def _misread() -> Unavailable:
    return Unavailable("Facebook's answer about the video could not be read. It is tried again later.")
