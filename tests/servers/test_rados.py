"""The S3 server that tests use checks what a test relies on, keeps what it was given, and leaves nothing behind."""

from pathlib import Path

import psutil
import pytest

from tests.servers.rados import RadosAddress, RadosServer, ask, running_rados
from tests.servers.test_processes import gone


def test_a_bucket_is_private_and_empty(rados: RadosAddress, rados_bucket: str) -> None:
    assert rados.keys(rados_bucket) == []
    assert rados.call("PUT", f"/{rados_bucket}/temp/ä b.txt", b"hello", mime="text/plain").status == 200
    assert rados.keys(rados_bucket) == ["temp/ä b.txt"]
    kept = rados.call("GET", f"/{rados_bucket}/temp/ä b.txt")
    assert (kept.status, kept.headers["content-type"], kept.body) == (200, "text/plain", b"hello")
    for method in ("GET", "PUT", "DELETE"):
        stranger = ask(method, f"{rados.url}/{rados_bucket}/temp/x.txt")
        assert (stranger.status, stranger.code) == (403, "AccessDenied")


def test_it_refuses_keys_that_are_wrong(rados: RadosAddress, rados_bucket: str) -> None:
    for keys, code in (
        ((rados.access_key, "another"), "SignatureDoesNotMatch"),
        (("ANOTHER", rados.secret_key), "InvalidAccessKeyId"),
    ):
        refused = RadosAddress(rados.port, *keys).call("GET", f"/{rados_bucket}")
        assert (refused.status, refused.code) == (403, code)


def test_a_dropped_bucket_is_gone(rados: RadosAddress) -> None:
    bucket = rados.new_bucket()
    rados.call("PUT", f"/{bucket}/one", b"one")
    rados.drop_bucket(bucket)
    assert rados.call("GET", f"/{bucket}").code == "NoSuchBucket"


def test_what_was_stored_outlives_a_killed_gateway(own_rados: RadosServer) -> None:
    address = own_rados.address
    bucket = address.new_bucket()
    assert address.call("PUT", f"/{bucket}/one", b"one").status == 200
    own_rados.kill9_gateway()
    with pytest.raises(ConnectionRefusedError):
        address.keys(bucket)
    own_rados.start_gateway()
    assert address.call("GET", f"/{bucket}/one").body == b"one"
    assert address.call("PUT", f"/{bucket}/two", b"two").status == 200


def test_nothing_is_left_of_a_server() -> None:
    with running_rados() as server:
        folder = server.folder
        started = [one for one in psutil.Process().children() if str(folder) in " ".join(one.cmdline())]
        assert {Path(one.cmdline()[0]).name for one in started} == {"ceph-mon", "ceph-osd", "radosgw"}
        listening = {at.laddr.ip for one in started for at in one.net_connections() if at.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
    assert all(gone(one.pid) for one in started)
    assert not folder.exists()
