"""A Page as Facebook shows it, made into an account with the token that speaks for it."""

from collections.abc import Mapping
from typing import Any

from hayon.errors import Unavailable
from hayon.platforms.contract import Connected
from hayon.platforms.meta.graph import Graph
from hayon.platforms.meta.reading import id_in

LONGEST_NAME = 200


def introduced(graph: Graph, page: Mapping[str, Any], token: str) -> Connected:
    """The account of a Page with this token. Raises Unavailable where it has no id."""
    remote_id, name, username = id_in(page), name_in(page, "name"), name_in(page, "username")
    if remote_id is None:
        raise Unavailable("Facebook named a Page without its id. Try it again later.")
    return Connected(
        remote_id=remote_id,
        handle=f"@{username}" if username else name or remote_id,
        host=graph.address,
        credential={"accessToken": token},
        display_name=name,
        avatar_url=_picture_in(page),
        facts={"username": username} if username else {},
    )


def name_in(body: Mapping[str, Any], field: str) -> str:
    """A name, not endless; empty where there is none."""
    value = body.get(field)
    return value[:LONGEST_NAME] if isinstance(value, str) else ""


def _picture_in(page: Mapping[str, Any]) -> str | None:
    picture = page.get("picture")
    inner = picture.get("data") if isinstance(picture, Mapping) else None
    url = inner.get("url") if isinstance(inner, Mapping) else None
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None
