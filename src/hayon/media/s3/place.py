"""Where a bucket is and who we are there: the words of HAYON_MEDIA_URL read into one value. Asks no server."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

from hayon.errors import Misconfigured
from hayon.media.s3.signing import Signer, encoded
from hayon.outgoing.addresses import read_origin

_FORM = "s3://bucket?endpoint=https://…&region=…"
_WORDS = ("endpoint", "region", "style", "publicUrl")
# docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket of a server that speaks S3. `root` is where its keys begin, without the last slash.

    `public_url` is where anybody may read the bucket's files; empty where nobody may without a signed address.
    """

    bucket: str
    root: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    public_url: str = ""

    @property
    def origins(self) -> tuple[str, ...]:
        """Scheme, host and port of every request to it, the bucket's own first. The operator named them: they are to be trusted."""
        addresses = [urlsplit(one) for one in (self.root, self.public_url) if one]
        return tuple(dict.fromkeys(f"{one.scheme}://{one.netloc}" for one in addresses))

    @property
    def host(self) -> str:
        """The server's name, for people."""
        return urlsplit(self.root).hostname or ""

    @property
    def signer(self) -> Signer:
        """Signs in our name."""
        return Signer(self.access_key, self.secret_key, self.region)

    def address(self, key: str = "", query: Mapping[str, str] | None = None) -> str:
        """The address of a file, or of the bucket itself, spelt as it is signed."""
        url = f"{self.root}/{quote(key, safe='/')}" if key or not urlsplit(self.root).path else self.root
        return f"{url}?{encoded(query)}" if query else url


def read_s3_url(url: str, access_key: str, secret_key: str) -> S3Place:
    """Reads `s3://bucket?endpoint=…&region=…&style=path|virtual&publicUrl=…` and the keys that belong to it.

    Without an endpoint it is Amazon's own, and the region is needed. The style says where the bucket's name stands:
    first in the host name (`virtual`, as Amazon wants it) or first in the path (what others take, too).
    Raises Misconfigured with what to mend.
    """
    bucket, words = _read(url)
    if not access_key.strip() or not secret_key.strip():
        raise Misconfigured(
            "HAYON_MEDIA_URL names a bucket, so HAYON_S3_ACCESS_KEY and HAYON_S3_SECRET_KEY have to be set, too."
        )
    amazon = "endpoint" not in words
    if amazon and "region" not in words:
        raise _wrong("says no region. Add region=… for a bucket at Amazon, or endpoint=https://… for any other server")
    region = words.get("region", "us-east-1")
    if not _REGION.fullmatch(region):
        raise _wrong(f"names the region {region!r}. It looks like eu-central-1, or auto")
    style = words.get("style", "virtual" if amazon else "path")
    if style not in ("path", "virtual"):
        raise _wrong(f"says style={style}. It is path or virtual")
    endpoint = _endpoint(words.get("endpoint", f"https://s3.{region}.amazonaws.com"), bucket)
    public = _address("publicUrl", words["publicUrl"]) if "publicUrl" in words else ""
    return S3Place(bucket, _root(endpoint, bucket, style), region, access_key.strip(), secret_key.strip(), public)


def browsers_origin(address: str) -> str:
    """The origin of an address as browsers write it, and Host headers: in small letters, without a default port."""
    parts = urlsplit(address)
    host = parts.netloc.lower()
    if parts.port == _DEFAULT_PORTS.get(parts.scheme):
        host = host.removesuffix(f":{parts.port}")
    return f"{parts.scheme}://{host}"


def _read(url: str) -> tuple[str, dict[str, str]]:
    """The bucket, and the words of the query. No message repeats the whole: somebody may have put keys into it."""
    try:
        parts = urlsplit(url.strip())
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    except ValueError:
        raise _wrong("cannot be read") from None
    if "@" in parts.netloc or any("@" in value for name, value in given if name in ("endpoint", "publicUrl")):
        raise _wrong("has keys in it. They belong into HAYON_S3_ACCESS_KEY and HAYON_S3_SECRET_KEY")
    if parts.scheme != "s3" or parts.fragment:
        raise _wrong("cannot be read")
    if not _BUCKET.fullmatch(parts.netloc) or ".." in parts.netloc:
        raise _wrong(f"names the bucket {parts.netloc!r}. Buckets have 3 to 63 small letters, digits, dots or hyphens")
    if parts.path not in ("", "/"):
        raise _wrong("goes on behind the bucket's name. Hayon takes the whole bucket; nothing else should be in it")
    for name, value in given:
        if name not in _WORDS:
            raise _wrong(f"says {name}=…. Did you mean {difflib.get_close_matches(name, _WORDS, 1, 0)[0]}=…?")
        if not value or [other for other, _ in given].count(name) > 1:
            raise _wrong(f"has to say {name}=… once, and what it is")
    return parts.netloc, dict(given)


def _endpoint(address: str, bucket: str) -> str:
    """Checked for the two ways in which providers' pages mislead: addresses that hold the bucket already."""
    endpoint = _address("endpoint", address)
    parts = urlsplit(endpoint)
    if parts.path.endswith(f"/{bucket}") or (parts.hostname or "").startswith(f"{bucket}."):
        raise _wrong(f"names the bucket in its endpoint as well. Give the server's address without {bucket}")
    return endpoint


def _address(name: str, address: str) -> str:
    """An address as it is sent and signed: small letters in the host, no default port, no slash at its end."""
    try:
        read_origin(address)
    except Misconfigured:
        raise _wrong(f"says {name}={address}. It has to be an address like https://s3.example.org") from None
    parts = urlsplit(address)
    if parts.query or parts.fragment:
        raise _wrong(f"says {name}={address}. It has to end before any ? or #")
    return f"{browsers_origin(address)}{quote(parts.path.rstrip('/'), safe='/%')}"


def _root(endpoint: str, bucket: str, style: str) -> str:
    if style == "path":
        return f"{endpoint}/{bucket}"
    scheme, host = endpoint.split("://")
    if scheme == "https" and "." in bucket:
        raise _wrong(
            f"has a bucket with a dot in its name, {bucket}: no certificate fits the host {bucket}.{host}. Say style=path"
        )
    return f"{scheme}://{bucket}.{host}"


def _wrong(what: str) -> Misconfigured:
    return Misconfigured(f"HAYON_MEDIA_URL {what}. Its form is {_FORM}")
