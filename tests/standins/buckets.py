"""The services of a cloud on loopback (moto), and a bucket in them whose objects nobody can remove."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer
from uuid_utils.compat import uuid7

from store.witness_bucket import BucketPlace

REGION = "eu-central-1"
ACCESS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@contextmanager
def cloud() -> Iterator[str]:
    """The URL at which all services answer."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def locked_bucket(service: str) -> BucketPlace:
    """A new bucket with object lock; the environment holds ``ACCESS``."""
    name = f"witness-{uuid7().hex}"
    boto3.client("s3", region_name=REGION, endpoint_url=service).create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    return BucketPlace(name, region=REGION, endpoint=service)
