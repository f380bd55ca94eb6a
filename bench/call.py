"""The one call that every contestant makes for a job. Needs the standard library alone; it sends nothing itself."""

import json

PATH = "/api/v1/statuses"
BODY_BYTES = 1024
TIMEOUT_SECONDS = 30.0
_WORDS = "bread morning river garden season letter harbour workshop winter market light "
_AROUND = len(json.dumps({"status": ""}))


def text_of(name: str) -> str:
    """What the post says: the job's name, and words until the body has its 1 KB."""
    left = BODY_BYTES - _AROUND - len(name) - 1
    return f"{name} {(_WORDS * (left // len(_WORDS) + 1))[:left]}"


def body_of(name: str) -> bytes:
    """The body of the request, 1,024 bytes of JSON."""
    return json.dumps({"status": text_of(name)}).encode()


def headers_of(name: str, account: int) -> dict[str, str]:
    """The headers of the request: whose account it is, and the key under which a repeat is harmless."""
    return {"Authorization": f"Bearer {token_of(account)}", "Content-Type": "application/json", "Idempotency-Key": name}


def token_of(account: int) -> str:
    """The access token of an account; each that the ledger is shown is an account of its own."""
    return f"account-{account}"
