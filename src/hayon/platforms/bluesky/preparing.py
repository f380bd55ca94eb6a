"""Everything repeatable before a Bluesky post: its key, who is mentioned, the link card, pictures or video, the record.

The checkpoint holds: `rkey` and `createdAt`, made at the first try; `mentions` {handle: DID or null}; `card` (null: no
card); `pictures` {media id: upload}; `videos` {media id: job or upload}; `record`. Every later try sends the very same
record, so that a repeat is a no-op (atproto: packages/pds/src/api/com/atproto/repo/putRecord.ts).
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from hayon.domain.model import Fitting, Json
from hayon.errors import Rejected, Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.bluesky.answers import read_failure
from hayon.platforms.bluesky.calls import hand_over, query, read_body, send_repeatable, upload
from hayon.platforms.bluesky.card import find_page, find_picture
from hayon.platforms.bluesky.limits import card_link, picture_fitting
from hayon.platforms.bluesky.record import Uploaded, as_moment, make_record, new_key
from hayon.platforms.bluesky.text import find_facets, is_did
from hayon.platforms.bluesky.video import VideoUpload
from hayon.platforms.contract import Parcel, ParcelMedia, SaveCheckpoint

Fit = Callable[[bytes, str, Fitting], Awaitable[tuple[bytes, str, int, int]]]
"""Makes a picture of a linked page fit: (content, mime, fitting) to (content, mime, width, height). The same for the same bytes."""

BLOB_LIVES = timedelta(minutes=45)
"""How long an upload is relied on before a record refers to it; servers keep it an hour (atproto-website: specs/blob)."""


class Preparation:
    """One walk from a parcel to its handles. Each step saves before the next one begins, and a later walk skips it."""

    def __init__(
        self,
        parcel: Parcel,
        save: SaveCheckpoint,
        outgoing: Outgoing,
        *,
        fit: Fit,
        link_cards: bool,
        video_url: str | None,
    ) -> None:
        self._parcel = parcel
        self._save = save
        self._outgoing = outgoing
        self._fit = fit
        self._link_cards = link_cards and parcel.allow_link_card
        self._host = parcel.account.host
        self._token = str(parcel.credential.get("accessJwt", ""))
        self._video_url = video_url
        self._done: Json = dict(parcel.checkpoint)
        self._facets = find_facets(parcel.content.text)

    async def run(self) -> Mapping[str, Any]:
        """Takes every step that is not done yet. Returns the handles of the one irreversible call."""
        if "rkey" not in self._done:
            await self._choose_key()
        if "mentions" not in self._done:
            await self._keep(mentions=await self._resolve_mentions())
        if "card" not in self._done:
            await self._keep(card=await self._make_card())
        elif self._is_stale((self._done["card"] or {}).get("picture")):
            await self._upload_thumb_again()
        for piece in self._parcel.media:
            await (self._upload_video(piece) if piece.media.is_video else self._upload_picture(piece))
        if "record" not in self._done:
            await self._keep(record=self._make_record())
        return {
            "repo": self._parcel.account.remote_id,
            "rkey": self._done["rkey"],
            "record": self._done["record"],
        }

    async def _keep(self, **steps: Any) -> None:
        self._done = {**self._done, **steps}
        await self._save(self._done)

    async def _choose_key(self) -> None:
        """Key and time belong to the first try, not to when the post was written: feeds sort by this time."""
        now = self._parcel.now
        await self._keep(rkey=new_key(now, self._parcel.idempotency_key), createdAt=as_moment(now))

    async def _resolve_mentions(self) -> dict[str, str | None]:
        """Who each mentioned handle is; None for a handle the server cannot resolve, which then stays text."""
        handles = dict.fromkeys(facet.value for facet in self._facets if facet.kind == "mention")
        return {handle: await self._resolve(handle) for handle in handles}

    async def _resolve(self, handle: str) -> str | None:
        request = query(self._host, "com.atproto.identity.resolveHandle", {"handle": handle})
        answer = await send_repeatable(self._outgoing, request)
        if answer.status in {400, 404}:
            return None
        if answer.status != 200:
            raise read_failure(answer, self._parcel.now)
        did = read_body(answer).get("did")
        return did if isinstance(did, str) and is_did(did) else None

    async def _make_card(self) -> Json | None:
        """The card of the first link, with its thumbnail uploaded where there is one; None for no card."""
        link = card_link(self._parcel.content) if self._link_cards else None
        if link is None:
            return None
        page = await find_page(link, self._outgoing)
        if page is None:
            return None
        card = {"external": {"uri": link, "title": page.title, "description": page.description}}
        return await self._with_thumb(card, page.picture)

    async def _upload_thumb_again(self) -> None:
        """The card's picture, fetched and uploaded once more; if it cannot be had any longer, the card goes without."""
        before = self._done["card"]
        without = {"external": {key: value for key, value in before["external"].items() if key != "thumb"}}
        card = await self._with_thumb(without, before["picture"]["url"])
        if card["external"] != before["external"]:
            self._done.pop("record", None)
        await self._keep(card=card)

    async def _with_thumb(self, card: Json, url: str | None) -> Json:
        found = None if url is None else await find_picture(url, self._outgoing)
        if found is None:
            return card
        try:
            content, mime, _, _ = await self._fit(*found, picture_fitting(self._parcel.account.facts))
        except Exception:  # noqa: BLE001 - a stranger's picture may break a decoder in any way; then there is no thumbnail
            return card
        try:
            blob = await self._upload(content, mime)
        except (Rejected, Unavailable):
            return card
        external = {**card["external"], "thumb": blob}
        return {"external": external, "picture": {"url": url, "uploadedAt": as_moment(self._parcel.now)}}

    async def _upload_picture(self, piece: ParcelMedia) -> None:
        pictures = self._done.get("pictures", {})
        key = str(piece.media.id)
        before = pictures.get(key)
        if before is not None and not self._is_stale(before):
            return
        fitted = await piece.fit(picture_fitting(self._parcel.account.facts))
        blob = await self._upload(await fitted.read(), fitted.media.mime)
        await self._keep(pictures={**pictures, key: self._uploaded_now(fitted, blob, before)})

    async def _upload_video(self, piece: ParcelMedia) -> None:
        key = str(piece.media.id)
        before = self._done.get("videos", {}).get(key, {})
        if "blob" in before and not self._is_stale(before):
            return

        async def keep(known: Json) -> None:
            await self._keep(videos={**self._done.get("videos", {}), key: known})

        carrying = VideoUpload(self._parcel, self._outgoing, self._video_url, keep)
        blob = await carrying.bring(piece, {} if "blob" in before else before)
        await keep(self._uploaded_now(piece, blob, before))

    def _uploaded_now(self, piece: ParcelMedia, blob: Json, before: Json | None) -> Json:
        """What is kept of an upload. A record that names another blob for the same file is made anew."""
        if before and "blob" in before and before["blob"] != blob:
            self._done.pop("record", None)
        media, at = piece.media, as_moment(self._parcel.now)
        return {"blob": blob, "width": media.width, "height": media.height, "uploadedAt": at}

    async def _upload(self, content: bytes, mime: str) -> Json:
        request = upload(self._host, content, mime, self._token)
        return await hand_over(self._outgoing, request, self._parcel.now)

    def _is_stale(self, uploaded: Json | None) -> bool:
        """Whether an upload may be gone: it is old, or a call that used it did not end well (BlobNotFound, perhaps).

        The same bytes give the same blob, so one upload too many harms nothing.
        """
        if uploaded is None:
            return False
        at = datetime.fromisoformat(uploaded["uploadedAt"])
        sent = self._parcel.first_sent_at
        return self._parcel.now - at > BLOB_LIVES or (sent is not None and at < sent)

    def _make_record(self) -> Json:
        card = self._done["card"]
        return make_record(
            self._parcel.content.text,
            self._done["createdAt"],
            facets=self._facets,
            dids=self._done["mentions"],
            pictures=[self._uploaded(piece, "pictures") for piece in self._parcel.media if not piece.media.is_video],
            video=next((self._uploaded(piece, "videos") for piece in self._parcel.media if piece.media.is_video), None),
            card=None if card is None else card["external"],
            options=self._parcel.content.options,
        )

    def _uploaded(self, piece: ParcelMedia, where: str) -> Uploaded:
        kept = self._done[where][str(piece.media.id)]
        return Uploaded(kept["blob"], piece.alt_text, kept["width"], kept["height"])
