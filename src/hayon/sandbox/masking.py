"""What of a request may be shown in the log: everything but its secrets, and not more than a screenful."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

SHOWN_HEADERS = ("content-type", "content-length", "idempotency-key", "user-agent", "accept")
SECRET = re.compile(r"password|secret|token|jwt|^code|verifier", re.IGNORECASE)
MASK = "•••"
CHARACTERS_KEPT = 2_000


def headers_shown(headers: Mapping[str, str]) -> dict[str, str]:
    """The telling headers, and of the credential only its scheme."""
    shown = {name: headers[name] for name in SHOWN_HEADERS if name in headers}
    if "authorization" in headers:
        shown["authorization"] = f"{headers['authorization'].split(' ')[0]} {MASK}"
    return shown


def query_shown(query: str) -> str:
    """The query string without its secrets."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(f"{name}={MASK if SECRET.search(name) else value}" for name, value in pairs)


def body_shown(content_type: str, body: bytes) -> Any:
    """A JSON or form body without its secrets, shortened; of anything else its type and size."""
    if not body:
        return None
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if len(body) > CHARACTERS_KEPT * 4:
        return f"<{len(body)} bytes {kind}>"
    if kind == "application/json":
        try:
            shown: Any = _masked(json.loads(body))
        except ValueError:
            return "<not JSON>"
        return shown if len(body) <= CHARACTERS_KEPT else json.dumps(shown, ensure_ascii=False)[:CHARACTERS_KEPT]
    if kind == "application/x-www-form-urlencoded":
        return query_shown(body.decode("utf-8", "replace"))[:CHARACTERS_KEPT]
    return f"<{len(body)} bytes {kind}>"


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: MASK if SECRET.search(name) and isinstance(held, str) else _masked(held)
            for name, held in value.items()
        }
    return [_masked(held) for held in value] if isinstance(value, list) else value
