"""Videos of the simulated Facebook from their first call to their post: reels, long videos in parts, stories.

`start` gives the video its id, the bytes come as `arriving.py` has it, `finish` publishes it. A second `finish` is refused,
or under the fault `double_on_repeat` makes a second post of the same video.
Source: Meta's pages "Reels Publishing API", "Facebook Stories API", "Video API: Publishing".
"""

import secrets
from typing import Any

from hayon.sandbox.fetching import NotFetched, fetch
from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.meta.calls import id_of
from hayon.sandbox.meta.facebook.arriving import VIDEOS, append_part, expired, give_up, settle, take_file
from hayon.sandbox.meta.facebook.landing import landed, late, new_post
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.meta.facebook.memory import Post, Video
from hayon.sandbox.meta.facebook.wire import (
    POST,
    READ,
    blocked,
    check_standing,
    check_still_there,
    done,
    facebook_of,
    own_page,
    own_video,
    video_problem,
)
from hayon.sandbox.meta.graph import Upload, invalid, missing, need, parameters, text_of, truth_of, whole_of
from hayon.sandbox.model import Account

NO_SUCH_VIDEO = "There was a problem uploading your video file. Please try again with another file."


async def start_reel(call: Call) -> Answer:
    """POST /{page}/video_reels, upload_phase=start."""
    return await _start_elsewhere(call, "reel")


async def start_video_story(call: Call) -> Answer:
    """POST /{page}/video_stories, upload_phase=start."""
    return await _start_elsewhere(call, "video_story")


async def start_video(call: Call) -> Answer:
    """POST /{page}/videos, upload_phase=start: the upload's id, the video's, and which part is wanted first."""
    given = await parameters(call)
    account = own_page(call, POST, READ)
    check_standing(account)
    size = whole_of(given, "file_size")
    if size is None:
        raise missing("file_size")
    video = _begun(call, account, "video", size)
    return Answer({"upload_session_id": video.session_id, "video_id": video.video_id, **_wanted(call, video)})


async def transfer_video(call: Call) -> Answer:
    """POST /{page}/videos, upload_phase=transfer: one part. Another one than is wanted is refused with what is."""
    given = await parameters(call)
    account = own_page(call, POST, READ)
    video = _of_session(call, account, given)
    chunk, offset = given.get("video_file_chunk"), whole_of(given, "start_offset")
    if not isinstance(chunk, Upload):
        raise missing("video_file_chunk")
    size = video.file_size or 0
    if video.finished_at is not None or offset != video.arrived or offset + len(chunk.content) > size:
        refused = video_problem(6000, "There was a problem uploading your video file.", subcode=1363037)
        refused.answer.body["error"]["error_data"] = _wanted(call, video)
        raise refused
    append_part(call, video, chunk.content)
    wanted = _wanted(call, video)
    await settle(call, video)
    return Answer(wanted)


async def finish_reel(call: Call) -> Answer:
    """POST /{page}/video_reels, upload_phase=finish."""
    return await _finish(call, "reel", "finish_reel")


async def finish_video(call: Call) -> Answer:
    """POST /{page}/videos, upload_phase=finish."""
    return await _finish(call, "video", "finish_video")


async def finish_video_story(call: Call) -> Answer:
    """POST /{page}/video_stories, upload_phase=finish: the answer tells the story's id already."""
    return await _finish(call, "video_story", "finish_video_story")


async def create_video(call: Call) -> Answer:
    """POST /{page}/videos without a phase: a video in one call, from an address or a multipart body."""
    given = await parameters(call)
    account = own_page(call, POST, READ)
    check_standing(account)
    limits = call.world.limits.of(FacebookLimits)
    source, address = given.get("source"), text_of(given, "file_url")
    if isinstance(source, Upload):
        content = source.content
        _check_size(len(content), limits)
        digest = call.world.files.put(content, call.world.files.digest(content))
    elif address:
        got = await fetch(
            call.world.files, address, VIDEOS, most_bytes=limits.video_size, most_seconds=limits.video_fetch_seconds
        )
        if isinstance(got, NotFetched):
            raise video_problem(389, "Unable to fetch video file from URL.")
        digest = got.digest
        _check_size(got.size, limits)
    else:
        raise missing("upload_phase")
    check_still_there(call, account)
    video = _begun(call, account, "video", None)
    await take_file(call, video, digest)
    check_still_there(call, account)
    _publish(call, account, video, given, "create_video")
    return Answer({"id": video.video_id})


async def delete_video(call: Call) -> Answer:
    """DELETE /{video}, and its post with it."""
    account, video = own_video(call, POST)
    entry = call.world.entry(account, "delete_video", video.video_id, call.request_id, text=video.description)
    call.world.happen(facebook_of(call.world).gone("video", video.video_id), entry)
    give_up(call, video)
    return done()


async def _start_elsewhere(call: Call, purpose: str) -> Answer:
    """The bytes go to an address of their own."""
    given = await parameters(call)
    account = own_page(call, POST, READ)
    check_standing(account)
    if need(given, "upload_phase").lower() != "start":
        raise invalid("Param upload_phase must be one of {START, FINISH}")
    video = _begun(call, account, purpose, whole_of(given, "file_size"))
    version = call.request.url.path.split("/")[2]
    address = f"{call.base_url}/facebook/video-upload/{version}/{video.video_id}"
    return Answer({"video_id": video.video_id, "upload_url": address})


