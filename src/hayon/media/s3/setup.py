"""Sets a bucket up for uploads from browsers, and looks whether it works, in sentences. Changes no rule that is not ours."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID
from xml.etree import ElementTree

from hayon.errors import Unavailable
from hayon.media.s3.answers import code_of, explain, read_xml
from hayon.media.s3.bucket import ARRIVED, S3Bucket
from hayon.media.s3.calls import Calls
from hayon.media.s3.place import browsers_origin
from hayon.outgoing import Answer, Request

EXPIRES_AFTER_DAYS = 7
"""When the bucket itself throws away what lies in `temp/`: a net beneath the sweep, which knows what is still wanted."""
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_SOON = timedelta(minutes=5)
_NOBODY, _MIME = UUID(int=0), "image/png"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of rules of a bucket: how it is asked for, how its document is written, and what ours is called there."""

    name: str
    root: str
    rule: str
    ours: str


_CORS = _Kind("cors", "CORSConfiguration", "CORSRule", "hayon-uploads")
_LIFECYCLE = _Kind("lifecycle", "LifecycleConfiguration", "Rule", "hayon-temp")


async def set_up(store: S3Bucket, pages_at: Sequence[str]) -> list[str]:
    """Lets pages at these addresses upload, and has the bucket throw uploads away after a week. May be repeated.

    Rules of others are kept. What could not be set, in sentences; nothing where all is set.
    """
    uploads = _element(
        _CORS.rule,
        _element("ID", _CORS.ours),
        *(_element("AllowedOrigin", browsers_origin(address)) for address in pages_at),
        _element("AllowedMethod", "PUT"),
        _element("AllowedHeader", "content-type"),
        _element("MaxAgeSeconds", "3600"),
    )
    ages = _element(
        _LIFECYCLE.rule,
        _element("ID", _LIFECYCLE.ours),
        _element("Filter", _element("Prefix", "temp/")),
        _element("Status", "Enabled"),
        _element("Expiration", _element("Days", str(EXPIRES_AFTER_DAYS))),
    )
    return [
        *await _put_rule(store.calls, _CORS, uploads, "Uploads from pages could not be allowed"),
        *await _put_rule(store.calls, _LIFECYCLE, ages, "Forgotten uploads could not be given an end"),
    ]


async def verify_setup(store: S3Bucket, pages_at: Sequence[str]) -> list[str]:
    """What is wrong with the bucket, in sentences, the worst first; nothing where all is well.

    Sends one small file to a granted address, reads it back from a signed one, and removes it again.
    """
    try:
        await store.calls.list("temp/")
        said = await _round_trip(store)
        for address in pages_at:
            said += await _from_a_page(store.calls, browsers_origin(address))
        return said + await _ages(store.calls)
    except Unavailable as error:
        return [error.message]


async def _put_rule(calls: Calls, kind: _Kind, rule: ElementTree.Element, failed: str) -> list[str]:
    """Puts our rule in the place of an older one of ours, beside all others."""
    try:
        answer = await calls.find_rules(kind.name)
        if (root := _rules_in(answer, kind)) is None:
            return [f"{failed}. {_explained(calls, answer)}"]
        for one in root.findall(kind.rule):
            if one.findtext("ID") == kind.ours:
                root.remove(one)
        root.append(rule)
        root.set("xmlns", _NAMESPACE)
        answer = await calls.put_rules(kind.name, ElementTree.tostring(root, "UTF-8"))
    except Unavailable as error:
        return [f"{failed}. {error.message}"]
    return [] if answer.status in (200, 204) else [f"{failed}. {_explained(calls, answer)}"]


