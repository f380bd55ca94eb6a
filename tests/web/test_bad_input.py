"""What does not fit is refused with the platform, the field and what to do; nothing of it is written, nothing of it breaks us."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.web.house import House, Visitor

NOBODY = str(uuid4())
DEEP: Any = "x"
for _ in range(20):
    DEEP = [DEEP]

POSTS: list[tuple[str, dict[str, Any], set[tuple[str, str]], str]] = [
    ("too long", {"content": {"text": "x" * 317}}, {("text", "too_long")}, "17 too many"),
    ("nothing", {"content": {"text": " "}}, {("text", "empty")}, "nothing to publish"),
    ("unknown platform", {"selectedPlatforms": ["friendster"]}, {("selectedPlatforms[0]", "unknown_platform")}, "friendster"),
    ("no account", {"selectedPlatforms": ["mastodon"]}, {("selectedPlatforms[0]", "no_account")}, "mastodon"),
    ("unknown account", {"accountIds": [NOBODY]}, {("accountIds[0]", "no_account")}, "no such account"),
    ("nowhere", {"selectedPlatforms": []}, {("selectedPlatforms", "none_selected")}, "at least one"),
    ("past", {"scheduledAt": "2020-01-01T00:00:00Z"}, {("scheduledAt", "past")}, "past"),
    ("far", {"scheduledAt": "2099-01-01T00:00:00Z"}, {("scheduledAt", "too_far")}, "five years"),
    ("no time", {"scheduledAt": "tomorrow"}, {("scheduledAt", "not_a_time")}, "no time"),
    ("zone", {"timezone": "Mars/Olympus"}, {("timezone", "unknown_timezone")}, "Mars/Olympus"),
    ("zone path", {"timezone": "../../etc/passwd"}, {("timezone", "unknown_timezone")}, "no time zone"),
    ("skipped hour", {"scheduledAt": "2027-03-28T02:30", "timezone": "Europe/Berlin"}, {("scheduledAt", "skipped_hour")}, "does not exist"),
    ("doubled hour", {"scheduledAt": "2027-10-31T02:30", "timezone": "Europe/Berlin"}, {("scheduledAt", "doubled_hour")}, "exists twice"),
    ("no media", {"content": {"text": "a", "mediaItems": [{"mediaId": NOBODY}]}}, {("content.mediaItems[0].mediaId", "no_media")}, "upload it first"),
    ("unknown option", {"content": {"text": "a", "options": {"sparkle": 1}}}, {("options.sparkle", "unknown_option")}, "sparkle"),
    ("stray override", {"platformSpecificContent": {"tumblr": {}}}, {("platformSpecificContent.tumblr", "not_selected")}, "tumblr"),
    ("override too long", {"platformSpecificContent": {"bluesky": {"text": "x" * 301}}}, {("text", "too_long")}, "1 too many"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "rules", "words"), [case[1:] for case in POSTS], ids=[case[0] for case in POSTS])
async def test_a_post_that_breaks_a_rule(
    ada: Visitor, change: dict[str, Any], rules: set[tuple[str, str]], words: str
) -> None:
    given = {"content": {"text": "fine"}, "selectedPlatforms": ["bluesky"]} | change
    answer = await ada.post("/api/posts", given)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json
    assert answer.rules == rules
    assert words in told["problems"][0]["message"]
    assert (told["status"], told["type"]) == (422, "urn:hayon:problem:invalid")
    assert told["correlationId"] == answer.headers["X-Correlation-Id"]
    assert (await ada.get("/api/posts")).json["posts"] == []


async def test_a_problem_names_the_platform_and_the_account(house: House, ada: Visitor) -> None:
    mastodon = await house.account(ada, "mastodon", "ada@social.test")
    given = {"content": {"text": "x" * 501}, "selectedPlatforms": ["bluesky", "mastodon"]}
    told = (await ada.post("/api/posts", given)).json["problems"]
    assert [one["platform"] for one in told] == ["bluesky", "mastodon"]
    assert told[1]["accountId"] == str(mastodon)
    assert "1 too many" in told[1]["message"]


SHAPES: list[tuple[str, Any, str]] = [
    ("nothing", {}, "content"),
    ("misspelt", {"content": {}, "selectedPlatform": ["bluesky"]}, "selectedPlatform"),
    ("snake", {"content": {}, "selected_platforms": []}, "selected_platforms"),
    ("list", [], "body"),
    ("text is no text", {"content": {"text": 5}}, "content.text"),
    ("too much text", {"content": {"text": "x" * 100_001}}, "content.text"),
    ("NUL", {"content": {"text": "a\x00b"}}, "content.text"),
    ("too many media", {"content": {"mediaItems": [{"mediaId": NOBODY}] * 51}}, "content.mediaItems"),
    ("media id", {"content": {"mediaItems": [{"mediaId": "x"}]}}, "content.mediaItems[0].mediaId"),
    ("NUL in an option", {"content": {"options": {"a": {"b": "\x00"}}}}, "content.options"),
    ("NUL in a name", {"content": {"options": {"\x00": 1}}}, "content.options"),
    ("huge number", {"content": {"options": {"a": 10**30}}}, "content.options"),
    ("infinity", {"content": {"options": {"a": float("inf")}}}, "content.options"),
    ("nested", {"content": {"options": {"a": DEEP}}}, "content.options"),
    ("many options", {"content": {"options": {str(n): 1 for n in range(101)}}}, "content.options"),
    ("long option", {"content": {"options": {"a": "x" * 10_001}}}, "content.options"),
    ("lateness", {"content": {}, "maxLatenessSeconds": -1}, "maxLatenessSeconds"),
    ("lateness is no number", {"content": {}, "maxLatenessSeconds": True}, "maxLatenessSeconds"),
    ("lateness beyond", {"content": {}, "maxLatenessSeconds": 2**31}, "maxLatenessSeconds"),
    ("draft is no flag", {"content": {}, "draft": "yes"}, "draft"),
    ("accounts", {"content": {}, "accountIds": ["x"]}, "accountIds[0]"),
    ("platform name", {"content": {}, "selectedPlatforms": [""]}, "selectedPlatforms[0]"),
]


@pytest.mark.parametrize(("given", "field"), [case[1:] for case in SHAPES], ids=[case[0] for case in SHAPES])
async def test_a_misshapen_post(ada: Visitor, given: Any, field: str) -> None:
    answer = await ada.post("/api/posts", given)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert field in {one["field"] for one in answer.json["problems"]}


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff", b'"\\ud800"', b'{"content": {"text": "\\ud800"}}', b"nul", b"", b'{"\\ud800": 1}', b"NaN"]
)
async def test_a_body_that_is_no_json(ada: Visitor, raw: bytes) -> None:
    answer = await ada.ask("POST", "/api/posts", data=raw, headers={"Content-Type": "application/json"})
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    json.loads(answer.text)


async def test_a_refusal_does_not_repeat_secrets(house: House) -> None:
    given = {"email": "ada", "password": "hunter2" * 40, "name": 5}
    answer = await house.visitor().post("/api/auth/register", given)
    assert answer.status == 422
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "ada", "password": "long enough it is"}, "email"),
        ({"email": "a b@c", "password": "long enough it is"}, "email"),
        ({"email": "a@b@c", "password": "long enough it is"}, "email"),
        ({"email": "a@b.c", "password": "short"}, "password"),
        ({"email": "a@b.c", "password": "x" * 201}, "password"),
        ({"email": "a@b.c", "password": "long enough it is", "timezone": "Mars"}, "timezone"),
        ({"email": "a@b.c", "password": "long enough it is", "isAdmin": True}, "isAdmin"),
    ],
)
async def test_registering_badly(house: House, given: dict[str, Any], field: str) -> None:
    answer = await house.visitor().post("/api/auth/register", given)
    assert answer.status == 422
    assert field in {one["field"] for one in answer.json["problems"]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/posts?limit=0"), ("GET", "/api/posts?limit=101"), ("GET", "/api/posts?status=GONE"),
        ("GET", "/api/posts/not-an-id"), ("GET", "/api/notices?limit=x"), ("DELETE", "/api/keys/%00"),
        ("POST", "/api/posts?dryRun=perhaps"),
    ],
)  # fmt: skip
async def test_a_bad_address(ada: Visitor, method: str, path: str) -> None:
    body = {"content": {"text": "a"}} if method == "POST" else None
    answer = await ada.ask(method, path, body)
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")


async def test_an_idempotency_key_is_bounded(ada: Visitor) -> None:
    given = {"content": {"text": "fine"}, "selectedPlatforms": ["bluesky"]}
    for key in ("x" * 201, "a b", "é"):
        answer = await ada.post("/api/posts", given, headers={"Idempotency-Key": key})
        assert answer.status == 422
        assert answer.json["problems"] == [
            {"field": "Idempotency-Key", "rule": "format",
             "message": "Idempotency-Key takes 1 to 200 visible ASCII characters."},
        ]  # fmt: skip


SAID: list[tuple[str, Any, str, str, str]] = [
    ("list", [], "body", "type", "The body must be a JSON object."),
    ("no list", {"content": {}, "accountIds": {}}, "accountIds", "type", "'accountIds' must be a list."),
    ("no object", {"content": []}, "content", "type", "'content' must be a JSON object."),
    ("no options", {"content": {"options": []}}, "content.options", "type", "'content.options' must be a JSON object."),
    ("no text", {"content": {"text": 5}}, "content.text", "type", "'content.text' must be text."),
    ("no flag", {"content": {}, "draft": "yes"}, "draft", "type", "'draft' must be true or false."),
    ("no number", {"content": {}, "maxLatenessSeconds": True}, "maxLatenessSeconds", "type", "'maxLatenessSeconds' must be a whole number."),
    ("below", {"content": {}, "maxLatenessSeconds": -1}, "maxLatenessSeconds", "too_small", "'maxLatenessSeconds' must be at least 0."),
    ("beyond", {"content": {}, "maxLatenessSeconds": 2**31}, "maxLatenessSeconds", "too_large", "'maxLatenessSeconds' must be at most 31,622,400."),
    ("empty", {"content": {}, "scheduledAt": ""}, "scheduledAt", "too_short", "'scheduledAt' must not be empty."),
    ("long", {"content": {"text": "x" * 100_001}}, "content.text", "too_long", "'content.text' takes at most 100,000 characters."),
    ("many", {"content": {}, "selectedPlatforms": ["a"] * 51}, "selectedPlatforms", "too_long", "'selectedPlatforms' takes at most 50 entries."),
    ("missing", {}, "content", "missing", "'content' is missing."),
    ("extra", {"content": {}, "txt": 1}, "txt", "extra", "There is no field 'txt' here."),
    ("id", {"content": {}, "accountIds": ["x"]}, "accountIds[0]", "not_an_id", "'accountIds[0]' must be an id, as in 0198c2f4-7d1e-7c3a-9b52-3f6a1c0d8e4b."),
    ("NUL", {"content": {"text": "\x00"}}, "content.text", "value", "'content.text' must not contain NUL or half a surrogate pair."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "field", "rule", "message"), [case[1:] for case in SAID], ids=[case[0] for case in SAID]
)
async def test_a_misshapen_post_is_told_in_plain_sentences(
    ada: Visitor, given: Any, field: str, rule: str, message: str
) -> None:
    problems = (await ada.post("/api/posts", given)).json["problems"]
    assert problems == [{"field": field, "rule": rule, "message": message}]


@pytest.mark.parametrize(
    ("given", "field", "rule", "message"),
    [
        ({"lookedAt": "yesterday"}, "lookedAt", "not_a_time", "'lookedAt' must be a time, as in 2030-03-29T14:30:00+02:00."),
        ({"lookedAt": "2030-03-29T14:30:00"}, "lookedAt", "no_offset", "'lookedAt' needs an offset from UTC, as in 2030-03-29T14:30:00+02:00."),
        ({"outcome": "perhaps"}, "outcome", "unknown_value", "'outcome' must be one of 'published', 'absent'."),
    ],
)  # fmt: skip
async def test_a_misshapen_answer_is_told_in_plain_sentences(
    ada: Visitor, given: dict[str, str], field: str, rule: str, message: str
) -> None:
    answer = {"targetId": NOBODY, "attemptId": NOBODY, "outcome": "absent"} | given
    problems = (await ada.post(f"/api/posts/{NOBODY}/resolve", answer)).json["problems"]
    assert problems == [{"field": field, "rule": rule, "message": message}]


async def test_broken_json_is_told_as_such(ada: Visitor) -> None:
    answer = await ada.ask("POST", "/api/posts", data=b'{"content": }', headers={"Content-Type": "application/json"})
    (problem,) = answer.json["problems"]
    assert (problem["field"], problem["rule"]) == ("body", "not_json")
    assert problem["message"] == "This is not JSON: expecting value (at character 13)."
    nothing = await ada.ask("POST", "/api/posts", data=b"", headers={"Content-Type": "application/json"})
    assert nothing.json["detail"] == "The body is missing."


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("path", ["/api/posts", "/api/posts/{nobody}/cancel", "/api/accounts/bluesky"])
async def test_a_body_that_is_not_called_json(ada: Visitor, path: str, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    skipped = {} if kind else {"skip_auto_headers": ["Content-Type"]}
    answer = await ada.ask(
        "POST", path.format(nobody=NOBODY), data=b'{"content": {"text": "a"}}', headers=headers, **skipped
    )
    assert answer.status == 422
    assert answer.rules == {("Content-Type", "content_type")}
    assert "Content-Type: application/json" in answer.json["detail"]


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/api/posts/nonsense", "This is no id of a post."),
        ("DELETE", "/api/keys/nonsense", "This is no id of a key."),
        ("DELETE", "/api/accounts/nonsense", "This is no id of an account."),
        ("POST", "/api/notices/nonsense/read", "This is no id of a notice."),
    ],
)
async def test_an_address_with_no_id(ada: Visitor, method: str, path: str, message: str) -> None:
    answer = await ada.ask(method, path)
    assert (answer.status, answer.json["detail"]) == (422, message)
    assert answer.json["problems"][0]["rule"] == "not_an_id"
