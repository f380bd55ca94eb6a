"""Pictures on their way to a Page: each uploaded unpublished, remembered, and put into the post by its id.

A lost answer leaves a picture that nobody sees; Facebook throws it away after about a day.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hayon.errors import Unavailable
from hayon.outgoing import Outgoing, Part, Request
from hayon.platforms.contract import Parcel, ParcelMedia, SaveCheckpoint
from hayon.platforms.facebook.limits import FITTING
from hayon.platforms.meta.graph import GONE, Doing, Graph
from hayon.platforms.meta.reading import id_in, moment_of

KEPT_FOR = timedelta(hours=20)
"""How long a picture without a post is relied upon; Facebook keeps it for about 24 hours (page "Page Photos")."""

Upload = Mapping[str, Any]
"""What the checkpoint holds of one picture: `id` there, `uploadedAt` by our clock."""


async def upload_all(parcel: Parcel, graph: Graph, save: SaveCheckpoint, outgoing: Outgoing) -> list[Upload]:
    """Uploads every picture that is not there yet and gives all, in the order of the post. Saves after each."""
    kept: dict[str, Upload] = dict(parcel.checkpoint.get("photos", {}))
    uploads = []
    for number, one in enumerate(parcel.media):
        name = f"{number}/{one.media.id}"  # one picture may stand in a post twice
        if name not in kept or not await _is_there(kept[name], parcel, graph, outgoing):
            remote_id = await _upload(await one.fit(FITTING), parcel.account.remote_id, graph, outgoing)
            kept[name] = {"id": remote_id, "uploadedAt": parcel.now.isoformat()}
            await save({"photos": dict(kept)})
        uploads.append(kept[name])
    return uploads


async def _is_there(upload: Upload, parcel: Parcel, graph: Graph, outgoing: Outgoing) -> bool:
    """Whether a picture can still be used. An old one may hang on a post that was sent before, so it is asked after."""
    uploaded_at = moment_of(upload["uploadedAt"])
    if uploaded_at is not None and parcel.now - uploaded_at < KEPT_FOR:
        return True
    if parcel.first_sent_at is None:
        return False
    try:
        await graph.ask(outgoing, graph.get(upload["id"], fields="id"))
    except Unavailable as error:
        if error.code != GONE:
            raise
        return False
    return True


async def _upload(one: ParcelMedia, page: str, graph: Graph, outgoing: Outgoing) -> str:
    mime = one.media.mime
    parts = [Part("published", "false")]
    if one.alt_text:
        parts.append(Part("alt_text_custom", one.alt_text))
    parts.append(Part("source", await one.read(), filename=f"{one.media.id}.{mime.partition('/')[2]}", mime=mime))
    request = Request("POST", graph.url(f"{page}/photos"), graph.headers, graph.proof, parts=parts)
    remote_id = id_in(await graph.ask(outgoing, request, doing=Doing.PREPARING))
    if remote_id is None:
        raise Unavailable("Facebook took a picture but did not name it. It is tried again later.")
    return remote_id
