"""How the writing form looks so far: lengths, findings beside what mends them, previews, and words cut to fit. Nothing is kept."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from hayon.delivery.submit import Fit
from hayon.domain.model import Media
from hayon.errors import Invalid, NotFound, Problem
from hayon.web import posts
from hayon.web.accounts import AccountOut, account_out
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.marking import Marked, cut, mark_up
from hayon.web.pages_draft import Draft, find_draft, read_draft
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, shape
from hayon.web.pages_options import tables_of
from hayon.web.pages_view import render
from hayon.web.pages_when import When, when_facts
from hayon.web.posts_schema import PostIn, as_handed

router = APIRouter(route_class=PageRoute, include_in_schema=False)

FILES_SHOWN = 10
IN_A_GRID = 4
ARRANGED = {"bluesky": "grid", "mastodon": "grid", "facebook": "grid", "threads": "strip", "instagram": "carousel"}
"""How several files stand together: side by side, in a strip that moves, one at a time; elsewhere each in a row of its own."""
UNTOLD = {"empty", "media_required", "none_selected"}
"""What is missing from a form in which nothing is said yet: no mistake of anybody."""
AUDIENCES = {"unlisted": "Quiet public", "private": "Followers only", "direct": "Only those mentioned"}
"""What Mastodon calls its visibilities, but for the usual one."""
LABELS = {
    "sexual": "Sexually suggestive", "nudity": "Non-sexual nudity", "porn": "Adult content", "graphic-media": "Graphic media",
}  # fmt: skip
"""What Bluesky's app calls the warnings that an author gives."""
PLACES = {
    "text": "text", "mediaItems": "media", "altText": "media", "scheduledAt": "schedule", "timezone": "schedule",
    "hour": "schedule", "maxLatenessSeconds": "schedule",
}  # fmt: skip
"""Where in the form a field is mended."""
_FIELD = re.compile(r"(?:content\.|platformSpecificContent\.(?P<of>[^.\[]+)\.)?(?P<name>\w+)(?:\[(?P<index>\d+)\])?")


@dataclass(frozen=True, slots=True)
class Counter:
    """How long the words are on one account, as its platform counts. `over`: by how much too long; `too_long` for any reason.

    `offers`: the button that shortens stands here, once for each platform.
    """

    account: AccountOut
    platform_name: str
    length: int
    limit: int
    over: int
    too_long: bool
    offers: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence beside the field that it is about. `mild`: something to know, which stops nothing."""

    words: str
    mild: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One file of a preview; `media` is None while nothing is known of it."""

    media_id: UUID
    alt_text: str
    media: Media | None

    @property
    def is_video(self) -> bool:
        """Whether it is a video; what is not known is shown as a picture."""
        return self.media is not None and self.media.is_video


@dataclass(frozen=True, slots=True)
class Beside:
    """What a platform shows beside words and files: a heading above them, tags below, who sees it or what it is about.

    `warning` stands before everything, `veil` before the files. `wordless`: a story.
    """

    heading: str = ""
    tags: Sequence[str] = ()
    note: str = ""
    warning: str = ""
    veil: str = ""
    wordless: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What a post will look like on one account. `arranged` says how its files stand; `more_files` are not shown."""

    account: AccountOut
    platform_name: str
    words: Marked
    files: Sequence[Shown]
    more_files: int
    arranged: str
    card_host: str
    beside: Beside
    wants_media: bool


@dataclass(frozen=True, slots=True)
class Look:
    """All that is shown of the form as it stands. `findings` by the place where they are mended."""

    counters: Sequence[Counter] = ()
    previews: Sequence[Preview] = ()
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    cards: Sequence[str] = ()
    """The platforms whose options are in the form."""

    def at(self, place: str) -> Sequence[Finding]:
        """What is found at one place."""
        return self.findings.get(place, ())


@router.post("/compose/look")
async def look(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """The form as it stands, looked at: the preview, and the parts that stand beside its fields."""
    draft = await _draft_in(desk, me, form)
    when = when_facts(draft, me.person.timezone)
    seen = await look_at(desk, me, draft, when)
    return HTMLResponse(render("looked.html", look=seen, when=when))


@router.post("/compose/shorten")
async def shorten(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """The words for one platform, cut so that all chosen accounts there take them."""
    draft, platform = await _draft_in(desk, me, form), form.text("platform")
    handed = as_handed(shape(PostIn, draft.body(keep=False)), me.person.timezone)
    fits, _ = await desk.hayon.submission.dry_run(me.person.id, handed, try_out=False)
    there = [fit for fit in fits if fit.account.platform == platform]
    if not there:
        return PlainTextResponse("Choose an account there first.", 422)
    tables = [(fit.rules, fit.content.options) for fit in there]
    words = await asyncio.to_thread(cut, there[0].content.text, tables)
    if words is None:
        name = there[0].rules.name
        return PlainTextResponse(
            f"What it begins with is too long for {name} already. Write something shorter for it.", 422
        )
    return PlainTextResponse(words)


async def look_at(desk: Desk, me: Caller, draft: Draft, when: When) -> Look:
    """Everything to show of this draft. Asks what the API's dry run asks, but fetches nothing."""
    try:
        handed = as_handed(shape(PostIn, draft.body(keep=False)), me.person.timezone)
    except Invalid as error:
        return Look(findings=_placed(draft, when, error.problems), cards=draft.shown)
    but = draft.kept.post_id if draft.kept else None
    fits, problems, warnings = await posts.rehearse(desk, me, handed, but=but, try_out=False)
    of_rules = [problem for fit in fits for problem in fit.problems]
    accounts = [account_out(desk, fit.account) for fit in fits]
    previews = [] if draft.is_blank else await asyncio.to_thread(lambda: list(map(_preview, accounts, fits)))
    return Look(
        _count(accounts, fits), previews, _placed(draft, when, [*problems, *of_rules], warnings), draft.shown
    )  # fmt: skip


