"""A video on its way to the account's server: through the network's video service, or straight there where none is used.

The service makes it fit for showing and hands the finished film to the account's server itself, with a token that this
server gave us for it (bsky-docs: docs/advanced-guides/video.mdx; social-app: src/lib/media/video/upload.ts). Without
the service the film stands in the record as it is. Either way a repeat is harmless: the same bytes are the same film.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.model import Json
from hayon.errors import NotYet, PlatformError, RateLimited, Rejected, Unavailable
from hayon.outgoing import Answer, Outgoing, Request, Stream
from hayon.platforms.bluesky.answers import read_until
from hayon.platforms.bluesky.calls import ask, hand_over, is_blob, query, read_body, send_repeatable, upload
from hayon.platforms.bluesky.record import new_key
from hayon.platforms.contract import Parcel, ParcelMedia

LIVE_VIDEO_SERVICE = "https://video.bsky.app"
LOOK_AGAIN_SECONDS = 5.0
TOKEN_SECONDS = 1_800
"""How long the service may use the token for the account's server; the official app's own, an hour is the most."""
FAILURES_BORNE = 3
"""How many failures over one video make it the video's fault. Most go away when it is handed over anew."""
LONGEST_QUOTE = 300

Keep = Callable[[Json], Awaitable[None]]
"""Saves what is known of the video: `jobId` while the service is at work, `failures`, and `blob` in the end."""


class VideoUpload:
    """One video during one prepare(). `service` is the video service's address, None for none."""

    def __init__(self, parcel: Parcel, outgoing: Outgoing, service: str | None, keep: Keep) -> None:
        self._parcel = parcel
        self._outgoing = outgoing
        self._service = service
        self._keep = keep
        self._host = parcel.account.host
        self._token = str(parcel.credential.get("accessJwt", ""))

    async def bring(self, piece: ParcelMedia, kept: Json) -> Json:
        """The blob of the video, after saving each step. `kept` is what an earlier try saved of it.

        Raises NotYet while the service is at work, Rejected where it cannot make anything of the video.
        """
        content = Stream(piece.media.size, piece.stream)
        if self._service is None:
            request = upload(self._host, content, piece.media.mime, self._token)
            return await hand_over(self._outgoing, request, self._parcel.now)
        if "jobId" not in kept:
            job = await self._hand_over(self._service, piece, content, kept)
            if is_blob(blob := job.get("blob")):
                return blob
            kept = {**kept, "jobId": job["jobId"]}
            await self._keep(kept)
        return await self._ask_after(self._service, kept)

    async def _hand_over(self, service: str, piece: ParcelMedia, content: Stream, kept: Json) -> Json:
        """The job that the service begins, or the one that is done already for the same film."""
        await self._require_room(service, piece.media.size)
        server = self._parcel.account.facts.get("serverDid") or _web_did(self._host)
        expires_at = int(self._parcel.now.timestamp()) + TOKEN_SECONDS
        given = await self._service_token(
            {"aud": str(server), "lxm": "com.atproto.repo.uploadBlob", "exp": str(expires_at)}
        )
        mime = piece.media.mime
        name = f"{new_key(self._parcel.now, str(piece.media.id))}.{mime.partition('/')[2]}"
        request = Request(
            "POST",
            f"{service}/xrpc/app.bsky.video.uploadVideo",
            {"Authorization": f"Bearer {given}", "Content-Type": mime},
            query={"did": self._parcel.account.remote_id, "name": name},
            body=content,
        )
        answer = await send_repeatable(self._outgoing, request)
        job = _job_in(answer)
        # A film that is known already is answered as an error, 409 when it was last seen, with the job or blob beside it.
        if is_blob(job.get("blob")) or (isinstance(job.get("jobId"), str) and job["jobId"]):
            return job
        if known := self._known(answer, job):
            raise known
        if not (400 <= answer.status < 500 and job):  # in trouble, or something in front of it answered
            raise _out_of_order(answer, job)
        raise await self._failed(kept, answer, job)

    async def _ask_after(self, service: str, kept: Json) -> Json:
        request = query(service, "app.bsky.video.getJobStatus", {"jobId": kept["jobId"]})
        answer = await send_repeatable(self._outgoing, request)
        job = _job_in(answer)
        if is_blob(blob := job.get("blob")):  # whatever else it says: a film known before comes with an error
            return blob
        if answer.status == 200 and job:
            if job.get("state") != "JOB_STATE_FAILED":  # states nobody knows mean that it is at work
                raise NotYet("Bluesky is still preparing the video.", wait_seconds=LOOK_AGAIN_SECONDS)
        elif answer.status not in {400, 404} or not job:
            raise self._known(answer, job) or _out_of_order(answer, job)
        if (sentence := _PERMANENT.get(str(job.get("failureCode")))) is not None:
            await self._keep({})  # so that a person's retry begins anew
            raise Rejected(sentence, code=str(job["failureCode"]), proves_absence=True)
        raise await self._failed(kept, answer, job)

    async def _failed(self, kept: Json, answer: Answer, job: Json) -> PlatformError:
        """What a failure over this video means. The job is forgotten, so that the video is handed over anew."""
        failures = kept.get("failures", 0) + 1
        rest = FAILURES_BORNE - failures
        await self._keep({"failures": failures} if rest > 0 else {})
        if rest > 0:
            return _out_of_order(answer, job)
        return Rejected(
            f"Bluesky's video service failed over this video {FAILURES_BORNE} times{_said(answer, job)}. "
            "Export the video anew, or use another one.",
            code=_name(job),
            http_status=answer.status,
            proves_absence=True,
        )

    async def _require_room(self, service: str, size: int) -> None:
        """Raises where the service says that it takes no more from this account today; silence is no refusal.

        Source: atproto: lexicons/app/bsky/video/getUploadLimits.json.
        """
        try:
            token = await self._service_token({"aud": _web_did(service), "lxm": "app.bsky.video.getUploadLimits"})
        except Rejected:  # a server that gives no token for this service: whether it takes videos, it says itself
            return
        answer = await send_repeatable(self._outgoing, query(service, "app.bsky.video.getUploadLimits", {}, token))
        if answer.status != 200:
            return
        limits = _job_in(answer)
        left = limits.get("remainingDailyBytes"), limits.get("remainingDailyVideos")
        full = (isinstance(left[0], int) and left[0] < size) or (isinstance(left[1], int) and left[1] < 1)
        if limits.get("canUpload") is False or full:
            raise self._known(answer, limits) or _no_more(answer, limits, None)

    async def _service_token(self, parameters: Mapping[str, str]) -> str:
        """A token of the account's server for somebody else's use (atproto: lexicons/com/atproto/server/getServiceAuth.json)."""
        request = query(self._host, "com.atproto.server.getServiceAuth", parameters, self._token)
        token = (await ask(self._outgoing, request, self._parcel.now)).get("token")
        if not isinstance(token, str) or not token:
            raise Unavailable("The Bluesky server gave no token for the video service.", proves_absence=True)
        return token

    def _known(self, answer: Answer, job: Json) -> PlatformError | None:
        """The error for an answer of the service that says what is wrong; None for any other."""
        name = _name(job)
        if answer.status == 413:
            name = "VideoTooLarge"
        if name in _PERMANENT:
            return Rejected(_PERMANENT[name], code=name, http_status=answer.status, proves_absence=True)
        if answer.status == 429 or name in {"DailyLimitExceeded", "TooManyOpenUploads"}:
            return _no_more(answer, job, read_until(answer, self._parcel.now))
        return None


