"""Containers of the simulated Threads: what is refused, what is fetched, how long it takes.

Source: Meta's pages "Threads: Posts" and "Threads Reference: Publishing", fbsamples/threads_api (the Postman collection),
gitroomhq/postiz-app issue 1364 for a picture that cannot be fetched.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hayon.sandbox.fetching import Failure, NotFetched
from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.meta.bringing import bring_later, bring_now
from hayon.sandbox.meta.calls import id_of
from hayon.sandbox.meta.containers import Container, Piece, State
from hayon.sandbox.meta.graph import error, invalid, list_of, missing, need, parameters, text_of, truth_of
from hayon.sandbox.meta.threads.limits import ThreadsLimits
from hayon.sandbox.meta.threads.text import counted_length, links_of
from hayon.sandbox.meta.threads.wire import PUBLISH, check_standing, own_user, threads_of, unfound
from hayon.sandbox.meta.videos import Bounds, Flaw, flaw_of
from hayon.sandbox.model import Account

KINDS = ("TEXT", "IMAGE", "VIDEO", "CAROUSEL")
PICTURES = ("image/jpeg", "image/png")
REPLY_CONTROLS = (
    "everyone",
    "accounts_you_follow",
    "mentioned_only",
    "parent_post_author_only",
    "followers_only",
)
NOT_SIMULATED = (
    "allowlisted_country_codes",
    "auto_publish_text",
    "enable_reply_approvals",
    "gif_attachment",
    "is_ghost_post",
    "is_spoiler_media",
    "location_id",
    "poll_attachment",
    "quote_post_id",
    "text_attachment",
    "text_entities",
)
MESSAGES = {
    Flaw.FORMAT: "FAILED_PROCESSING_VIDEO",
    Flaw.SHAPE: "INVALID_ASPEC_RATIO",
    Flaw.LENGTH: "INVALID_DURATION",
    Flaw.FRAMES: "INVALID_FRAME_RATE",
    Flaw.BITS: "INVALID_BIT_RATE",
}


async def create_container(call: Call) -> Answer:
    """POST /{user}/threads: a container, its picture fetched before the answer, its video afterwards."""
    given = await parameters(call)
    account = own_user(call, PUBLISH)
    check_standing(account)
    container = _drafted(call, account, given)
    limits, generation = call.world.limits.of(ThreadsLimits), call.world.generation
    if container.piece and not container.piece.video:
        got = await bring_now(call.world, container.piece, PICTURES, limits.image_size, limits.fetch_seconds)
        if isinstance(got, NotFetched):
            raise _not_fetched(container.piece.address, got)
        _check_picture(got, limits)
        container = replace(container, piece=got, created_at=call.now, ready_at=_ready_at(call, "IMAGE"))
    memory = threads_of(call.world)
    if call.world.generation == generation:
        container.number = memory.next_number()
        container.container_id = id_of(container.number)
        call.world.happen(memory.created(container))
        keep_fetching(call, container)
    return Answer({"id": container.container_id})


def keep_fetching(call: Call, container: Container) -> None:
    """Let a container's video come, if it has one that is not there."""
    limits = call.world.limits.of(ThreadsLimits)
    bounds = Bounds(0.0, limits.video_seconds, limits.video_width, limits.video_bits)

    def judge(got: NotFetched | tuple[Piece, Path]) -> str | None:
        if isinstance(got, NotFetched):
            return "FAILED_PROCESSING_VIDEO" if got.failure is Failure.TYPE else "FAILED_DOWNLOADING_VIDEO"
        flaw = flaw_of(got[1], got[0], bounds)
        return MESSAGES[flaw] if flaw else None

    bring_later(call.world, threads_of(call.world), container, limits.video_size, limits.video_fetch_seconds, judge)


def _drafted(call: Call, account: Account, given: dict[str, Any]) -> Container:
    for name in NOT_SIMULATED:
        if given.get(name) not in (None, "", "false", False):
            raise error(100, f"The sandbox does not simulate {name}", status=501)
    kind = need(given, "media_type")
    if kind not in KINDS:
        raise invalid(f"Param media_type must be one of {{{', '.join(KINDS)}}} - got '{kind}'")
    is_item = bool(truth_of(given, "is_carousel_item"))
    text = text_of(given, "text") or ""
    if is_item and (kind not in ("IMAGE", "VIDEO") or text):
        raise invalid("A carousel item is an image or a video without text")
    limits = call.world.limits.of(ThreadsLimits)
    if counted_length(text) > limits.characters:
        raise invalid(f"Param text must be at most {limits.characters} characters long.")
    failed = call.met.find("failed_media")
    return Container(
        container_id="",
        number=0,
        account_id=account.account_id,
        kind=kind,
        is_item=is_item,
        text=text,
        piece=_piece(given, kind, limits),
        children=_children(call, account, given) if kind == "CAROUSEL" else [],
        options=_options(call, given, kind, text),
        created_at=call.now,
        ready_at=_ready_at(call, kind),
        failure="UNKNOWN" if failed and kind != "TEXT" else None,
    )