async def _draft_in(desk: Desk, me: Caller, form: Form) -> Draft:
    """The form, with the post it changes beneath it; alone where that is gone, which is told when it is sent."""
    try:
        return await find_draft(desk, me, form)
    except NotFound:
        return read_draft(form, me.person.timezone, tables_of(desk.hayon.platforms))


def _count(accounts: Sequence[AccountOut], fits: Sequence[Fit]) -> list[Counter]:
    counters, offered = [], set()
    for account, fit in zip(accounts, fits, strict=True):
        too_long = not fit.rules.takes(fit.content.text, fit.content.options)
        offers = too_long and account.platform not in offered
        if offers:
            offered.add(account.platform)
        over = max(fit.length - fit.limit, 0)
        counters.append(Counter(account, fit.rules.name, fit.length, fit.limit, over, too_long, offers))
    return counters


def _preview(account: AccountOut, fit: Fit) -> Preview:
    content, known = fit.content, {one.id: one for one in fit.media}
    files = [Shown(use.media_id, use.alt_text, known.get(use.media_id)) for use in content.media]
    arranged = "one" if len(files) == 1 else ARRANGED.get(account.platform, "rows")
    alone = len(files) == 1 and files[0].is_video
    if content.options.get("kind") in ("story", "reel") or (account.platform == "instagram" and alone):
        arranged = "tall"
    if arranged == "grid" and account.platform == "bluesky" and len(files) > IN_A_GRID:
        arranged = "strip"  # a gallery
    shown = files[: IN_A_GRID if arranged == "grid" else FILES_SHOWN]
    card = fit.rules.card(content)
    return Preview(
        account, fit.rules.name, mark_up(content.text, fit.rules, content.options), shown, len(files) - len(shown),
        arranged, _host_of(card) if card else "", _beside(account.platform, content.options), fit.rules.media_required and not files,
    )  # fmt: skip


def _beside(platform: str, options: Mapping[str, Any]) -> Beside:
    """What the options make visible. One of the wrong type is told as a finding, and shows nothing."""

    def text(name: str) -> str:
        value = options.get(name)
        return value.strip() if isinstance(value, str) else ""

    def texts(name: str) -> list[str]:
        value = options.get(name)
        return [one.strip().lstrip("#") for one in value if isinstance(one, str)] if isinstance(value, list) else []

    match platform:
        case "mastodon":
            veil = "Sensitive content" if options.get("sensitive") is True else ""
            return Beside(note=AUDIENCES.get(text("visibility"), ""), warning=text("warning"), veil=veil)
        case "bluesky":
            return Beside(veil=", ".join(LABELS.get(one, one) for one in texts("labels")))
        case "threads":
            topic = text("topicTag").lstrip("#")
            return Beside(note=f"about {topic}" if topic else "")
        case "tumblr":
            return Beside(text("title"), texts("tags"), "Private" if text("visibility") == "private" else "")
    return Beside(wordless=text("kind") == "story")


def _host_of(address: str) -> str:
    """Whose page it is, as cards tell it."""
    try:
        return (urlsplit(address).hostname or "").removeprefix("www.") or address
    except ValueError:
        return address


def _placed(
    draft: Draft, when: When, problems: Sequence[Problem], warnings: Sequence[Problem] = ()
) -> dict[str, list[Finding]]:
    """Each finding at the place where it is mended, once; what belongs nowhere stands with the accounts."""
    told = {when.problem} if when.problem else set()
    findings: list[tuple[str, Finding]] = []
    for problem in problems:
        if draft.is_blank and problem.rule in UNTOLD:
            continue
        if problem.message in told or (when.hours and problem.rule == "doubled_hour"):
            continue  # it stands beside the time already, or is asked there
        place, words = _place(problem, draft)
        findings.append((place, Finding(words)))
    findings += [(_place(problem, draft)[0], Finding(problem.message, mild=True)) for problem in warnings]
    once = sorted(dict.fromkeys(findings), key=lambda one: one[0])
    return {place: [finding for _, finding in found] for place, found in groupby(once, key=lambda one: one[0])}


def _place(problem: Problem, draft: Draft) -> tuple[str, str]:
    """Where a finding is mended, and its words: of several files it says which."""
    found = _FIELD.match(problem.field)
    name = found["name"] if found else ""
    if name == "options":
        platform = problem.platform or (found["of"] if found else "") or ""
        return (f"options-{platform}" if platform in draft.shown else "accounts"), problem.message
    words = problem.message
    if name == "mediaItems" and found and found["index"] and len(draft.pictures) > 1:
        words = f"File {int(found['index']) + 1}: {words}"
    return PLACES.get(name, "accounts"), words
