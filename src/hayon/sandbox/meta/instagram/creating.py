"""Containers of the simulated Instagram: what is refused, what is fetched, how long it takes.

Source: Meta's pages "IG User Media", "Content Publishing", "Error Codes".
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hayon.sandbox.fetching import Failure, NotFetched
from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.meta.bringing import bring_later, bring_now, took_too_long
from hayon.sandbox.meta.calls import id_of
from hayon.sandbox.meta.containers import Container, Piece, State
from hayon.sandbox.meta.graph import error, invalid, list_of, missing, need, parameters, text_of, truth_of, whole_of
from hayon.sandbox.meta.instagram.limits import InstagramLimits
from hayon.sandbox.meta.instagram.text import hashtags_of, mentions_of
from hayon.sandbox.meta.instagram.wire import PUBLISH, check_standing, instagram_of, not_found, not_ready, own_user
from hayon.sandbox.meta.videos import Bounds, flaw_of
from hayon.sandbox.model import Account, Platform

JPEG = "image/jpeg"
PICTURES = (JPEG, "image/png", "image/gif", "image/webp", "image/bmp", "image/avif", "image/heic", "image/heif")
"""What is recognised as a picture; only the first is taken."""
NOT_SIMULATED = (
    "audio_name",
    "is_ai_generated",
    "location_id",
    "product_tags",
    "trial_params",
    "upload_type",
    "user_tags",
)
UPLOAD_FAILED, DOWNLOAD_FAILED, BAD_FORMAT, BAD_OFFSET = "2207053", "2207077", "2207026", "2207057"
WRONG_FORMAT = "The image format is not supported"


async def create_container(call: Call) -> Answer:
    """POST /{user}/media: a container, its picture and its cover fetched before the answer, its video afterwards."""
    given = await parameters(call)
    account = own_user(call, PUBLISH)
    check_standing(account)
    memory, limits, generation = instagram_of(call.world), _limits(call), call.world.generation
    if memory.uses.within_day("container", account.account_id, call.now) >= limits.containers_per_day:
        raise error(4, "Application request limit reached", words="Too many containers were made in 24 hours.")
    container = _drafted(call, account, given)
    cover = text_of(given, "cover_url") if container.kind == "REELS" else None
    if cover:
        container.options["cover"] = (await _picture(call, Piece(cover, video=False))).digest
    if container.piece and not container.piece.video:
        got = await _picture(call, container.piece)
        if container.kind != "STORIES":
            _check_shape(got, limits)
        container = replace(container, piece=got, created_at=call.now, ready_at=_ready_at(call, video=False))
    if call.world.generation == generation:
        container.number = memory.next_number()
        container.container_id = id_of(container.number)
        call.world.happen(memory.created(container))
        keep_fetching(call, container)
    return Answer({"id": container.container_id})


def keep_fetching(call: Call, container: Container) -> None:
    """Let a container's video come, if it has one that is not there."""
    limits, story = _limits(call), container.kind == "STORIES"
    shortest, longest = limits.reel_shortest, limits.reel_longest
    if story:
        shortest, longest = limits.story_shortest, limits.story_longest
    bounds = Bounds(shortest, longest, limits.video_width, limits.video_bits)
    offset = container.options.get("thumb_offset") or 0

    def judge(got: NotFetched | tuple[Piece, Path]) -> str | None:
        if isinstance(got, NotFetched):
            return BAD_FORMAT if got.failure in (Failure.TYPE, Failure.TOO_LARGE) else DOWNLOAD_FAILED
        piece, path = got
        if flaw_of(path, piece, bounds):
            return BAD_FORMAT
        return BAD_OFFSET if offset >= 1_000 * (piece.seconds or 0) else None

    size = limits.story_size if story else limits.reel_size
    bring_later(call.world, instagram_of(call.world), container, size, limits.video_fetch_seconds, judge)


def _drafted(call: Call, account: Account, given: dict[str, Any]) -> Container:
    for name in NOT_SIMULATED:
        if given.get(name) not in (None, "", "false", False):
            raise error(100, f"The sandbox does not simulate {name}", status=501)
    is_item = bool(truth_of(given, "is_carousel_item"))
    kind = _kind(given, is_item=is_item)
    caption = "" if is_item or kind == "STORIES" else text_of(given, "caption") or ""
    _check_caption(caption, _limits(call))
    piece = None if kind == "CAROUSEL" else _piece(given, kind, _limits(call))
    failed = call.met.find("failed_media")
    return Container(
        container_id="",
        number=0,
        account_id=account.account_id,
        kind=kind,
        is_item=is_item,
        text=caption,
        piece=piece,
        children=_children(call, account, given) if kind == "CAROUSEL" else [],
        options=_options(call, given, kind),
        created_at=call.now,
        ready_at=_ready_at(call, video=piece.video if piece else None),
        failure=UPLOAD_FAILED if failed else None,
    )


def _kind(given: dict[str, Any], *, is_item: bool) -> str:
    kind = text_of(given, "media_type") or "IMAGE"
    if kind not in ("IMAGE", "VIDEO", "REELS", "STORIES", "CAROUSEL") or (
        kind not in ("IMAGE", "VIDEO") if is_item else kind == "VIDEO"
    ):
        # a video by itself has been a reel since July 2023
        words = f"The media type {kind} is unknown."
        raise error(100, "Invalid parameter", subcode=2207023, title="Unknown media type", words=words)
    return kind


