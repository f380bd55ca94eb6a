"""Which post a public address shows: all of Facebook's forms, and none of another Page where the address tells."""

from dataclasses import replace

import pytest

from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import PAGE, page_account

ADAPTER = Facebook()
ACCOUNT = page_account(facts={"username": "The.Page"})
SANDBOX = replace(ACCOUNT, host="http://sandbox.example:8001/facebook")


@pytest.mark.parametrize(
    ("address", "remote_id"),
    [
        (f"{PAGE}_9", f"{PAGE}_9"),
        (f"{PAGE}_9/", f"{PAGE}_9"),
        ("999_9", None),
        (f"{PAGE}/posts/9", f"{PAGE}_9"),
        ("thepage/posts/9?ref=share#x", f"{PAGE}_9"),
        ("The.Page/posts/some-words/9/", f"{PAGE}_9"),
        ("thepage/posts/pfbid02AbC9", f"{PAGE}_pfbid02AbC9"),
        ("999/posts/9", None),
        ("otherpage/posts/9", None),
        (f"permalink.php?story_fbid=9&id={PAGE}", f"{PAGE}_9"),
        (f"permalink.php?story_fbid=pfbid0A&id={PAGE}", f"{PAGE}_pfbid0A"),
        (f"story.php?id={PAGE}&story_fbid=9", f"{PAGE}_9"),
        ("permalink.php?story_fbid=9&id=999", None),
        ("permalink.php?story_fbid=9", None),
        ("reel/77", "77"),
        ("reel/77/?s=x", "77"),
        ("thepage/videos/77", "77"),
        ("thepage/videos/words/77/", "77"),
        ("otherpage/videos/77", None),
        ("watch/?v=77", "77"),
        ("watch?v=77", "77"),
        ("photo?fbid=11", "11"),
        ("photo/?fbid=11&set=a.1", "11"),
        ("photo.php?fbid=11", "11"),
        (f"photo.php?fbid=11&id={PAGE}", "11"),
        ("photo.php?fbid=11&id=999", None),
        ("thepage/photos/a.1/11", "11"),
        ("groups/5/posts/9", None),
        ("thepage", None),
        ("thepage/posts/", None),
        ("reel/x/y", None),
        ("photo?fbid=../x", None),
        ("", None),
    ],
)
def test_an_address_of_facebook(address: str, remote_id: str | None) -> None:
    for host in (
        "https://www.facebook.com",
        "http://facebook.com",
        "https://m.facebook.com",
        "HTTPS://WWW.FACEBOOK.COM",
    ):
        assert ADAPTER.remote_id_in(f" {host}/{address} ", ACCOUNT) == remote_id


@pytest.mark.parametrize(
    "address",
    [
        f"https://facebook.com.evil.example/{PAGE}_9",
        f"https://evilfacebook.com/{PAGE}_9",
        f"ftp://www.facebook.com/{PAGE}_9",
        f"http://sandbox.example:8001/facebook/{PAGE}_9",
        f"{PAGE}_9",
        "https://[::1/reel/77",
        "nonsense",
    ],
)
def test_an_address_elsewhere_is_no_post_of_the_page(address: str) -> None:
    assert ADAPTER.remote_id_in(address, ACCOUNT) is None


def test_a_page_without_a_known_name_takes_any_name() -> None:
    assert ADAPTER.remote_id_in("https://www.facebook.com/whoever/posts/9", page_account()) == f"{PAGE}_9"


@pytest.mark.parametrize(
    ("address", "remote_id"),
    [
        (f"http://sandbox.example:8001/facebook/{PAGE}_9", f"{PAGE}_9"),
        (f"http://sandbox.example:8001/facebook/{PAGE}/posts/9", f"{PAGE}_9"),
        ("http://sandbox.example:8001/facebook/reel/77", "77"),
        (f"http://sandbox.example:8001/facebook/permalink.php?story_fbid=9&id={PAGE}", f"{PAGE}_9"),
        (f"http://sandbox.example:8002/facebook/{PAGE}_9", None),
        (f"https://www.facebook.com/{PAGE}_9", None),
    ],
)
def test_elsewhere_only_the_accounts_own_host_counts(address: str, remote_id: str | None) -> None:
    assert ADAPTER.remote_id_in(address, SANDBOX) == remote_id
