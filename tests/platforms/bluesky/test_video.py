"""A video on its way through the network's video service, by script: each step, each failure, each later try."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import NotYet, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed, Unreachable
from hayon.media import fit_bytes
from hayon.outgoing import Answer, Request, Stream
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Parcel
from tests.platforms.bluesky.scripted import (
    ADAPTER,
    CREDENTIAL,
    DID,
    HOST,
    Scripted,
    Server,
    answered,
    blob,
    filmed,
    prepare,
    refused,
)
from tests.platforms.parcels import NOW, Checkpoints, Picture, make_account, make_parcel

VIDEO = "https://video.bsky.app"
FILM = {**blob("film"), "mimeType": "video/mp4"}
STRAIGHT = Bluesky(fit=fit_bytes, video_url=None)
WHOLE_WAY = ["getServiceAuth", "getUploadLimits", "getServiceAuth", "uploadVideo", "getJobStatus"]


def parcel(video: Picture | None = None, facts: Mapping[str, Any] | None = None, **changes: Any) -> Parcel:
    given = {"serverDid": "did:web:pds.example"} if facts is None else facts
    account = make_account("bluesky", HOST, DID, facts=given)
    return make_parcel(account, CREDENTIAL, "look", pictures=[video or filmed("a red corner")], **changes)


def job(state: str, **more: Any) -> dict[str, Any]:
    return {"jobId": "job1", "did": DID, "state": f"JOB_STATE_{state}", **more}


def told(state: str, **more: Any) -> Answer:
    """How getJobStatus tells of a job."""
    return answered({"jobStatus": job(state, **more)})


def service(**changes: Scripted | list[Scripted]) -> Server:
    """A server and a video service that take everything and are done at once."""
    tokens: list[str] = []

    def give(request: Request) -> Answer:
        tokens.append(f"for {request.query['lxm'].rsplit('.', 1)[1]}")
        return answered({"token": tokens[-1]})

    scripts: dict[str, Scripted | list[Scripted]] = {
        "getServiceAuth": give,
        "getUploadLimits": answered({"canUpload": True, "remainingDailyVideos": 9, "remainingDailyBytes": 10**9}),
        "uploadVideo": answered(job("CREATED")),
        "getJobStatus": told("COMPLETED", blob=FILM),
    }
    return Server(scripts | changes)


async def stopped(of: Parcel, server: Server, error: type[PlatformError]) -> tuple[PlatformError, Checkpoints]:
    """The error of a prepare() that does not come to its end, and what was saved before."""
    save = Checkpoints()
    with pytest.raises(error) as caught:
        await ADAPTER.prepare(of, save, server)
    assert type(caught.value) is error
    return caught.value, save


def state_in(save: Checkpoints) -> dict[str, Any]:
    """What is kept of the one video."""
    (state,) = save.last["videos"].values()
    return dict(state)


async def test_the_whole_way_through_the_service() -> None:
    of = parcel()
    server = service()
    handles, save = await prepare(of, server)
    assert server.methods == WHOLE_WAY
    assert handles["record"]["embed"] == {
        "$type": "app.bsky.embed.video",
        "video": FILM,
        "alt": "a red corner",
        "aspectRatio": {"width": 160, "height": 96},
    }
    asking, limits, granting, handing, looking = server.asked
    assert [request.method for request in server.asked] == ["GET", "GET", "GET", "POST", "GET"]
    assert asking.url == granting.url == f"{HOST}/xrpc/com.atproto.server.getServiceAuth"
    assert asking.headers == granting.headers == {"Authorization": "Bearer access"}
    assert asking.query == {"aud": "did:web:video.bsky.app", "lxm": "app.bsky.video.getUploadLimits"}
    expires_at = str(int(NOW.timestamp()) + 1800)
    assert granting.query == {"aud": "did:web:pds.example", "lxm": "com.atproto.repo.uploadBlob", "exp": expires_at}
    assert limits.url == f"{VIDEO}/xrpc/app.bsky.video.getUploadLimits"
    assert limits.headers == {"Authorization": "Bearer for getUploadLimits"}
    assert handing.url == f"{VIDEO}/xrpc/app.bsky.video.uploadVideo"
    assert handing.headers == {"Authorization": "Bearer for uploadBlob", "Content-Type": "video/mp4"}
    assert handing.query["did"] == DID
    assert handing.query["name"].endswith(".mp4")
    assert isinstance(handing.body, Stream)
    assert handing.body.size == len(filmed().content)
    assert b"".join([piece async for piece in handing.body.open()]) == filmed().content
    assert (looking.url, looking.query) == (f"{VIDEO}/xrpc/app.bsky.video.getJobStatus", {"jobId": "job1"})
    assert looking.headers == {}
    states = [next(iter(kept["videos"].values())) for kept in save.saved if "videos" in kept]
    assert states[0] == {"jobId": "job1"}
    assert states[1]["blob"] == FILM


async def test_what_is_handed_over_has_a_name_of_its_own_each_time_and_says_its_kind() -> None:
    names = []
    for later in range(2):
        server = service()
        await prepare(parcel(filmed(form="webm"), now=NOW + timedelta(seconds=later)), server)
        assert server.asked[3].headers["Content-Type"] == "video/webm"
        names.append(server.asked[3].query["name"])
    assert all(name.endswith(".webm") for name in names)
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("host", "video_url", "audiences"),
    [
        (HOST, "https://video.example/", ["did:web:video.example", "did:web:pds.example"]),
        ("http://localhost:2583", "http://127.0.0.1:9", ["did:web:127.0.0.1%3A9", "did:web:localhost%3A2583"]),
    ],
)
async def test_a_server_that_did_not_say_who_it_is_is_called_by_its_address(
    host: str, video_url: str, audiences: list[str]
) -> None:
    of = parcel(facts={})
    server = service()
    await prepare(
        replace(of, account=replace(of.account, host=host)), server, Bluesky(fit=fit_bytes, video_url=video_url)
    )
    assert [request.query["aud"] for request in server.asked if "aud" in request.query] == audiences
    assert server.asked[3].url == f"{video_url.rstrip('/')}/xrpc/app.bsky.video.uploadVideo"


@pytest.mark.parametrize("state", ["CREATED", "ENCODING", "SCANNED", "UPLOADED", "COMPLETED", "SOMETHING_NEW"])
async def test_while_the_service_is_at_work_it_is_asked_and_nothing_is_handed_over_again(state: str) -> None:
    of = parcel()
    error, save = await stopped(of, service(getJobStatus=told(state, progress=5)), NotYet)
    assert isinstance(error, NotYet)
    assert error.wait_seconds > 0
    assert state_in(save) == {"jobId": "job1"}
    later = replace(of, checkpoint=save.last, now=NOW + timedelta(minutes=10))
    again = service(getJobStatus=told(state))
    await stopped(later, again, NotYet)
    assert again.methods == ["getJobStatus"]
    done = service()
    handles, _ = await prepare(later, done)
    assert done.methods == ["getJobStatus"]
    assert handles["record"]["embed"]["video"] == FILM


async def test_a_later_try_asks_nothing_and_gives_the_same_handles() -> None:
    of = parcel()
    handles, save = await prepare(of, service())
    silent = Server()
    again, _ = await prepare(replace(of, checkpoint=save.last, now=NOW + timedelta(minutes=44)), silent)
    assert (again, silent.asked) == (handles, [])


@pytest.mark.parametrize(
    ("answer", "asks"),
    [
        (answered({**job("COMPLETED", blob=FILM), "error": "already_exists"}, 409), False),
        (answered({"jobStatus": job("COMPLETED", blob=FILM, error="already_exists")}, 409), False),
        (answered({**job("COMPLETED"), "error": "already_exists", "message": "Video already processed"}, 409), True),
        (answered({**job("COMPLETED"), "error": "already_exists"}), True),
        (answered({"jobStatus": job("CREATED")}), True),
    ],
)
async def test_a_film_that_is_known_already_is_as_good_as_new(answer: Answer, asks: bool) -> None:
    server = service(uploadVideo=answer)
    handles, _ = await prepare(parcel(), server)
    assert server.methods == (WHOLE_WAY if asks else WHOLE_WAY[:-1])
    assert handles["record"]["embed"]["video"] == FILM


async def test_a_blob_counts_whatever_else_the_job_says() -> None:
    status = told("FAILED", blob=FILM, error="already_exists")
    handles, _ = await prepare(parcel(), service(getJobStatus=status))
    assert handles["record"]["embed"]["video"] == FILM


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("validation_failure", "Export it anew"),
        ("pds_upload_unsupported_blob_size", "too large for this account's Bluesky server"),
    ],
)
async def test_a_failure_that_lasts_is_told_at_once_and_a_retry_begins_anew(code: str, words: str) -> None:
    of = parcel()
    error, save = await stopped(of, service(getJobStatus=told("FAILED", failureCode=code)), Rejected)
    assert words in error.message
    assert (error.code, error.proves_absence) == (code, True)
    again = service()
    await prepare(replace(of, checkpoint=save.last), again)
    assert again.methods == WHOLE_WAY


@pytest.mark.parametrize(
    "failure",
    [
        {"getJobStatus": told("FAILED", failureCode="encoding_failure", message="no luck")},
        {"getJobStatus": told("FAILED", failureCode="pds_upload_failure", message="no luck")},
        {"getJobStatus": told("FAILED", failureCode="generic_failure", message="no luck")},
        {"getJobStatus": told("FAILED", message="no luck")},
        {"getJobStatus": refused(400, "InvalidRequest", "no luck: no such job")},
        {"getJobStatus": refused(404, "NotFound", "no luck")},
        {"uploadVideo": refused(400, "SomethingNew", "no luck")},
        {"uploadVideo": refused(401, "BadJwtAudience", "no luck")},
    ],
)
async def test_another_failure_is_the_videos_fault_at_the_third_time(failure: dict[str, Scripted]) -> None:
    of, saved, raised = parcel(), {}, []
    for _ in range(3):
        server, save = service(**failure), Checkpoints()
        with pytest.raises(PlatformError, match="no luck") as caught:
            await ADAPTER.prepare(replace(of, checkpoint=saved), save, server)
        assert "uploadVideo" in server.methods  # each time handed over anew
        assert caught.value.proves_absence
        raised.append(type(caught.value))
        saved = save.last
    assert raised == [Unavailable, Unavailable, Rejected]
    _, save = await stopped(replace(of, checkpoint=saved), service(**failure), Unavailable)
    assert state_in(save) == {"failures": 1}  # a person's retry begins anew


@pytest.mark.parametrize(
    "trouble",
    [
        answered("<html>", 502),
        answered("<html>", 404),
        answered("<html>", 200),
        answered([], 200),
        answered({}, 503),
        Unconfirmed("cut"),
        refused(500, "ServiceOverloaded"),
    ],
)
async def test_trouble_of_the_service_is_no_fault_of_the_video(trouble: Answer | Exception) -> None:
    of = parcel()
    _, save = await stopped(of, service(uploadVideo=trouble), Unavailable)
    assert "videos" not in save.last
    _, save = await stopped(of, service(getJobStatus=trouble), Unavailable)
    assert state_in(save) == {"jobId": "job1"}


async def test_a_service_out_of_reach_is_unreachable() -> None:
    await stopped(parcel(), service(uploadVideo=Unreachable("no", host="video.bsky.app")), Unreachable)


async def test_a_server_that_gives_no_token_for_asking_is_not_asked() -> None:
    def give(request: Request) -> Answer:
        if request.query["lxm"].endswith("getUploadLimits"):
            return refused(400, "InvalidRequest", "aud must be a valid atproto DID")
        return answered({"token": "t"})

    server = service(getServiceAuth=give)
    await prepare(parcel(), server)
    assert server.methods == ["getServiceAuth", "getServiceAuth", "uploadVideo", "getJobStatus"]


async def test_no_token_no_upload() -> None:
    for answer in (answered({}), answered({"token": ""}), refused(500, "InternalServerError")):
        server = service(getServiceAuth=answer)
        await stopped(parcel(), server, Unavailable)
        assert server.methods == ["getServiceAuth"]


@pytest.mark.parametrize(
    ("told_so", "error", "words"),
    [
        ({"canUpload": False, "message": "Daily limit\nreached"}, RateLimited, "Daily limit reached"),
        ({"canUpload": False}, RateLimited, "no more videos"),
        ({"canUpload": True, "remainingDailyVideos": 0}, RateLimited, "no more videos"),
        ({"canUpload": True, "remainingDailyVideos": 1, "remainingDailyBytes": 10}, RateLimited, "no more videos"),
        ({"canUpload": False, "error": "unconfirmed_email"}, Rejected, "e-mail"),
    ],
)
async def test_a_service_that_takes_no_more_today_is_spared_the_upload(
    told_so: dict[str, Any], error: type[PlatformError], words: str
) -> None:
    server = service(getUploadLimits=answered(told_so))
    caught, _ = await stopped(parcel(), server, error)
    assert words in caught.message
    assert caught.proves_absence
    assert server.methods == WHOLE_WAY[:2]


@pytest.mark.parametrize(
    "answer", [refused(404, "NotFound"), answered("<html>", 502), refused(401, "BadJwt"), answered("[]"), answered({})]
)
async def test_limits_that_nobody_tells_hinder_nothing(answer: Answer) -> None:
    server = service(getUploadLimits=answer)
    await prepare(parcel(), server)
    assert server.methods == WHOLE_WAY


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (answered({"jobStatus": {"did": "", "error": "unconfirmed_email", "jobId": "", "state": ""}}, 401), Rejected,
         "e-mail"),
        (refused(400, "VideoTooLarge"), Rejected, "too large"),
        (answered("<html>", 413), Rejected, "too large"),
        (refused(400, "VideoTooLong"), Rejected, "too long"),
        (refused(400, "BadAspectRatio"), Rejected, "shape"),
        (refused(400, "UnsupportedContentType"), Rejected, "kind"),
        (refused(403, "UploadForbidden"), Rejected, "support"),
        (refused(400, "DailyLimitExceeded", "25 a day"), RateLimited, "25 a day"),
        (refused(400, "TooManyOpenUploads"), RateLimited, "no more videos"),
        (refused(429, "RateLimitExceeded", "slower", {"retry-after": "90"}), RateLimited, "slower"),
    ],
)  # fmt: skip
async def test_refusals_that_say_why(answer: Answer, error: type[PlatformError], words: str) -> None:
    caught, save = await stopped(parcel(), service(uploadVideo=answer), error)
    assert words in caught.message
    assert caught.proves_absence
    assert "videos" not in save.last
    if isinstance(caught, RateLimited):
        assert caught.until == (NOW + timedelta(seconds=90) if answer.status == 429 else None)


async def test_a_rate_limit_while_asking_keeps_the_job() -> None:
    _, save = await stopped(parcel(), service(getJobStatus=refused(429, "RateLimitExceeded")), RateLimited)
    assert state_in(save) == {"jobId": "job1"}


@pytest.mark.parametrize(
    ("now", "sent", "hands_over"),
    [
        (NOW + timedelta(minutes=44), None, False),
        (NOW + timedelta(minutes=46), None, True),
        (NOW + timedelta(minutes=1), NOW + timedelta(seconds=1), True),  # a call with it did not end well
        (NOW + timedelta(minutes=1), NOW - timedelta(seconds=1), False),
    ],
)
async def test_a_video_that_may_be_gone_is_handed_over_once_more(now: Any, sent: Any, hands_over: bool) -> None:
    of = parcel()
    handles, save = await prepare(of, service())
    server = service(uploadVideo=answered({**job("COMPLETED", blob=FILM), "error": "already_exists"}, 409))
    later = replace(of, checkpoint=save.last, now=now, first_sent_at=sent)
    again, saved = await prepare(later, server)
    assert server.methods == (WHOLE_WAY[:-1] if hands_over else [])
    assert again == handles
    silent = Server()
    await prepare(replace(later, checkpoint=saved.last or save.last), silent)
    assert silent.asked == []


async def test_another_blob_makes_another_record_of_the_same_key_and_time() -> None:
    of, other = parcel(), {**blob("other"), "mimeType": "video/mp4"}
    handles, save = await prepare(of, service())
    later = replace(of, checkpoint=save.last, now=NOW + timedelta(hours=2))
    again, _ = await prepare(later, service(getJobStatus=told("COMPLETED", blob=other)))
    assert again["record"]["embed"]["video"] == other
    assert (again["rkey"], again["record"]["createdAt"]) == (handles["rkey"], handles["record"]["createdAt"])


async def test_without_a_service_the_film_goes_straight_to_the_accounts_server() -> None:
    of, server = parcel(), Server({"uploadBlob": answered({"blob": FILM})})
    handles, save = await prepare(of, server, STRAIGHT)
    (request,) = server.asked
    assert request.url == f"{HOST}/xrpc/com.atproto.repo.uploadBlob"
    assert request.headers == {"Authorization": "Bearer access", "Content-Type": "video/mp4"}
    assert isinstance(request.body, Stream)
    assert b"".join([piece async for piece in request.body.open()]) == filmed().content
    assert handles["record"]["embed"]["video"] == FILM
    silent = Server()
    again, _ = await prepare(replace(of, checkpoint=save.last), silent, STRAIGHT)
    assert (again, silent.asked) == (handles, [])


async def test_a_video_leaves_no_room_for_a_card() -> None:
    server = service()
    of = parcel()
    linking = replace(of, content=replace(of.content, text="https://a.com"))
    handles, _ = await prepare(linking, server)
    assert server.fetched == []
    assert handles["record"]["embed"]["$type"] == "app.bsky.embed.video"
