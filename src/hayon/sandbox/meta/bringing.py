"""How a container's media come: pictures while it is made, videos afterwards, both really fetched from their address."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from hayon.sandbox.fetching import Failure, Fetched, NotFetched, fetch
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.containers import Container, ContainerMemory, Piece

VIDEOS = ("video/mp4", "video/quicktime")


async def bring_now(
    world: Ground, piece: Piece, accepted: Collection[str], most_bytes: int, most_seconds: float
) -> Piece | NotFetched:
    """The piece with its file, or why there is none: an address that is not all ASCII cannot be fetched either.

    The world may be another one afterwards.
    """
    got = await fetch(world.files, piece.address, accepted, most_bytes=most_bytes, most_seconds=most_seconds)
    return _filled(piece, got) if isinstance(got, Fetched) else got


def bring_later(
    world: Ground,
    memory: ContainerMemory,
    container: Container,
    most_bytes: int,
    most_seconds: float,
    judge: Callable[[NotFetched | tuple[Piece, Path]], str | None],
) -> None:
    """Fetch a container's video in the background, unless that is going on or done. `judge` says what is wrong with it.

    Called again whenever somebody asks for the container, so that one whose fetching ended with the process comes too.
    """
    piece = container.piece
    if (
        piece is None
        or not piece.video
        or piece.digest
        or container.failure
        or container.container_id in memory.fetches
    ):
        return
    generation = world.generation

    async def bring() -> None:
        got = await bring_now(world, piece, VIDEOS, most_bytes, most_seconds)
        if world.generation != generation:
            return
        if isinstance(got, NotFetched):
            world.happen(memory.fetched(container.container_id, piece, judge(got)))
            return
        path = world.files.find(got.digest)
        failure = judge((got, path)) if path else judge(NotFetched(Failure.UNREACHABLE, "the file is gone"))
        world.happen(memory.fetched(container.container_id, got, failure))

    task = asyncio.get_running_loop().create_task(bring())
    memory.fetches[container.container_id] = task
    task.add_done_callback(lambda _: memory.fetches.pop(container.container_id, None))


def took_too_long(got: NotFetched) -> bool:
    """Whether it was there, but too slow."""
    return got.failure is Failure.UNREACHABLE and ("timed out" in got.said or "too long" in got.said)


def _filled(piece: Piece, got: Fetched) -> Piece:
    return replace(
        piece,
        digest=got.digest,
        mime_type=got.mime_type,
        size=got.size,
        width=got.width,
        height=got.height,
        seconds=got.seconds,
    )
