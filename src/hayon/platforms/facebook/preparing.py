"""Everything before the call that shows a post: what it becomes, its files at Facebook, and the handles of that call."""

from hayon.domain.model import Json
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Parcel, ParcelMedia, SaveCheckpoint
from hayon.platforms.facebook.limits import Kind, kind_of
from hayon.platforms.facebook.listing import feed_since, is_hidden, says_the_same
from hayon.platforms.facebook.photos import upload_all
from hayon.platforms.facebook.videos import Videos
from hayon.platforms.meta.graph import Graph
from hayon.platforms.meta.reading import moment_of


async def prepare_post(
    parcel: Parcel, graph: Graph, save: SaveCheckpoint, outgoing: Outgoing, *, two_phase_text: bool
) -> Json:
    """The handles: `kind`, the ids that Facebook gave to what was prepared, and the words. May be repeated at will."""
    kind = kind_of(parcel.content.options, [one.media for one in parcel.media])
    handles: Json = {"kind": str(kind), "pageId": parcel.account.remote_id, **_words_of(parcel, kind)}
    match kind:
        case Kind.REEL | Kind.VIDEO_STORY:
            edge = "video_reels" if kind is Kind.REEL else "video_stories"
            videos = Videos(parcel, graph, save, outgoing)
            return handles | {"videoId": await videos.bring_whole(_film_of(parcel), edge)}
        case Kind.VIDEO:
            video_id, session_id = await Videos(parcel, graph, save, outgoing).bring_in_parts(_film_of(parcel))
            return handles | {"videoId": video_id, "sessionId": session_id}
    uploads = await upload_all(parcel, graph, save, outgoing)
    if uploads:
        uploaded_at = min(upload["uploadedAt"] for upload in uploads)
        return handles | {"photoIds": [upload["id"] for upload in uploads], "photosUploadedAt": uploaded_at}
    if two_phase_text:
        draft_id = await _bring_draft(parcel, handles, graph, save, outgoing)
        return handles | {"kind": str(Kind.DRAFT), "draftId": draft_id}
    return handles


def recalled(parcel: Parcel) -> Json:
    """Handles after a backup was restored: the words, and the ids that Facebook gave before the backup, if any."""
    kind = kind_of(parcel.content.options, [one.media for one in parcel.media])
    kept, handles = (
        parcel.checkpoint,
        {"kind": str(kind), "pageId": parcel.account.remote_id, **_words_of(parcel, kind)},
    )
    photos = [upload["id"] for upload in kept.get("photos", {}).values()]
    video_id, draft_id = kept.get("video", {}).get("id"), kept.get("draft", {}).get("id")
    known = {"photoIds": photos, "videoId": video_id, "draftId": draft_id}
    return handles | {name: value for name, value in known.items() if value}


def _film_of(parcel: Parcel) -> ParcelMedia:
    return next(one for one in parcel.media if one.media.is_video)


def _words_of(parcel: Parcel, kind: Kind) -> Json:
    """The words as the call has them; what is empty is left out, since Facebook takes an empty message for a mistake."""
    text, link = parcel.content.text, parcel.content.options.get("link")
    words: Json = {}
    match kind:
        case Kind.POST:
            words = {"message": text, "link": link}
        case Kind.REEL | Kind.VIDEO:
            words = {"description": text}
    return {name: value for name, value in words.items() if value and value.strip()}


async def _bring_draft(parcel: Parcel, handles: Json, graph: Graph, save: SaveCheckpoint, outgoing: Outgoing) -> str:
    """The id of an invisible post with these words. One that an earlier try may have made is looked for first.

    A draft that nobody shows does no harm, but it stays for a month (page "Page Feed": `published`).
    """
    kept: Json = dict(parcel.checkpoint.get("draft", {}))
    if "id" in kept:
        return str(kept["id"])
    asked_at = moment_of(kept.get("askedAt"))
    draft_id = None
    if asked_at is not None:
        listing = await feed_since(asked_at, parcel.account.remote_id, graph, outgoing)
        drafts = [str(one["id"]) for one in listing.entries if is_hidden(one) and says_the_same(one, handles)]
        draft_id = drafts[0] if len(drafts) == 1 else None
    if draft_id is None:
        await save({"draft": {"askedAt": (asked_at or parcel.now).isoformat()}})
        form = {"message": handles.get("message"), "link": handles.get("link"), "published": False}
        draft_id = await graph.make(outgoing, f"{parcel.account.remote_id}/feed", form)
    await save({"draft": {"id": draft_id}})
    return draft_id