def _begun(call: Call, account: Account, purpose: str, size: int | None) -> Video:
    if size is not None:
        _check_size(size, call.world.limits.of(FacebookLimits))
    memory = facebook_of(call.world)
    number = memory.next_number()
    # a session has a number of its own beside the video's
    session = str(secrets.randbelow(10**16))
    video = Video(id_of(number), number, account.account_id, purpose, session, size, call.now)
    call.world.happen(memory.video_event(video))
    return memory.videos[video.video_id]


def _check_size(size: int, limits: FacebookLimits) -> None:
    if size < limits.smallest_video:
        raise video_problem(382, "The video file you selected is too small.")
    if size > limits.video_size:
        raise video_problem(6000, "The video file you selected is too large.")


def _wanted(call: Call, video: Video) -> dict[str, str]:
    """The next part, in words as the API has it; from the end to the end when all is there."""
    end = min(video.file_size or 0, video.arrived + call.world.limits.of(FacebookLimits).chunk_size)
    return {"start_offset": str(video.arrived), "end_offset": str(end)}


def _of_session(call: Call, account: Account, given: dict[str, Any]) -> Video:
    memory = facebook_of(call.world)
    session = need(given, "upload_session_id")
    video = memory.find_video(account, memory.by_session.get(session, ""))
    if video is None or video.purpose != "video" or expired(call, video):
        raise video_problem(6000, "There is no such upload session.")
    return video


async def _finish(call: Call, purpose: str, operation: str) -> Answer:
    given = await parameters(call)
    account = own_page(call, POST, READ)
    check_standing(account)
    memory = facebook_of(call.world)
    if purpose == "video":
        video = _of_session(call, account, given)
    else:
        found = memory.find_video(account, need(given, "video_id"))
        if found is None or found.purpose != purpose:
            raise invalid(f"The video {given['video_id']} does not exist")
        video = found
    if purpose == "reel":
        need(given, "video_state")
    await settle(call, video)
    # from here to the effect nothing waits: what was found stays true
    check_still_there(call, account)
    post = _publish(call, account, video, given, operation)
    return done(**({"post_id": post.post_id} if post and purpose == "video_story" else {}))


def _publish(call: Call, account: Account, video: Video, given: dict[str, Any], operation: str) -> Post | None:
    """The effect of finishing; the post, unless it stays a draft or its processing will fail."""
    memory = facebook_of(call.world)
    if video.finished_at is not None:
        _check_repeat(call, account, video, operation)
    if expired(call, video) or not video.digest:
        raise video_problem(6000, NO_SUCH_VIDEO, title="Upload incomplete", words="The video was not uploaded whole.")
    if video.flaw:
        raise video_problem(6000, NO_SUCH_VIDEO, title="Video not supported", words=video.flaw)
    limits = call.world.limits.of(FacebookLimits)
    if video.purpose == "reel" and memory.uses.within_day("reel", account.account_id, call.now) >= limits.reels_per_day:
        raise blocked(1390008, "Posting too fast", "You published too many reels within 24 hours.")
    state = _state(given, video)
    slow, failed = call.met.find("slow_media"), call.met.find("failed_media")
    wait = slow or failed
    ready_at = call.now + (wait.seconds if wait else limits.processing_seconds)
    description = text_of(given, "description") or ""
    facts = {
        "title": text_of(given, "title") or "",
        "description": description,
        "state": state,
        "finished_at": call.now,
        "ready_at": ready_at,
        "failed": failed is not None,
        "shown_at": late(call)[1],
    }
    if state == "DRAFT" or failed:
        call.world.happen(memory.video_changed(video.video_id, **facts))
        return None
    message = "" if video.purpose == "video_story" else description
    post = new_post(call, account, video.purpose, message, video_id=video.video_id, live_at=ready_at)
    changed = memory.video_changed(video.video_id, **facts, post_id=post.post_id)
    line = landed(call, account, post, operation, media_ids=[video.digest])
    call.world.happen(changed, memory.post_event(post), line)
    return post


def _state(given: dict[str, Any], video: Video) -> str:
    if video.purpose == "reel":
        state = need(given, "video_state").upper()
        if state not in ("PUBLISHED", "DRAFT"):
            raise invalid("Param video_state must be one of {DRAFT, PUBLISHED}; this sandbox schedules no videos")
        return state
    return "DRAFT" if video.purpose == "video" and truth_of(given, "published") is False else "PUBLISHED"


def _check_repeat(call: Call, account: Account, video: Video, operation: str) -> None:
    double, post = call.met.find("double_on_repeat"), facebook_of(call.world).posts.get(video.post_id or "")
    if double and post:
        call.world.faults.strike(double)
        return
    if post:
        call.world.happen(landed(call, account, post, operation, repeat=True))
    raise invalid(f"The video {video.video_id} was finished already")
