"""Links of the OpenAPI document: which calls take the id that an answer gave. Computed from the document, so none is forgotten."""

from collections.abc import Iterator, Mapping
from typing import Any

_NAMED_OTHERWISE = {("/api/keys", "id"): "keyId"}
"""Fields of answers that other addresses call by another name."""
_ALSO = {"accountId": ("which",)}
"""Parameters that take an id beside others."""
_FOLLOWED = ("200", "201", "202")


def add_links(document: dict[str, Any]) -> dict[str, Any]:
    """Gives each answer of a POST that names something by its id a link to every call about that very thing."""
    takers = list(_takers(document))
    for path, operations in document["paths"].items():
        answers = operations.get("post", {}).get("responses", {})
        for status in _FOLLOWED:
            if status in answers and (links := _links(document, path, answers[status], takers)):
                answers[status]["links"] = links
    return document


def _takers(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every call with one parameter in its path: the parameter, and the call's name."""
    for operations in document["paths"].values():
        for operation in operations.values():
            named = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
            if len(named) == 1:
                yield named[0], operation["operationId"]


def _links(
    document: Mapping[str, Any], path: str, answer: Mapping[str, Any], takers: list[tuple[str, str]]
) -> dict[str, Any]:
    reference = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    shape = document["components"]["schemas"].get(reference.rsplit("/", 1)[-1], {})
    links: dict[str, Any] = {}
    for field in shape.get("properties", {}):
        given = _NAMED_OTHERWISE.get((path, field), field)
        if not given.endswith("Id") or f"{{{given}}}" in path:  # what stands in the address was known before
            continue
        for parameter, operation in takers:
            if parameter in {given, *_ALSO.get(given, ())}:
                links[operation] = {
                    "operationId": operation, "parameters": {parameter: f"$response.body#/{field}"},
                    "description": f"The `{field}` of this answer is the `{parameter}` there.",
                }  # fmt: skip
    return links
