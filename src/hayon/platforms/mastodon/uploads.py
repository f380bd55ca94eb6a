"""Pictures and videos on their way to an instance: each handed over once, remembered in the checkpoint, asked after again.

A lost answer to an upload leaves a file that no post uses; the instance throws it away after a day.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import Any

from hayon.errors import NotYet, Rejected, Unavailable
from hayon.outgoing import Answer, Outgoing, Part, Stream
from hayon.platforms.contract import Parcel, ParcelMedia, SaveCheckpoint
from hayon.platforms.mastodon.answers import Doing, error_of, moment_of
from hayon.platforms.mastodon.instance import Instance

KEPT_FOR = timedelta(hours=20)
"""How long a file without a post is relied upon; the instance deletes it after a day.

mastodon: app/lib/vacuum/media_attachments_vacuum.rb
"""
LOOK_AGAIN_SECONDS = 5.0
FAILURES_BORNE = 3
"""How many answers 500 to one and the same file make it the file's fault, as they mostly are.

mastodon: app/controllers/api/v1/media_controller.rb
"""

Upload = Mapping[str, Any]
"""What the checkpoint holds of one file: `id` there, `uploadedAt` by our clock."""


async def upload_all(parcel: Parcel, instance: Instance, save: SaveCheckpoint, outgoing: Outgoing) -> list[Upload]:
    """Hands over every picture or video that is not there yet and returns all uploads, in the order of the post.

    Saves the checkpoint after each. Raises NotYet while the instance is still at work on one, Rejected where it cannot
    make anything of one.
    """
    files = _Files(parcel, instance, save, outgoing)
    progress = [await files.bring(one) for one in parcel.media]
    if _Progress.WORKING in progress:
        what = "the video" if any(one.media.is_video for one in parcel.media) else "the pictures"
        raise NotYet(f"{instance.host} is still preparing {what}.", wait_seconds=LOOK_AGAIN_SECONDS)
    return [files.uploads[str(one.media.id)] for one in parcel.media]


async def is_unused(instance: Instance, remote_id: str, outgoing: Outgoing) -> bool:
    """Whether the instance still shows a file to its uploader: it does so until a post holds it, or for a day.

    mastodon: app/controllers/api/v1/media_controller.rb
    """
    return (await _look_at(instance, remote_id, outgoing)).status != 404


class _Progress(Enum):
    READY = "ready"
    WORKING = "working"
    GONE = "gone"
    FAILED = "failed"


_ENDINGS = {"video/quicktime": "mov"}
_BY_STATUS = {200: _Progress.READY, 206: _Progress.WORKING, 404: _Progress.GONE, 422: _Progress.FAILED}


async def _look_at(instance: Instance, remote_id: str, outgoing: Outgoing) -> Answer:
    return await instance.ask(outgoing, instance.get("/api/v1/media", remote_id), welcome=_BY_STATUS)


class _Files:
    """The files of one parcel during one prepare(): `uploads` by our own media id, saved as they change."""

    def __init__(self, parcel: Parcel, instance: Instance, save: SaveCheckpoint, outgoing: Outgoing) -> None:
        self._parcel, self._instance, self._save_checkpoint, self._outgoing = parcel, instance, save, outgoing
        self.uploads: dict[str, Upload] = dict(parcel.checkpoint.get("uploads", {}))
        self._failures: dict[str, int] = dict(parcel.checkpoint.get("failures", {}))

    async def bring(self, one: ParcelMedia) -> _Progress:
        """Hands a file over where the instance does not have it, and says how far the instance is with it."""
        name = str(one.media.id)
        if name in self.uploads and self._is_relied_upon(self.uploads[name]):
            progress = await self._ask_after(name)
            if progress is not _Progress.GONE:
                return progress
        answer = await self._hand_over(one, name)
        self.uploads[name] = {
            "id": self._instance.read_id(answer),
            "uploadedAt": self._parcel.now.isoformat(),
        }
        await self._save()
        return _Progress.READY if answer.status == 200 else await self._ask_after(name)

    def _is_relied_upon(self, upload: Upload) -> bool:
        # Once a call was made with it, a post may hold it however old it is, so it has to be asked after.
        return self._is_young(upload) or self._parcel.first_sent_at is not None

    def _is_young(self, upload: Upload) -> bool:
        uploaded_at = moment_of(upload["uploadedAt"])
        return uploaded_at is not None and self._parcel.now - uploaded_at < KEPT_FOR

    async def _ask_after(self, name: str) -> _Progress:
        upload = self.uploads[name]
        answer = await _look_at(self._instance, upload["id"], self._outgoing)
        progress = _BY_STATUS[answer.status]
        if progress is _Progress.FAILED:
            del self.uploads[name]  # so that a person's retry begins anew
            await self._save()
            raise error_of(answer, self._instance.host, Doing.UPLOADING)
        if progress is _Progress.GONE and self._parcel.first_sent_at is not None and self._is_young(upload):
            # Too young to have been thrown away, and a call was made with it: a post may hold it. Uploaded anew it could
            # make a second post; under the same id the instance refuses the call, and a look finds the first one.
            return _Progress.READY
        return progress

    async def _hand_over(self, one: ParcelMedia, name: str) -> Answer:
        mime = one.media.mime
        ending = _ENDINGS.get(mime) or mime.partition("/")[2]
        content = Stream(one.media.size, one.stream) if one.media.is_video else await one.read()
        parts = [Part("file", content, filename=f"{name}.{ending}", mime=mime)]
        if one.alt_text:
            parts.append(Part("description", one.alt_text))
        request = self._instance.post("/api/v2/media", parts=parts)
        try:
            return await self._instance.ask(self._outgoing, request, doing=Doing.UPLOADING, welcome=(200, 202))
        except Unavailable as error:
            if error.http_status != 500 or not error.code:
                raise
            self._failures[name] = self._failures.get(name, 0) + 1
            await self._save()
            if self._failures[name] < FAILURES_BORNE:
                raise
            raise Rejected(
                f"{self._instance.host} failed over a picture or video {FAILURES_BORNE} times. "
                "Save it in another format, or use another one.",
                code=error.code,
                http_status=error.http_status,
            ) from error

    async def _save(self) -> None:
        await self._save_checkpoint({"uploads": dict(self.uploads), "failures": dict(self._failures)})
