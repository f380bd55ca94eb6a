"""AWS Signature Version 4 as S3 wants it: signs requests and addresses. Sends nothing and reads no clock.

docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

LONGEST = timedelta(days=7)
"""No address may be good for longer; servers refuse it."""
NOTHING = hashlib.sha256(b"").hexdigest()
"""The hash of an empty body."""
_UNSIGNED = "UNSIGNED-PAYLOAD"
_METHOD = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Signer:
    """The keys of somebody who may use a bucket. Addresses must be written as `encoded` writes them, with no default port."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def headers(
        self, method: str, url: str, headers: Mapping[str, str], body_hash: str, now: datetime
    ) -> dict[str, str]:
        """The headers to send: those given and the signature over all of them. `body_hash` is SHA-256, in hex."""
        stamp = _stamp(now)
        all_headers = {**headers, "x-amz-content-sha256": body_hash, "x-amz-date": stamp}
        names, signature = self._sign(method, url, all_headers, body_hash, stamp)
        all_headers["Authorization"] = (
            f"{_METHOD} Credential={self.access_key}/{self._scope(stamp)}, SignedHeaders={names}, Signature={signature}"
        )
        return all_headers

    def url(self, method: str, url: str, headers: Mapping[str, str], lasts: timedelta, now: datetime) -> str:
        """An address at which anybody may do this one thing, with exactly these headers, from now on for so long.

        The bytes of a body are not bound; its length is where `content-length` is among the headers.
        """
        stamp = _stamp(now)
        query = {
            "X-Amz-Algorithm": _METHOD,
            "X-Amz-Credential": f"{self.access_key}/{self._scope(stamp)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(max(1, int(min(lasts, LONGEST).total_seconds()))),
            "X-Amz-SignedHeaders": _names(_canonical(url, headers)),
        }
        joint = "&" if urlsplit(url).query else "?"
        url = f"{url}{joint}{encoded(query)}"
        return f"{url}&X-Amz-Signature={self._sign(method, url, headers, _UNSIGNED, stamp)[1]}"

    def _sign(self, method: str, url: str, headers: Mapping[str, str], body_hash: str, stamp: str) -> tuple[str, str]:
        """The names of the headers signed, and the signature."""
        parts, canonical = urlsplit(url), _canonical(url, headers)
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(canonical.items()))
        # by name, then by value: sorted as whole words, a-b would come before a
        query = "&".join("=".join(pair) for pair in sorted(_pairs(parts.query)))
        request = "\n".join((method, parts.path or "/", query, lines, _names(canonical), body_hash))
        hashed = hashlib.sha256(request.encode()).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for word in self._scope(stamp).split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        told = "\n".join((_METHOD, stamp, self._scope(stamp), hashed))
        return _names(canonical), hmac.digest(key, told.encode(), "sha256").hex()

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/s3/aws4_request"


def encoded(query: Mapping[str, str]) -> str:
    """A query as it is sent and signed."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _canonical(url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are signed, Host among them, spelt as the signature wants them."""
    return {"host": urlsplit(url).netloc} | {name.lower(): " ".join(value.split()) for name, value in headers.items()}


def _names(canonical: Mapping[str, str]) -> str:
    return ";".join(sorted(canonical))


def _pairs(query: str) -> list[tuple[str, str]]:
    """`?cors` is signed as `?cors=`."""
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part)]
