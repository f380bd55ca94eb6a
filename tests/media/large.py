"""Hands out, refuses and takes in large files through the bucket store, and says how far memory grew, in bytes. For test_s3_large."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

from hayon.errors import Invalid
from hayon.media import temp_key
from hayon.media.s3 import S3Bucket
from tests.media.buckets import open_bucket, place_of
from tests.media.test_contract import COPY, USER, kept
from tests.servers.rados import RadosAddress


async def main(rados: RadosAddress, name: str, scratch: Path) -> dict[str, object]:
    async with open_bucket(place_of(rados, name), scratch=scratch) as bucket:
        await bucket.delete(await kept(bucket))  # whatever is loaded at the first use is loaded
        return {
            "handed out": await growth(hand_out(bucket)),
            "refused": await growth(refuse(bucket)),
            "taken in": await growth(take_in(bucket, scratch / "large.jpg")),
        }


async def take_in(bucket: S3Bucket, path: Path) -> None:
    key = temp_key(USER, "image/jpeg")
    await bucket.put(key, pieces(path))
    await bucket.complete(key, "image/jpeg")


async def hand_out(bucket: S3Bucket) -> None:
    async for _ in bucket.open_stream(COPY):
        pass


async def refuse(bucket: S3Bucket) -> None:
    async def zeros() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1_000_000)

    key = temp_key(USER, "video/mp4")
    await bucket.put(key, zeros())
    try:
        await bucket.complete(key, "video/mp4")
    except Invalid:
        await bucket.delete(key)
    else:
        raise AssertionError("zeros are no video")


async def pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(65_536):
            yield piece


async def growth(work: Awaitable[None]) -> int:
    """How far beyond what it had the process came while at work; proc(5), VmHWM and clear_refs."""
    before = status("VmRSS", anew=True)
    await work
    return status("VmHWM") - before


def status(name: str, *, anew: bool = False) -> int:
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    address, bucket_name, folder = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(main(RadosAddress(**json.loads(address)), bucket_name, Path(folder)))))
