"""What is the same of every create that takes an Idempotency-Key: how the key looks, and what is answered to a borrowed one."""

from typing import Any

from fastapi import Header

from hayon.errors import Conflict


class KeyReused(Conflict):
    """The Idempotency-Key belongs to another request already."""

    title = "This Idempotency-Key was used for something else"


def idempotency_key(thing: str) -> Any:
    """The header of a create that makes one `thing`."""
    return Header(
        alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,200}$",
        description=f"The same key with the same body makes one {thing}, however often it is sent, and is answered the same.",
    )  # fmt: skip
