"""`pave_bucket`: an S3 bucket with a key pair of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.provider.buckets import Bucket, Buckets
from pave.provider.resources.resource import Resource, State, resource_address, text


class BucketResource(Resource):
    """Schema and verbs of `pave_bucket`."""

    service: Buckets
    name = "bucket"
    about = "An S3 bucket that a key pair of its own opens. Deleting it keeps a restorable copy."
    made = ("secret_key",)
    fields = (
        text("bucket", "Name of the bucket.", computed=True),
        text("access_key_id", "Access key.", computed=True),
        text("secret_key", "Secret key.", computed=True, sensitive=True),
        text("endpoint", "URL of the S3 server; buckets are in the path.", computed=True),
        text("region", "Region to sign for.", computed=True),
    )

    def ensure(self, planned: Mapping[str, Any], current: Mapping[str, Any]) -> State:
        """Create the bucket or let its key in again; a key that is known stays."""
        return _computed(self.service.ensure(resource_address(planned), current.get("secret_key")))

    def look(self, current: Mapping[str, Any]) -> State | None:
        """A deleted bucket is gone; a key that does not open it shows as drift."""
        found = self.service.read(resource_address(current), current.get("secret_key"))
        return None if found is None else _computed(found)

    def remove(self, current: Mapping[str, Any]) -> None:
        """Put it into the trash."""
        self.service.remove(resource_address(current))


def _computed(bucket: Bucket) -> State:
    return {
        "bucket": bucket.name,
        "access_key_id": bucket.access_key,
        "secret_key": bucket.secret_key,
        "endpoint": bucket.endpoint,
        "region": bucket.region,
    }
