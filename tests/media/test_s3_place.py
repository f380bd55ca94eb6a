"""The words of HAYON_MEDIA_URL for a bucket: what they mean, and what is said of those that cannot work."""

import pytest

from hayon.errors import Misconfigured
from hayon.media.s3 import S3Place, read_s3_url

ACCESS, SECRET = "an access key", "a secret key nobody may see"
KEY = "temp/a/b.png"


def read(url: str) -> S3Place:
    return read_s3_url(url, ACCESS, SECRET)


@pytest.mark.parametrize(
    ("url", "address", "region"),
    [
        ("s3://pics?region=eu-central-1", "https://pics.s3.eu-central-1.amazonaws.com/temp/a/b.png", "eu-central-1"),
        ("s3://pics?region=us-west-2&style=path", "https://s3.us-west-2.amazonaws.com/pics/temp/a/b.png", "us-west-2"),
        ("s3://my.pics?region=us-west-2&style=path", "https://s3.us-west-2.amazonaws.com/my.pics/temp/a/b.png", "us-west-2"),
        ("s3://pics?endpoint=http://127.0.0.1:9000", "http://127.0.0.1:9000/pics/temp/a/b.png", "us-east-1"),
        ("s3://pics/?endpoint=https://S3.Example.org:443/", "https://s3.example.org/pics/temp/a/b.png", "us-east-1"),
        ("s3://pics?endpoint=http://s3.example.org:80", "http://s3.example.org/pics/temp/a/b.png", "us-east-1"),
        ("s3://pics?endpoint=http://[::1]:9000", "http://[::1]:9000/pics/temp/a/b.png", "us-east-1"),
        ("s3://pics?endpoint=https%3A%2F%2Fs3.example.org", "https://s3.example.org/pics/temp/a/b.png", "us-east-1"),
        ("s3://pics?endpoint=https://s3.example.org&style=virtual", "https://pics.s3.example.org/temp/a/b.png", "us-east-1"),
        ("s3://pics?endpoint=https://x.example/storage/v1/s3&region=auto", "https://x.example/storage/v1/s3/pics/temp/a/b.png", "auto"),
        ("s3://my.pics?endpoint=http://localhost:8000&style=virtual", "http://my.pics.localhost:8000/temp/a/b.png", "us-east-1"),
    ],
)  # fmt: skip
def test_a_file_has_one_address(url: str, address: str, region: str) -> None:
    place = read(url)
    assert (place.address(KEY), place.region) == (address, region)
    assert (place.access_key, place.secret_key) == (ACCESS, SECRET)


def test_the_bucket_itself_has_an_address_in_either_style() -> None:
    path, virtual = (
        read("s3://pics?endpoint=http://a.example"),
        read("s3://pics?endpoint=http://a.example&style=virtual"),
    )
    assert path.address(query={"cors": ""}) == "http://a.example/pics?cors="
    assert virtual.address(query={"cors": ""}) == "http://pics.a.example/?cors="


def test_the_origins_to_be_trusted_are_those_that_are_called() -> None:
    assert read("s3://pics?region=eu-central-1").origins == ("https://pics.s3.eu-central-1.amazonaws.com",)
    public = read("s3://pics?endpoint=http://a.example:9000&publicUrl=https://cdn.example.org/pics/")
    assert public.origins == ("http://a.example:9000", "https://cdn.example.org")
    assert public.public_url == "https://cdn.example.org/pics"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://", "names the bucket ''"),
        ("s3://ab?region=x", "names the bucket 'ab'"),
        ("s3://My_Bucket?region=x", "names the bucket 'My_Bucket'"),
        ("s3://my..pics?region=x", "names the bucket 'my..pics'"),
        ("s3://pics", "says no region. Add region=…"),
        ("s3://pics?region=", "has to say region=… once"),
        ("s3://pics?region=a&region=b", "has to say region=… once"),
        ("s3://pics?region=eu central", "names the region 'eu central'"),
        ("s3://pics?regoin=x", "says regoin=…. Did you mean region=…?"),
        ("s3://pics?public_url=https://x.example", "Did you mean publicUrl=…?"),
        ("s3://pics?region", "cannot be read"),
        ("s3://pics?region=x#y", "cannot be read"),
        ("file:///pics?region=x", "cannot be read"),
        ("s3://[pics?region=x", "cannot be read"),
        ("s3://pics/folder?region=x", "goes on behind the bucket's name"),
        ("s3://pics?region=x&style=host", "says style=host. It is path or virtual"),
        ("s3://pics?endpoint=s3.example.org", "has to be an address like https://s3.example.org"),
        ("s3://pics?endpoint=ftp://s3.example.org", "has to be an address like"),
        ("s3://pics?endpoint=https://user:word@s3.example.org", "has keys in it"),
        ("s3://pics?endpoint=https://s3.example.org?x=y", "has to end before any ? or #"),
        ("s3://pics?region=x&publicUrl=cdn.example.org", "says publicUrl=cdn.example.org"),
        ("s3://pics?endpoint=https://abc.r2.example/pics", "names the bucket in its endpoint as well"),
        ("s3://pics?endpoint=https://pics.fra1.example", "names the bucket in its endpoint as well"),
        ("s3://my.pics?region=x", "Say style=path"),
    ],
)
def test_what_cannot_work_is_said_with_the_way_out(url: str, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(url)
    assert said in str(caught.value)
    assert str(caught.value).startswith("HAYON_MEDIA_URL ")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("access", "secret"), [("", SECRET), (ACCESS, ""), (" ", SECRET), (ACCESS, "\n")])
def test_a_bucket_without_keys_is_refused(access: str, secret: str) -> None:
    with pytest.raises(Misconfigured, match="HAYON_S3_ACCESS_KEY and HAYON_S3_SECRET_KEY have to be set"):
        read_s3_url("s3://pics?region=x", access, secret)


def test_keys_in_the_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(Misconfigured, match="belong into HAYON_S3_ACCESS_KEY") as caught:
        read("s3://AKIA4711:geheim4711@pics?region=x")
    assert "4711" not in str(caught.value)


def test_the_secret_key_is_not_shown() -> None:
    assert SECRET not in repr(read("s3://pics?region=x"))