def _options(call: Call, given: dict[str, Any], kind: str, text: str) -> dict[str, Any]:
    """What the post takes over."""
    limits = call.world.limits.of(ThreadsLimits)
    link = text_of(given, "link_attachment") or None
    if kind == "TEXT" and not text and not link:
        raise missing("text")
    if link and kind != "TEXT":
        raise invalid("Param link_attachment can only be used for text-only posts")
    if len({*links_of(text), *([link] if link else [])}) > limits.links:
        raise error(
            100,
            "THREADS_API__LINK_LIMIT_EXCEEDED",
            title="Too Many Links",
            words=f"A post can have at most {limits.links} links.",
        )
    control = text_of(given, "reply_control") or "everyone"
    if control not in REPLY_CONTROLS:
        raise invalid(f"Param reply_control must be one of {{{', '.join(REPLY_CONTROLS)}}} - got '{control}'")
    parent = text_of(given, "reply_to_id") or None
    if parent and threads_of(call.world).posts.get(parent) is None:
        raise invalid("Param reply_to_id must be the id of a post that exists")
    return {"link": link, "reply_control": control, "topic_tag": _tag(given, limits), "reply_to": parent}


def _tag(given: dict[str, Any], limits: ThreadsLimits) -> str | None:
    tag = text_of(given, "topic_tag")
    if tag is None:
        return None
    if not 1 <= len(tag) <= limits.tag_characters or "." in tag or "&" in tag:
        raise invalid(f"Param topic_tag must be 1 to {limits.tag_characters} characters without periods or ampersands")
    if tag.lower() in limits.refused_tags:
        raise invalid(
            "Invalid parameter",
            subcode=4279071,
            title="Topic Not Permitted",
            words=f"The topic {tag} is not permitted.",
        )
    return tag


def _piece(given: dict[str, Any], kind: str, limits: ThreadsLimits) -> Piece | None:
    alt_text = text_of(given, "alt_text") or ""
    if kind not in ("IMAGE", "VIDEO"):
        if alt_text:
            raise invalid("Param alt_text can only be used for an image or a video")
        return None
    if len(alt_text) > limits.alt_characters:
        raise invalid(f"Param alt_text must be at most {limits.alt_characters} characters long.")
    return Piece(need(given, "video_url" if kind == "VIDEO" else "image_url"), kind == "VIDEO", alt_text)


def _children(call: Call, account: Account, given: dict[str, Any]) -> list[str]:
    ids = [str(one) for one in list_of(given, "children")]
    limits, memory = call.world.limits.of(ThreadsLimits), threads_of(call.world)
    if not limits.fewest_children <= len(ids) <= limits.most_children:
        raise invalid(f"Param children must have {limits.fewest_children} to {limits.most_children} items")
    for child_id in ids:
        child = memory.find_container(account, child_id)
        if child is None or memory.state(child) is not State.FINISHED:
            raise unfound(child_id)
        if not child.is_item:
            raise invalid(f"The container {child_id} is no carousel item")
    return ids


def _ready_at(call: Call, kind: str) -> float:
    limits = call.world.limits.of(ThreadsLimits)
    wait = call.met.find("slow_media") or call.met.find("failed_media")
    if wait and kind != "TEXT":
        return call.now + wait.seconds
    usual = {
        "TEXT": 0.0,
        "IMAGE": limits.image_seconds,
        "VIDEO": limits.video_processing_seconds,
        "CAROUSEL": limits.carousel_seconds,
    }
    return call.now + usual[kind]


def _check_picture(got: Piece, limits: ThreadsLimits) -> None:
    if not got.width or not got.height:
        raise error(36001, "The image format is not supported", subcode=2207005, title="Unsupported format")
    if max(got.width, got.height) / min(got.width, got.height) > limits.image_ratio:
        raise error(36003, "The aspect ratio is not supported.", subcode=2207009, title="Invalid aspect ratio")


def _not_fetched(address: str, got: NotFetched) -> Refused:
    if got.failure is Failure.TOO_LARGE:
        return error(36000, "The image size is too large.", subcode=2207004, title="Image size too large")
    if got.failure is Failure.TYPE:
        return error(36001, "The image format is not supported", subcode=2207005, title="Unsupported format")
    return error(
        1,
        "An unknown error occurred",
        subcode=2207052,
        title="Media download has failed",
        words=f"The media could not be fetched from this URI: {address}",
    )