_ANOTHER = "Use a smaller or shorter one."
_PERMANENT = {
    "unconfirmed_email": (
        "Bluesky takes videos only from accounts whose e-mail address is confirmed. "
        "Confirm yours in the Bluesky app, then try again."
    ),
    "validation_failure": "Bluesky's video service does not take this video. Export it anew as an MP4, or use another one.",
    "pds_upload_unsupported_blob_size": f"The video is too large for this account's Bluesky server. {_ANOTHER}",
    "VideoTooLarge": f"The video is too large for Bluesky. {_ANOTHER}",
    "VideoTooLong": f"The video is too long for Bluesky. {_ANOTHER}",
    "BadAspectRatio": "Bluesky does not take videos of this shape. Use one that is less narrow or less wide.",
    "UnsupportedContentType": "Bluesky does not take videos of this kind. Export it as an MP4.",
    "UploadForbidden": "Bluesky does not let this account publish videos. Ask Bluesky's support.",
}
"""Failure codes (atproto: lexicons/app/bsky/video/defs.json), names of errors (…/startUpload.json, issue 3097)."""


def _job_in(answer: Answer) -> Json:
    """What the service tells of a job, bare or wrapped, since it does both (atproto: issue 3097); empty for no object."""
    try:
        body = read_body(answer)
    except Unavailable:
        return {}
    job = body.get("jobStatus", body)
    return job if isinstance(job, dict) else {}


def _name(job: Json) -> str:
    name = job.get("error")
    return name[:LONGEST_QUOTE] if isinstance(name, str) else ""


def _said(answer: Answer, job: Json) -> str:
    words: Any = job.get("message") or job.get("error")
    if not isinstance(words, str):
        return f" (HTTP {answer.status})"
    return f' ("{"".join(sign if sign.isprintable() else " " for sign in words)[:LONGEST_QUOTE].strip()}")'


def _out_of_order(answer: Answer, job: Json) -> Unavailable:
    return Unavailable(
        f"Bluesky's video service did not take or prepare the video{_said(answer, job)}. "
        "Nothing was published; it is tried again later.",
        code=_name(job),
        http_status=answer.status,
        proves_absence=True,
    )


def _no_more(answer: Answer, job: Json, until: datetime | None) -> RateLimited:
    return RateLimited(
        f"Bluesky takes no more videos from this account for the moment{_said(answer, job)}. "
        "It goes on by itself when the limit has passed.",
        until=until,
        code=_name(job),
        http_status=answer.status,
        proves_absence=True,
    )


def _web_did(address: str) -> str:
    """The identity of a service at this address (atproto-website: specs/did, did:web); a port is written with %3A."""
    return f"did:web:{urlsplit(address).netloc.rpartition('@')[2].replace(':', '%3A')}"
