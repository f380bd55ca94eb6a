"""What an S3 server's answers mean: listings, rules and errors, the latter as sentences that say what to mend."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from hayon.errors import Unavailable
from hayon.media.s3.place import S3Place
from hayon.outgoing import Answer

_RIGHTS = "s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject"
_BUSY = frozenset(("SlowDown", "ServiceUnavailable", "InternalError", "OperationAborted", "RequestTimeout"))


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a listing: its name, and how long ago it was written, by the server's clock."""

    name: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of what is in a bucket. `more` asks for the next part; it is empty at the end."""

    files: tuple[Listed, ...]
    more: str


def read_xml(body: bytes) -> ElementTree.Element:
    """The root of a document, its names without namespaces. Raises ValueError for what is none, or declares a type.

    A document type is what entities are declared in; S3 sends none.
    """
    parser = ElementTree.XMLParser(target=_Plain())  # noqa: S314 - a document type is refused, whatever its encoding
    try:
        parser.feed(body)
        root: ElementTree.Element = parser.close()
    except ElementTree.ParseError as error:
        raise ValueError("no XML") from error
    return root


def read_listing(answer: Answer) -> Listing:
    """What GET ?list-type=2&encoding-type=url answered. Raises ValueError where it is no listing."""
    root = read_xml(answer.body)
    if root.tag != "ListBucketResult":
        raise ValueError("no listing")
    now = _date_of(answer) or datetime.now(UTC)
    files = tuple(
        Listed(unquote_plus(one.findtext("Key", "")), now - datetime.fromisoformat(one.findtext("LastModified", "")))
        for one in root.iterfind("Contents")
    )
    return Listing(files, root.findtext("NextContinuationToken", "") if root.findtext("IsTruncated") == "true" else "")


def code_of(answer: Answer) -> str:
    """S3's own word for an error; empty where the answer holds none (an answer to HEAD never does)."""
    return _words_of(answer).get("Code", "")


def refused(answer: Answer, place: S3Place, now: datetime) -> Unavailable:
    """The error for an answer that is not what was hoped for."""
    return Unavailable(explain(answer, place, now), code=code_of(answer), http_status=answer.status)


def explain(answer: Answer, place: S3Place, now: datetime) -> str:
    """What is wrong, and how to mend it, in a sentence or two."""
    words = _words_of(answer)
    code, region = words.get("Code", ""), words.get("Region") or answer.headers.get("x-amz-bucket-region", "")
    where = f"the bucket {place.bucket} at {place.host}"
    if code == "NoSuchBucket":
        return f"There is no bucket {place.bucket} at {place.host}. Make it, or correct HAYON_MEDIA_URL."
    if code == "InvalidAccessKeyId":
        return f"{place.host} does not know the access key. Correct HAYON_S3_ACCESS_KEY."
    if code == "RequestTimeTooSkewed" or (code == "AccessDenied" and "not valid yet" in words.get("Message", "")):
        return f"{_skew(answer, now)} Set this machine's clock, or the server's, right."
    if code == "SignatureDoesNotMatch":
        return (
            f"{place.host} finds our signature wrong. Correct HAYON_S3_SECRET_KEY;"
            " if it is right, a proxy between us changes the address or the host name of requests."
        )
    if region and region != place.region and answer.status in (301, 307, 400):
        return f"{place.bucket} is in the region {region}, not {place.region}. Say region={region} in HAYON_MEDIA_URL."
    if code == "AuthorizationHeaderMalformed" and "region" in words.get("Message", ""):
        return f"{place.host} has another region than {place.region}: {words['Message']} Correct HAYON_MEDIA_URL."
    if code in ("NotImplemented", "MethodNotAllowed") or answer.status in (405, 501):
        return f"{place.host} does not offer this."
    if code in _BUSY or answer.status in (429, 500, 502, 503, 504):
        return f"{place.host} is busy or out of order (status {answer.status} {code}). It is tried again later."
    if code == "AccessDenied" or answer.status == 403:
        return f"{place.host} does not let our keys do this. Allow them {_RIGHTS} on {where}."
    if not code:
        return f"{place.host} does not answer as an S3 server does (status {answer.status}). Correct the endpoint in HAYON_MEDIA_URL."
    return f"{place.host} refused: {words.get('Message') or code} (status {answer.status} {code})."


class _Plain(ElementTree.TreeBuilder):
    """Builds a tree whose names have no namespaces, and none at all from a document that declares a type."""

    def start(self, tag: Any, attrs: Any) -> ElementTree.Element:
        return super().start(tag.rpartition("}")[2], attrs)

    def end(self, tag: Any) -> ElementTree.Element:
        return super().end(tag.rpartition("}")[2])

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002 - expat's own call
        raise ValueError("a document type")


def _words_of(answer: Answer) -> dict[str, str]:
    try:
        root = read_xml(answer.body)
    except ValueError:
        return {}
    return dict(_texts(root)) if root.tag == "Error" else {}


def _texts(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for one in root:
        yield one.tag, " ".join((one.text or "").split())[:200]


def _skew(answer: Answer, now: datetime) -> str:
    server = _date_of(answer)
    if server is None:
        return "The clocks of this machine and of the S3 server are too far apart."
    ahead = round((now - server).total_seconds())
    return f"This machine's clock is {abs(ahead)} seconds {'ahead of' if ahead > 0 else 'behind'} the S3 server's."


def _date_of(answer: Answer) -> datetime | None:
    try:
        read = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
