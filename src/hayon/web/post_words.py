"""What pages say of a post on its way: when it goes out, whose turn it is, how a try ended. Nothing is decided here."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hayon.domain.lifecycle import PostStatus, TargetStatus, WaitsFor
from hayon.web.posts_view import AttemptOut, PlatformStatus, PostOut

WHOSE_RULE = {
    WaitsFor.PLATFORM: "{name} asks us to wait until then.",
    WaitsFor.PAUSE: "That is our own pause between {what}; {name} named no time.",
    WaitsFor.ALLOWANCE: "That is its turn within what {name} lets this account do.",
    WaitsFor.APP: "Until then, what {name} lets all accounts of this Hayon do together is used up.",
    WaitsFor.HOST: "{name} cannot be reached from here; one post at a time asks whether it can again.",
    WaitsFor.QUIET: "Until then it may still appear on {name}, and not seeing it proves nothing.",
}
ENDED = {
    "published": "Published", "not_yet": "Not ready yet", "rate_limited": "Asked to wait", "unreachable": "Not reached",
    "unavailable": "It did not work", "expired": "The access had run out", "rejected": "Refused", "disconnected": "Disconnected",
    "too_late": "Too late by its own rule", "overtaken": "Overtaken by a change", "interrupted": "Interrupted here",
    "unconfirmed": "No answer to trust", "lease_lost": "The worker was lost", "absent": "It was not there",
    "restored": "A backup was restored",
}  # fmt: skip
SETTLED = {
    "receipt": "settled by proof that it is there", "refusal": "settled by a refusal: nothing went out",
    "absence": "settled by looking: it was not there", "person": "settled by what you said",
}  # fmt: skip


def whose_rule(target: PlatformStatus, name: str) -> str:
    """Whose rule it is that this waits; nothing where it is its author's, or nobody's. `name` is the platform's."""
    what = "looks" if target.status is TargetStatus.UNCONFIRMED else "tries"
    return WHOSE_RULE.get(target.waits_for, "").format(name=name, what=what) if target.waits_for else ""


def may_stop(target: PlatformStatus) -> bool:
    """Whether there is anything to stop."""
    return (
        target.status in {TargetStatus.PENDING, TargetStatus.PROCESSING, TargetStatus.UNCONFIRMED}
        and not target.stop_asked
    )


def retry_word(target: PlatformStatus, now: datetime) -> str:
    """What the button says that does it sooner or once more; nothing where neither can be."""
    if target.status is TargetStatus.FAILED:
        return "Try again"
    if target.stop_asked or target.held_since or target.due_at is None or target.due_at <= now:
        return ""
    if target.status is TargetStatus.UNCONFIRMED:
        return "Look now"
    tried = target.attempt_count or target.waits_for is WaitsFor.ALLOWANCE
    return "Try now" if target.status is TargetStatus.PENDING and tried else ""


def stoppable(post: PostOut) -> bool:
    """Whether anything of the post can be stopped."""
    return any(may_stop(target) for target in post.platform_statuses)


def sooner(post: PostOut, now: datetime) -> bool:
    """Whether any of it can be tried sooner, or once more."""
    return any(retry_word(target, now) for target in post.platform_statuses)


def when_of(post: PostOut) -> tuple[str, datetime]:
    """What the time of a post in a list is, in a word, and the time."""
    out = [one.published_at for one in post.platform_statuses if one.published_at]
    if out and post.status in {PostStatus.COMPLETED, PostStatus.PARTIAL_SUCCESS}:
        return "published", min(out)
    if post.status is PostStatus.DRAFT and not post.scheduled_at:
        return "kept", post.updated_at
    if post.scheduled_at:
        return "for", post.scheduled_at
    return "taken in", post.created_at


def ended_in_words(attempt: AttemptOut) -> str:
    """What ended a try; while nothing did, that it is under way."""
    return ENDED.get(attempt.ended, attempt.ended) if attempt.ended else "Under way"


def settled_in_words(attempt: AttemptOut) -> str:
    """What answered the question that a try's call had left open."""
    return SETTLED.get(attempt.answered_by or "", attempt.answered_by or "")


def in_seconds(seconds: float) -> str:
    """A length, as short as it can be said."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def option_lines(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each option that was set, and to what."""
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in options.items()
    ]


WORDS: dict[str, Any] = {
    "whose_rule": whose_rule, "may_stop": may_stop, "retry_word": retry_word, "when_of": when_of, "stoppable": stoppable, "sooner": sooner,
    "ended_in_words": ended_in_words, "settled_in_words": settled_in_words, "in_seconds": in_seconds,
    "option_lines": option_lines,
}  # fmt: skip
