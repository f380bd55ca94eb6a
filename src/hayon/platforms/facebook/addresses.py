"""Which addresses are Facebook's: where calls go, where an upload may go, and which post a public address shows."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

from hayon.domain.model import Account
from hayon.errors import Unavailable
from hayon.platforms.meta.graph import Graph

LIVE_URL = "https://graph.facebook.com"
LIVE_VIDEO_URL = "https://graph-video.facebook.com"
LIVE_PUBLIC_URL = "https://www.facebook.com"


def video_graph(graph: Graph) -> Graph:
    """Where the parts of long videos go: a host of its own at Facebook itself (page "Uploading Videos"), else the same."""
    return replace(graph, address=LIVE_VIDEO_URL) if graph.address == LIVE_URL else graph


def trusted_upload(address: Any, home: str) -> str:
    """An upload address on the account's own host, or of Facebook's where that is the host; the token goes with it.

    Raises Unavailable for any other: an answer named it.
    """
    try:
        named, known = urlsplit(address if isinstance(address, str) else ""), urlsplit(home)
        same = (named.scheme, named.hostname, named.port) == (known.scheme, known.hostname, known.port)
        theirs = named.scheme == "https" and named.port in {None, 443} and _is_facebook(named.hostname)
    except ValueError:
        same = theirs = False
    else:
        theirs = theirs and _is_facebook(known.hostname)
    if not (same or theirs) or "@" in named.netloc:
        raise Unavailable("Facebook named an upload address that is not its own. It is tried again later.")
    return str(address)


def public_url(account: Account, path: str) -> str | None:
    """The address of a post at Facebook itself; None for an account elsewhere, where only the answer of a call tells it."""
    return f"{LIVE_PUBLIC_URL}/{path}" if _is_facebook(urlsplit(account.host).hostname) else None


def shown_at(account: Account, body: Mapping[str, Any], name: str = "permalink_url") -> str | None:
    """The public address in what Facebook says of a post; videos have only a path. None where there is none."""
    named = body.get(name)
    if not isinstance(named, str) or not named:
        return None
    try:
        url = urljoin(public_url(account, "") or account.host, named)
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    return url if scheme in {"http", "https"} else None


def remote_id_in(url: str, account: Account) -> str | None:
    """The id of the Page's post that a public address shows; None for another host, or where it names another Page."""
    try:
        named, home = urlsplit(url.strip()), urlsplit(account.host)
        query = {name: values[0] for name, values in parse_qs(named.query).items()}
    except ValueError:
        return None
    if named.scheme not in {"http", "https"}:
        return None
    path = named.path
    if _is_facebook(home.hostname):
        if not _is_facebook(named.hostname):
            return None
    elif named.netloc.lower() != home.netloc.lower():
        return None
    elif path.startswith(f"{home.path.rstrip('/')}/"):
        path = path.removeprefix(home.path.rstrip("/"))
    return _in_query(path, query, account) or _in_path(path, account)


def _in_query(path: str, query: Mapping[str, str], account: Account) -> str | None:
    page = query.get("id")
    if page is not None and page != account.remote_id:
        return None
    names = _BY_QUERY.get(path.rstrip("/"), ())
    found = next((query[name] for name in names if _ID.fullmatch(query.get(name, ""))), None)
    if found is None or "story_fbid" not in names:
        return found
    return f"{page}_{found}" if page else None


def _in_path(path: str, account: Account) -> str | None:
    for form in _BY_PATH:
        found = form.fullmatch(path)
        if found is None:
            continue
        parts = found.groupdict()
        if "page" in parts and not _is_page(parts["page"], account):
            return None
        return f"{account.remote_id}_{parts['post']}" if "post" in parts else parts["id"]
    return None


def _is_page(named: str, account: Account) -> bool:
    """Whether a name in an address may be that of this Page. Names are compared as Facebook does: small, without dots."""
    if named.isdecimal():
        return named == account.remote_id
    known = account.facts.get("username")
    return not isinstance(known, str) or not known or _plain(known) == _plain(named)


def _plain(name: str) -> str:
    return name.lower().replace(".", "")


def _is_facebook(host: str | None) -> bool:
    return host is not None and (host == "facebook.com" or host.endswith(".facebook.com"))


_ID = re.compile(r"[0-9]{1,40}|pfbid[0-9A-Za-z]{1,120}")
_POST = rf"(?P<post>{_ID.pattern})/?"
_OTHER = rf"(?P<id>{_ID.pattern})/?"
_BY_QUERY = {
    "/permalink.php": ("story_fbid",),
    "/story.php": ("story_fbid",),
    "/photo": ("fbid",),
    "/photo.php": ("fbid",),
    "/watch": ("v",),
    "/video.php": ("v",),
}
_BY_PATH = tuple(
    re.compile(form)
    for form in (
        rf"/(?P<page>[0-9]+)_{_POST}",
        rf"/(?P<page>[^/]+)/posts/(?:[^/]+/)?{_POST}",
        rf"/reel/{_OTHER}",
        rf"/(?P<page>[^/]+)/videos/(?:[^/]+/)?{_OTHER}",
        rf"/(?P<page>[^/]+)/photos/(?:[^/]+/)?{_OTHER}",
    )
)
