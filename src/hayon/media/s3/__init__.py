"""A bucket of any server that speaks S3, as a media store, and how to set one up. Keeps no file on this machine."""

from hayon.media.s3.bucket import S3Bucket
from hayon.media.s3.place import S3Place, read_s3_url
from hayon.media.s3.setup import set_up, verify_setup

__all__ = ["S3Bucket", "S3Place", "read_s3_url", "set_up", "verify_setup"]
