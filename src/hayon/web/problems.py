"""Every refusal as a problem detail (RFC 9457): what went wrong, where, and what to do. Unforeseen errors say nothing of themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Match

from hayon import telemetry
from hayon.errors import (
    BrokerUnreachable,
    DatabaseUnreachable,
    Invalid,
    Mistake,
    Problem,
    TooMany,
    Unavailable,
    Unreachable,
)
from hayon.web.misshapen import problems_of
from hayon.web.rendering import render
from hayon.web.wire import Answered

MEDIA_TYPE = "application/problem+json"
FOUND_LIMIT = 100


class ProblemFound(Answered):
    """One finding: where, which rule, what to do. `platform` and `accountId` name the target it concerns, if it is one."""

    field: str
    rule: str
    message: str
    platform: str | None = None
    account_id: str | None = None


class ProblemDetails(Answered):
    """Why a request was not met (RFC 9457). `problems` lists every finding where there are several."""

    type: str
    title: str
    status: int
    detail: str
    correlation_id: str | None = None
    problems: Sequence[ProblemFound] = Field(default=())


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals that an operation names in the OpenAPI document: those given, and those every operation may meet."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {status: {"description": _TITLES[status], "content": content} for status in {*statuses, 413, 422, 503}}


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Adds the shape of problem details to the OpenAPI document, where `refusals` refer to it."""
    schema = ProblemDetails.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    schemas = document["components"]["schemas"]
    schemas.update(schema.pop("$defs", {}))
    schemas["ProblemDetails"] = schema
    return document


def answer_problem(
    request: Request, status: int, detail: str, *, title: str = "", kind: str = "",
    problems: Sequence[Problem] = (), headers: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """The problem detail as an answer; as a page to somebody who looks at anything but the API with a browser."""
    title = title or _TITLES.get(status, "The request cannot be met")
    if is_looked_at(request):
        return answer_page(request, status, title, detail, headers)
    body = ProblemDetails(
        type=f"urn:hayon:problem:{kind or _KINDS.get(status, 'refused')}", title=title, status=status, detail=detail,
        correlation_id=getattr(request.state, "correlation_id", None),
        problems=[as_found(problem) for problem in problems[:FOUND_LIMIT]],
    )  # fmt: skip
    content = body.model_dump(by_alias=True, exclude_none=True)
    return JSONResponse(content, status, headers=headers, media_type=MEDIA_TYPE)


def is_looked_at(request: Request) -> bool:
    """Whether a person waits for a page: a browser asks for HTML. Below /api every answer is for programs."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def answer_page(
    request: Request, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A refusal as a small page."""
    correlation_id = getattr(request.state, "correlation_id", "")
    page = render("problem.html", title=title, detail=detail, correlation_id=correlation_id)
    return HTMLResponse(page, status, headers=headers)


def as_found(problem: Problem) -> ProblemFound:
    """A problem as the API shows it."""
    return ProblemFound(
        field=_shown(problem.field), rule=problem.rule, message=_shown(problem.message),
        platform=problem.platform, account_id=problem.account_id,
    )  # fmt: skip


def answer_unforeseen(request: Request, error: BaseException) -> Response:
    """The answer to an error nobody foresaw, of which the log is told."""
    route = getattr(request.scope.get("route"), "path", "?")
    telemetry.emit_unforeseen("request.failed", error, method=request.method, route=route)
    detail = "Something went wrong here that nobody foresaw. It is in the log under this correlation id."
    return answer_problem(request, 500, detail)


def answer_mistake(request: Request, error: Mistake) -> Response:
    """The answer to what cannot be done as asked."""
    problems = error.problems if isinstance(error, Invalid) else ()
    detail = str(error)
    if isinstance(error, Invalid):
        detail = error.problems[0].message if len(error.problems) == 1 else f"{len(error.problems)} things do not fit."
    headers = {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return answer_problem(
        request, error.status, _shown(detail), title=error.title, kind=_kind(type(error)), problems=problems,
        headers=headers,
    )  # fmt: skip


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Every kind of error gets its answer here; what remains is unforeseen, and the frame answers it.

    `routes` are all there are, so that a refused method can name those that would do.
    """
    app.state.routes = routes
    app.add_exception_handler(Mistake, _on_mistake)
    app.add_exception_handler(DatabaseUnreachable, _on_no_database)
    app.add_exception_handler(BrokerUnreachable, _on_no_broker)
    app.add_exception_handler(Unavailable, _on_unavailable)
    app.add_exception_handler(Unreachable, _on_unavailable)
    app.add_exception_handler(RequestValidationError, _on_misshapen)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_mistake(request: Request, error: Exception) -> Response:
    return answer_mistake(request, error if isinstance(error, Mistake) else Mistake(str(error)))


async def _on_no_database(request: Request, error: Exception) -> Response:
    telemetry.emit("database.unreachable", level="warning", reason=str(error))
    detail = "The database does not answer. Try again in a moment, with the same Idempotency-Key if you sent one."
    return answer_problem(request, 503, detail, headers={"Retry-After": "2"})


async def _on_no_broker(request: Request, error: Exception) -> Response:
    telemetry.emit("broker.unreachable", level="warning", reason=str(error))
    detail = f"{error} No post is lost by it: what is due stays due in the database."
    return answer_problem(request, 503, detail, headers={"Retry-After": "5"})


async def _on_unavailable(request: Request, error: Exception) -> Response:
    """The media store, or a platform, could not be used while a person waited for an answer."""
    telemetry.emit("request.unavailable", level="warning", reason=str(error))
    return answer_problem(request, 503, str(error), headers={"Retry-After": "10"})


async def _on_misshapen(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    problems = problems_of(found, content_type=request.headers.get("content-type", ""))
    return answer_mistake(request, Invalid(problems or [Problem("body", "misshapen", "The request cannot be read.")]))


async def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    if status == 400:
        return answer_mistake(
            request, Invalid([Problem("body", "misshapen", "The body of the request cannot be read.")])
        )
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    detail = str(getattr(error, "detail", ""))
    if status == 404:
        detail = "There is nothing at this address."
    if status == 405:
        headers["Allow"] = ", ".join(_taken_methods(request))
        detail = f"This address takes {headers['Allow']}, not {request.method}."
    return answer_problem(request, status, detail, headers=headers)


def _taken_methods(request: Request) -> list[str]:
    """The methods of every route at this address; the framework itself names only those of the first."""
    partly = [route for route in request.app.state.routes if route.matches(request.scope)[0] is Match.PARTIAL]
    return sorted({method for route in partly for method in route.methods})


def _shown(text: str) -> str:
    """Without halves of surrogate pairs, which no answer can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")[:2_000]


def _kind(error: type[Mistake]) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in error.__name__).strip("-")


_TITLES = {
    400: "The request cannot be read",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "This address does not take this method",
    409: "Too late, or changed in between",
    413: "Too large",
    415: "This kind of body is not taken",
    422: "The request breaks a rule",
    429: "Too many requests",
    500: "Unforeseen",
    503: "Not available right now",
}
_KINDS = {
    400: "unreadable", 401: "unauthenticated", 403: "forbidden", 404: "not-found", 405: "method", 409: "conflict",
    413: "too-large", 415: "kind", 422: "invalid", 429: "too-many", 500: "unforeseen", 503: "unavailable",
}  # fmt: skip
