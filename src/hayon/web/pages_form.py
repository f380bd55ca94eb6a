"""What a plain HTML form brings, read with the same bounds as the API, and pages that answer refusals as pages."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import uuid4

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from hayon.errors import DatabaseUnreachable, Forbidden, Invalid, Mistake, Unauthenticated
from hayon.web.auth import ADMINS_ONLY, Caller, find_caller, require_csrf_token, require_same_origin
from hayon.web.desk import TheDesk
from hayon.web.misshapen import problem_of
from hayon.web.problems import answer_page

FIELDS_LIMIT = 400
FIELD_LIMIT = 1_000_000
LONGEST_KEY = 200

Shape = TypeVar("Shape", bound=BaseModel)


class PageRoute(APIRoute):
    """A route whose refusals are pages, and whose strangers are sent to the front door."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own handler with its refusals turned into pages."""
        answer = super().get_route_handler()

        async def page(request: Request) -> Response:
            try:
                return await answer(request)
            except Unauthenticated:
                return RedirectResponse("/", 303)
            except Invalid as error:
                return answer_page(request, error.status, "That did not work", str(error))
            except Mistake as error:
                return answer_page(request, error.status, error.title, str(error))
            except RequestValidationError:
                return answer_page(request, 404, "Not found", "There is nothing at this address.")
            except HTTPException as error:
                return answer_page(request, error.status_code, "That did not work", str(error.detail))
            except DatabaseUnreachable:
                return answer_page(
                    request, 503, "Not available right now", "The database does not answer. Try again soon."
                )

        return page


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of one form, as text. Line ends are as people mean them: browsers send two characters for one."""

    fields: FormData

    def text(self, name: str) -> str:
        """One field; nothing where it is missing."""
        value = self.fields.get(name)
        return value.replace("\r\n", "\n") if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Every field of this name."""
        return [value for value in self.fields.getlist(name) if isinstance(value, str)]

    def named(self, start: str) -> dict[str, str]:
        """The fields whose names begin so, by the rest of their names."""
        return {name.removeprefix(start): self.text(name) for name in self.fields if name.startswith(start)}

    def file(self, name: str) -> UploadFile | None:
        """A chosen file; None where none was chosen."""
        value = self.fields.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None


async def read_form(request: Request) -> AsyncIterator[Form]:
    """The form that was sent, bounded; its file lasts until the answer is made."""
    async with request.form(max_files=1, max_fields=FIELDS_LIMIT, max_part_size=FIELD_LIMIT) as fields:
        yield Form(fields)


TheForm = Annotated[Form, Depends(read_form)]


async def inside(request: Request, desk: TheDesk) -> Caller:
    """Who has signed in with this browser. Raises Unauthenticated."""
    caller = await find_caller(request, desk)
    if caller is None or caller.token is None:
        raise Unauthenticated("Sign in first.")
    return caller


Visitor = Annotated[Caller, Depends(inside)]


async def inside_with_form(request: Request, desk: TheDesk, me: Visitor, form: TheForm) -> Caller:
    """Who has sent this form from a page of ours. Raises Forbidden for a form made elsewhere."""
    require_same_origin(request, desk)
    require_csrf_token(me, form.text("csrf"))
    return me


Sender = Annotated[Caller, Depends(inside_with_form)]


async def inside_as_admin(me: Visitor) -> Caller:
    """The admin who looks. Raises Forbidden for anybody else."""
    if not me.is_admin:
        raise Forbidden(ADMINS_ONLY)
    return me


AdminVisitor = Annotated[Caller, Depends(inside_as_admin)]


async def inside_as_admin_with_form(me: Sender) -> Caller:
    """The admin who has sent this form from a page of ours. Raises Forbidden for anybody else."""
    return await inside_as_admin(me)


AdminSender = Annotated[Caller, Depends(inside_as_admin_with_form)]


def shape(kind: type[Shape], given: Mapping[str, Any]) -> Shape:
    """The fields in the shape the API wants. Raises Invalid with everything that is out of bounds."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        problems = [problem_of(one, one["loc"], whole="form") for one in found]
        raise Invalid(problems) from error


def new_key() -> str:
    """What a form carries so that pressing its button twice makes one post."""
    return f"form-{uuid4()}"


def read_key(form: Form) -> str:
    """The key that the form carried; nothing where it is none of ours, which no database need keep."""
    key = form.text("key")
    return key if len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() else ""
