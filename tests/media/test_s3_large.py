"""Large files and many at once through the bucket store, on the real S3 server."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from hayon.media import Grant
from hayon.media.s3 import S3Bucket
from hayon.outgoing import Request
from tests.media.drawing import photo, saved
from tests.media.test_contract import COPY, HERE, USER
from tests.servers.rados import RadosAddress

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.long)])
async def test_pictures_that_come_all_at_once_are_all_kept(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str, count: int
) -> None:
    pictures = [saved(photo(16, 16, seed=number), "PNG") for number in range(count)]
    assert len(set(pictures)) == count
    at_once = asyncio.Semaphore(100)

    async def take_in(content: bytes) -> Grant:
        grant = await bucket.upload_grant(USER, "image/png", len(content), HERE, datetime.now(UTC))
        async with at_once:
            answer = await bucket.calls.plain(Request(grant.method, grant.url, grant.headers, body=content))
            assert answer.status == 200
            assert (await bucket.complete(grant.key, "image/png")).size == len(content)
        return grant

    grants = await asyncio.gather(*map(take_in, pictures))
    assert [await bucket.read(grant.key) for grant in grants] == pictures
    if count < 1000:  # the server lists no more in one go
        assert rados.keys(rados_bucket) == sorted(grant.key for grant in grants)


def test_a_large_file_is_never_whole_in_memory(rados: RadosAddress, rados_bucket: str, tmp_path: Path) -> None:
    """In a process of its own, so that the peak is this work's alone. To clean a picture takes three times its size."""
    side = 2700
    content = saved(
        Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)), "JPEG", quality=100, subsampling=0
    )
    assert 28_000_000 < len(content) < 31_000_000
    (tmp_path / "large.jpg").write_bytes(content)
    assert rados.call("PUT", f"/{rados_bucket}/{COPY}", content).status == 200
    asked = subprocess.run(
        [sys.executable, "-m", "tests.media.large", json.dumps(asdict(rados)), rados_bucket, tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    grew = json.loads(asked.stdout)
    assert grew["handed out"] < 10_000_000
    assert grew["refused"] < 10_000_000  # after 100 MB came and were looked at
    assert grew["taken in"] < 100_000_000
    assert [name.rsplit(".", 1)[1] for name in rados.keys(rados_bucket)] == ["png", "jpg"]
