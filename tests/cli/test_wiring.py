"""What the settings say is what is put together."""

from dataclasses import replace
from pathlib import Path

import pytest

from hayon.errors import Misconfigured
from hayon.media import LocalFolder
from hayon.media.s3 import S3Bucket
from hayon.settings import Settings
from hayon.wiring import make_platforms, media_place, open_hayon

LIVE = Settings()


@pytest.mark.parametrize(
    ("server", "service", "used"),
    [
        (LIVE.bluesky_url, LIVE.bluesky_video_url, LIVE.bluesky_video_url),
        ("https://pds.example", LIVE.bluesky_video_url, None),
        ("https://pds.example", "https://video.example", "https://video.example"),
        (LIVE.bluesky_url, "", None),
    ],
)
def test_another_bluesky_server_is_not_sent_to_the_live_video_service(
    server: str, service: str, used: str | None
) -> None:
    bluesky = make_platforms(replace(LIVE, bluesky_url=server, bluesky_video_url=service))["bluesky"]
    kinds = bluesky.rules({}).videos
    assert kinds is not None
    assert ("video/webm" in kinds.mimes) == (used is not None)  # only the service takes it


async def test_files_are_kept_where_the_settings_say(tmp_path: Path) -> None:
    folder = replace(LIVE, data_dir=tmp_path / "one")
    async with open_hayon(folder) as hayon:
        assert isinstance(hayon.media, LocalFolder)
    bucket = replace(
        LIVE, data_dir=tmp_path / "two", media_url="s3://files?endpoint=http://127.0.0.1:9&region=here",
        s3_access_key="key", s3_secret_key="secret",
    )  # fmt: skip
    async with open_hayon(bucket) as hayon:
        assert isinstance(hayon.media, S3Bucket)
    place = media_place(bucket)
    assert place is not None
    assert (place.bucket, place.region) == ("files", "here")
    with pytest.raises(Misconfigured, match="HAYON_MEDIA_URL"):
        async with open_hayon(replace(folder, media_url="ftp://files")):
            pass
