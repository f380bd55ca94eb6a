"""What schemathesis is told beside the OpenAPI document, loaded by schemathesis itself: bodies that are taken in, so that its
walk along the links has something to follow, and a check of its answers to a stranger.

HAYON_TEST_OWNED names a file with the ids and words that are another's; HAYON_TEST_TOLD one for what was answered.
"""

import json
import os
from pathlib import Path
from typing import Any

import schemathesis

TOLD = Path(os.environ["HAYON_TEST_TOLD"])
OWNED = json.loads(Path(os.environ["HAYON_TEST_OWNED"]).read_text(encoding="utf-8"))
TAKEN = {
    "POST /api/posts": {"content": {"text": "made up"}, "selectedPlatforms": ["bluesky"], "draft": True},
    "POST /api/{platform}/post": {"text": "made up", "scheduledAt": "2030-01-01T00:00:00Z"},
    "POST /api/keys": {"name": "made up"},
    "POST /api/media/uploads": {"mimeType": "image/png", "size": 100},
    "POST /api/webhooks": {"url": "https://hook.example/made-up"},
    "POST /api/accounts/{platform}/connect": {},
}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Every other body of a call that makes something is one that is taken in."""
    taken = TAKEN.get(context.operation.label)
    return body if taken is None or len(json.dumps(body, default=str)) % 4 == 0 or OWNED["ids"] else taken


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """A platform that there is an account on."""
    if path_parameters and context.operation.label == "POST /api/{platform}/post" and not OWNED["ids"]:
        return {"platform": "bluesky"}
    return path_parameters


@schemathesis.check
def gives_nothing_of_anothers(ctx: Any, response: Any, case: Any) -> None:
    """Who asks about another's things is told that there are none; and nowhere stands a word of theirs."""
    named = set((case.path_parameters or {}).values()) & set(OWNED["ids"])
    with TOLD.open("a", encoding="utf-8") as told:
        told.write(f"{case.operation.label} {response.status_code} {bool(named)}\n")
    for word in OWNED["words"]:
        assert word not in response.text, f"{case.operation.label} tells {word!r}"
    # what does not fit is refused before anybody looks whose it is
    assert not named or response.status_code in {403, 404, 422}, f"{case.operation.label}: {response.status_code}"
