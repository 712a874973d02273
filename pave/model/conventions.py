"""The variables by which programs everywhere find their database, cache, queue and bucket.

Used where a program does not say itself how it wants to be told: a repository with only a Procfile, or a resource
that was added beside a workload. What a Score file says is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping

CONVENTIONS: Mapping[str, Mapping[str, str]] = {
    "postgres": {
        "DATABASE_URL": "postgresql://${resources.NAME.username}:${resources.NAME.password}"
        "@${resources.NAME.host}:${resources.NAME.port}/${resources.NAME.database}",
    },
    "redis": {
        "REDIS_URL": "redis://${resources.NAME.username}:${resources.NAME.password}"
        "@${resources.NAME.host}:${resources.NAME.port}/0",
    },
    "queue": {
        "NATS_URL": "nats://${resources.NAME.username}:${resources.NAME.password}"
        "@${resources.NAME.host}:${resources.NAME.port}",
        "NATS_STREAM": "${resources.NAME.stream}",
        "NATS_SUBJECT": "${resources.NAME.subject}",
    },
    "s3": {
        "S3_BUCKET": "${resources.NAME.bucket}",
        "AWS_ENDPOINT_URL": "${resources.NAME.endpoint}",
        "AWS_REGION": "${resources.NAME.region}",
        "AWS_ACCESS_KEY_ID": "${resources.NAME.access_key_id}",
        "AWS_SECRET_ACCESS_KEY": "${resources.NAME.secret_key}",
    },
}
"""Resource type → variable → Score text for the resource called NAME."""

NAMES: Mapping[str, str] = {"postgres": "db", "redis": "cache", "queue": "queue", "s3": "bucket"}
"""What the first resource of a type is called."""

SIGNS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("DATABASE_URL", "dj_database_url"),
    "redis": ("REDIS_URL",),
    "queue": ("NATS_URL",),
    "s3": ("S3_BUCKET", "AWS_ENDPOINT_URL"),
}
"""Words in a program's files by which one can tell that it uses a resource of the type."""


def variables_for(type_: str, name: str) -> dict[str, str]:
    """The conventional variables for the resource `name` of a type; none for a type without a convention."""
    found = CONVENTIONS.get(type_, {})
    return {variable: text.replace("${resources.NAME.", f"${{resources.{name}.") for variable, text in found.items()}