async def _round_trip(store: S3Bucket) -> list[str]:
    calls, said = store.calls, []
    content = secrets.token_bytes(64)
    grant = await store.upload_grant(_NOBODY, _MIME, len(content), "", calls.now())
    name = grant.key + ARRIVED
    try:
        for headers, body, what in (
            (grant.headers, content + b"!", "larger"),
            ({"Content-Type": "text/html"}, content, "of another type"),
        ):
            answer = await calls.plain(Request(grant.method, grant.url, headers, body=body))
            if answer.status < 400:
                said.append(f"{calls.place.host} takes uploads that are {what} than granted. Do not rely on it.")
        answer = await calls.plain(Request(grant.method, grant.url, grant.headers, body=content))
        if answer.status != 200:
            return [*said, f"An upload to a granted address was refused. {_explained(calls, answer)}"]
        answer = await calls.plain(Request("GET", calls.signed_url("GET", name, {}, _SOON, calls.now())))
        if answer.status != 200 or answer.body != content:
            said.append(f"An upload could not be read back from a signed address. {_explained(calls, answer)}")
        said += await _public(calls, name, content)
    finally:
        answer = await calls.plain(Request("DELETE", calls.signed_url("DELETE", name, {}, _SOON, calls.now())))
    if await calls.find_size(name) is not None:
        said.append(f"A file could not be removed: {name}. {_explained(calls, answer)}")
    return said


async def _public(calls: Calls, name: str, content: bytes) -> list[str]:
    """Who may read without a signature: anybody where an address for that is set, and else nobody."""
    place = calls.place
    address = f"{place.public_url}/{name}" if place.public_url else place.address(name)
    answer = await calls.plain(Request("GET", address))
    served = answer.status == 200 and answer.body == content
    if place.public_url and not served:
        return [f"{place.public_url} does not serve the bucket's files (status {answer.status}). Correct publicUrl."]
    if served and not place.public_url:
        return [
            f"Anybody can read all files of {place.bucket}. Make it private, or give its public address as publicUrl."
        ]
    return []


async def _from_a_page(calls: Calls, origin: str) -> list[str]:
    """What a browser asks before a page of this origin may upload (Fetch standard, CORS-preflight)."""
    if origin.startswith("https:") and calls.place.root.startswith("http:"):
        return [f"Browsers let no page at {origin} upload to {calls.place.origins[0]}: it has to be https, too."]
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = await calls.plain(Request("OPTIONS", calls.place.address(f"temp/{_NOBODY}/{_NOBODY}.png"), asked))
    allowed = (
        answer.status < 300
        and answer.headers.get("access-control-allow-origin") in (origin, "*")
        and _names(answer, "access-control-allow-methods", "put")
        and _names(answer, "access-control-allow-headers", "content-type")
    )
    return (
        [] if allowed else [f"Pages at {origin} may not upload: {calls.place.host} does not allow that origin to PUT."]
    )


async def _ages(calls: Calls) -> list[str]:
    answer = await calls.find_rules(_LIFECYCLE.name)
    root = _rules_in(answer, _LIFECYCLE)
    if root is None:
        return [f"Whether forgotten uploads are thrown away is not known. {_explained(calls, answer)}"]
    said, caught = [], False
    for rule in root.findall(_LIFECYCLE.rule):
        if rule.findtext("Status") != "Enabled" or not (
            rule.findtext("Expiration/Days") or rule.findtext("Expiration/Date")
        ):
            continue
        prefix = rule.findtext("Filter/Prefix") or rule.findtext("Filter/And/Prefix") or rule.findtext("Prefix") or ""
        caught = caught or "temp/".startswith(prefix)
        if "posts/".startswith(prefix) or prefix.startswith("posts/"):
            said.append(
                f"The bucket's rule {rule.findtext('ID')} throws files of posts away. Take it out, or give it another prefix."
            )
    if not caught:
        said.append("No rule of the bucket throws forgotten uploads away, below temp/.")
    return said


def _rules_in(answer: Answer, kind: _Kind) -> ElementTree.Element | None:
    """The document of all rules, empty where there is none yet; None where the server would not say."""
    if answer.status == 404 and code_of(answer) != "NoSuchBucket":
        return ElementTree.Element(kind.root)
    try:
        root = read_xml(answer.body)
    except ValueError:
        return None
    return root if answer.status == 200 and root.tag == kind.root else None


def _explained(calls: Calls, answer: Answer) -> str:
    return explain(answer, calls.place, calls.now())


def _names(answer: Answer, header: str, word: str) -> bool:
    words = [one.strip().lower() for one in answer.headers.get(header, "").split(",")]
    return word in words or "*" in words


def _element(tag: str, *content: "ElementTree.Element | str") -> ElementTree.Element:
    made = ElementTree.Element(tag)
    for one in content:
        if isinstance(one, str):
            made.text = one
        else:
            made.append(one)
    return made
