"""Files of a post: each part of the form belongs to one media object and each object to a part, or to an earlier upload.

Pictures are looked at within the call. A video is taken and transcoded afterwards, one at a time for a user. Sizes are
those of tumblr/docs api.md. A file that cannot be read is what the documents call an unknown upload error.
"""

import math
from typing import Any
from urllib.parse import urlsplit

from hayon.sandbox.gate import Call
from hayon.sandbox.model import Account
from hayon.sandbox.sniffing import clip_of, measure, sniff
from hayon.sandbox.tumblr.blog import Block, Upload, tumblr_of
from hayon.sandbox.tumblr.keys import new_text
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.tumblr.npf import is_address
from hayon.sandbox.tumblr.wire import MEDIA_FORMAT, File, error, invalid

PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")
VIDEOS = ("video/mp4", "video/quicktime")
WIDTH, HEIGHT = 540, 405
"""What a media object without measures is taken to have."""
PICTURE_FAILED = 8006
VIDEO_FAILED = 8009


class Desk:
    """Takes in what one request brings. Nothing is kept before the request is found good: see `keep`."""

    def __init__(self, call: Call, account: Account, files: list[File]) -> None:
        self._call = call
        self._account = account
        self._files = {one.name: one for one in files}
        if len(self._files) != len(files):
            raise invalid("Two parts of the form have the same name")
        self._limits = call.world.limits.of(TumblrLimits)
        self._contents: dict[str, bytes] = {}
        self.uploads: list[Upload] = []
        self.used: list[str] = []
        """The digests of all media of the post, in their order."""
        self.warnings: list[str] = []

    @property
    def video(self) -> Upload | None:
        """The video that was uploaded, if one was."""
        return next((one for one in self.uploads if one.is_video), None)

    def place(self, given: dict[str, Any], video: bool) -> Block:
        """The media object as it is kept."""
        if "identifier" in given:
            upload = self._taken(given["identifier"], given.get("type"), video=video)
        else:
            upload = self._known(given)
        if upload.is_video is not video:
            raise invalid(f"{upload.mime_type} is no {'video' if video else 'image'}")
        width, height = given.get("width", WIDTH), given.get("height", HEIGHT)
        if not math.isclose(width / height, upload.width / upload.height, rel_tol=0.02):
            self.warnings.append(
                f"file {len(self.used) + 1} is said to be {width} by {height} and is {upload.width} by {upload.height}"
            )
        self.used.append(upload.digest)
        return {"media_key": upload.media_key, "type": upload.mime_type, "width": width, "height": height}

    def close(self) -> None:
        """Refuse what was sent and belongs nowhere."""
        if self._files:
            raise invalid(f"No block names the part '{min(self._files)}'")

    def keep(self) -> None:
        """Keep the bytes of what was uploaded; the events that make it known are the caller's."""
        for digest, content in self._contents.items():
            self._call.world.files.put(content, digest)

    def _known(self, given: dict[str, Any]) -> Upload:
        address: str = given.get("url", "")
        named = given.get("media_key") or (urlsplit(address).path.rpartition("/")[2] if is_address(address) else "")
        if not named:
            raise invalid("A media object must have an 'identifier', a 'media_key' or a 'url'")
        upload = tumblr_of(self._call.world).find_upload(self._account.account_id, named)
        if upload is None:
            raise invalid("A media object names a file that is not there")
        return upload

    def _taken(self, identifier: str, declared: str | None, *, video: bool) -> Upload:
        file = self._files.pop(identifier, None)
        if file is None:
            raise invalid(f"No part of the form, or no further one, is the file '{identifier}'")
        kind = sniff(file.content)
        if kind is None or kind not in (VIDEOS if video else PICTURES):
            raise error(400, f"The file '{identifier}' is of a kind that is not taken", MEDIA_FORMAT)
        for said in (declared, file.declared):
            if said and said.replace("/jpg", "/jpeg") not in (kind, "application/octet-stream"):
                raise error(400, f"The file '{identifier}' is {kind}, and not {said}", MEDIA_FORMAT)
        upload = self._clip(file, kind) if video else self._picture(file, kind)
        self.uploads.append(upload)
        return upload

    def _picture(self, file: File, kind: str) -> Upload:
        if len(file.content) > self._limits.image_size:
            raise error(400, f"The file '{file.name}' is too large", MEDIA_FORMAT)
        digest = self._call.world.files.digest(file.content)
        measures = measure(file.content, digest)
        if measures is None or self._call.met.find("failed_media"):
            raise error(500, "Unknown upload error", PICTURE_FAILED)
        return self._upload(file, kind, digest, measures.width, measures.height, None)

    def _clip(self, file: File, kind: str) -> Upload:
        if len(file.content) > self._limits.video_size:
            raise error(400, f"The file '{file.name}' is too large", MEDIA_FORMAT)
        clip, failed = clip_of(file.content), self._call.met.find("failed_media")
        if clip is None or (failed and not failed.seconds):
            raise error(500, "Unknown upload error", VIDEO_FAILED)
        if clip.seconds > self._limits.video_seconds:
            raise error(400, f"The file '{file.name}' is too long", MEDIA_FORMAT)
        digest = self._call.world.files.digest(file.content)
        return self._upload(file, kind, digest, clip.width, clip.height, clip.seconds)

    def _upload(self, file: File, kind: str, digest: str, width: int, height: int, seconds: float | None) -> Upload:
        key = f"{digest[:32]}:{new_text(16).lower()}"
        self._contents[digest] = file.content
        return Upload(key, self._account.account_id, kind, len(file.content), digest, width, height, seconds)