def _check_caption(caption: str, limits: InstagramLimits) -> None:
    if len(caption) > limits.caption_characters:
        words = (
            f"The submitted image's caption was {len(caption)} characters long. The maximum number of characters permitted "
            f"for a caption is {limits.caption_characters}. Please submit media with a shorter caption."
        )
        raise error(36004, "The caption was too long.", subcode=2207010, title="Caption too long", words=words)
    for held, most in ((hashtags_of(caption), limits.hashtags), (mentions_of(caption), limits.mentions)):
        if len(held) > most:
            words = f"Cannot use more than {most} tags per created media."
            raise error(100, "Invalid parameter", subcode=2207040, title="Too many tags", words=words)


def _piece(given: dict[str, Any], kind: str, limits: InstagramLimits) -> Piece:
    alt_text = text_of(given, "alt_text") or ""
    if alt_text and kind != "IMAGE":
        raise invalid("Param alt_text can only be used for images")
    if len(alt_text) > limits.alt_characters:
        raise invalid(f"Param alt_text must be at most {limits.alt_characters} characters long")
    pictured, filmed = text_of(given, "image_url"), text_of(given, "video_url")
    if kind == "STORIES" and bool(pictured) is bool(filmed):
        raise invalid("A story needs either image_url or video_url")
    video = kind in ("VIDEO", "REELS") or (kind == "STORIES" and bool(filmed))
    return Piece(need(given, "video_url" if video else "image_url"), video, alt_text)


def _options(call: Call, given: dict[str, Any], kind: str) -> dict[str, Any]:
    """What the post takes over."""
    names = [str(one).lstrip("@") for one in list_of(given, "collaborators")]
    if len(names) > _limits(call).collaborators:
        raise invalid(f"Param collaborators must have at most {_limits(call).collaborators} items")
    for name in names:
        if call.world.find_account(Platform.INSTAGRAM, name) is None:
            words = f"The user {name} cannot be a collaborator."
            raise error(100, "Invalid parameter", subcode=2207018, title="Cannot add collaborator", words=words)
    if kind != "REELS":
        return {"collaborators": names}
    offset = whole_of(given, "thumb_offset")
    if offset is not None and offset < 0:
        words = "Thumbnail offset must be greater than or equal to 0 and less than video duration"
        raise error(1, "Invalid thumbnail offset", subcode=int(BAD_OFFSET), title="Invalid offset", words=words)
    return {
        "collaborators": names,
        # a cover of one's own wins
        "thumb_offset": None if text_of(given, "cover_url") else offset,
        "share_to_feed": truth_of(given, "share_to_feed") is not False,
    }


def _children(call: Call, account: Account, given: dict[str, Any]) -> list[str]:
    ids = [str(one) for one in list_of(given, "children")]
    limits, memory = _limits(call), instagram_of(call.world)
    if not ids:
        raise missing("children")
    if not limits.fewest_children <= len(ids) <= limits.most_children:
        words = (
            f"Your post won't work as a carousel. Carousels need at least {limits.fewest_children} photos/videos and no more "
            f"than {limits.most_children} photos/videos."
        )
        raise error(100, "Invalid parameter", subcode=2207028, title="Carousel size", words=words)
    for child_id in ids:
        child = memory.find_container(account, child_id)
        if child is None or memory.state(child) is State.EXPIRED:
            raise not_found(child_id)
        if not child.is_item:
            raise invalid(f"The container {child_id} is no carousel item")
        if memory.state(child) is not State.FINISHED:
            raise not_ready()
    return ids


def _ready_at(call: Call, *, video: bool | None) -> float:
    """`video` is None for a carousel."""
    limits, wait = _limits(call), call.met.find("slow_media") or call.met.find("failed_media")
    if wait:
        return call.now + wait.seconds
    usual = limits.video_processing_seconds if video else limits.image_seconds
    return call.now + (limits.carousel_seconds if video is None else usual)


async def _picture(call: Call, piece: Piece) -> Piece:
    """The picture, fetched; the refusal if it is none that Instagram takes."""
    limits = _limits(call)
    got = await bring_now(call.world, piece, PICTURES, limits.image_size, limits.fetch_seconds)
    if isinstance(got, NotFetched):
        raise _not_fetched(piece.address, got, limits)
    if got.mime_type != JPEG or not got.width or not got.height:
        words = f"The image format {got.mime_type.upper()} is not supported. Supported formats are: JPEG."
        raise error(36001, WRONG_FORMAT, subcode=2207005, title="Unsupported format", words=words)
    return got


def _check_shape(got: Piece, limits: InstagramLimits) -> None:
    ratio = (got.width or 1) / (got.height or 1)
    if not limits.narrowest <= ratio <= limits.widest:
        words = (
            f"The submitted image with aspect ratio ('{ratio:.3f}',) cannot be published. Please submit an image with a "
            "valid aspect ratio."
        )
        raise error(
            36003, "The aspect ratio is not supported.", subcode=2207009, title="Invalid aspect ratio", words=words
        )


def _not_fetched(address: str, got: NotFetched, limits: InstagramLimits) -> Refused:
    if got.failure is Failure.TOO_LARGE:
        words = f"The image is too large to download. It should be less than {limits.image_size // 2**20} MiB."
        return error(36000, "The image size is too large.", subcode=2207004, title="Image size too large", words=words)
    if took_too_long(got):
        words = "It takes too long to download the media."
        return error(-2, "Timeout", subcode=2207003, title="Timeout downloading media", words=words)
    return error(
        9004,
        "Only photo or video can be accepted as media type.",
        subcode=2207052,
        title="Media download has failed. The media URI doesn't meet our requirements.",
        words=f"The media could not be fetched from this URI: {address}",
    )


def _limits(call: Call) -> InstagramLimits:
    return call.world.limits.of(InstagramLimits)
