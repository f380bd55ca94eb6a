"""JWTs of the simulated PDS: HS256, issued and read here only. Clients are told to treat them as opaque."""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

ACCESS = "com.atproto.access"
APP_PASSWORD = "com.atproto.appPass"  # noqa: S105 - the name of a scope
REFRESH = "com.atproto.refresh"


class TokenError(ValueError):
    """The text is no token of this PDS."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says about itself."""

    scope: str
    did: str
    jti: str
    expires_at: float
    generation: int

    @property
    def is_access(self) -> bool:
        """Good for ordinary calls."""
        return self.scope in (ACCESS, APP_PASSWORD)


def sign(key: bytes, claims: Claims, issued_at: float) -> str:
    """The token as text. Times in a token are whole seconds."""
    kind = "refresh+jwt" if claims.scope == REFRESH else "at+jwt"
    payload = {
        "scope": claims.scope,
        "sub": claims.did,
        "aud": "did:web:sandbox.invalid",
        "iat": int(issued_at),
        "exp": int(claims.expires_at),
        "jti": claims.jti,
        "gen": claims.generation,
    }
    unsigned = f"{_coded({'typ': kind, 'alg': 'HS256'})}.{_coded(payload)}"
    return f"{unsigned}.{_signature(key, unsigned)}"


def read(key: bytes, token: str) -> Claims:
    """The claims of a token whose signature is ours; whether it has expired is the caller's question. TokenError."""
    try:
        unsigned, signature = token.rsplit(".", 1)
        payload = json.loads(_uncoded(unsigned.split(".")[1]))
    except (ValueError, IndexError, binascii.Error) as error:
        raise TokenError("not a JWT") from error
    if not hmac.compare_digest(signature.encode(), _signature(key, unsigned).encode()):
        raise TokenError("the signature is not ours")
    return Claims(payload["scope"], payload["sub"], payload["jti"], float(payload["exp"]), payload["gen"])


def _coded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _uncoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signature(key: bytes, unsigned: str) -> str:
    digest = hmac.new(key, unsigned.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
