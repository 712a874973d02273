"""Real clients that use what was provisioned: a row, a message, an object, a key each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import httpx
import nats
import psycopg
import redis
from botocore.config import Config


def use(type_: str, outputs: Mapping[str, Any]) -> None:
    """Write something and read it back. Raises whatever the client raises, or `AssertionError`."""
    {"postgres": _database, "queue": _queue, "s3": _bucket, "redis": _cache}[type_](outputs)


def use_all(resources: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Use several at once, as eight services would."""
    with ThreadPoolExecutor(len(resources)) as pool:
        for done in [pool.submit(use, type_, outputs) for type_, outputs in resources]:
            done.result()


def answer(url: str, seconds: float = 10.0) -> None:
    """Wait until `url` answers with a status below 500; names below localhost are loopback, as browsers have it."""
    parts = httpx.URL(url)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answered = httpx.get(parts.copy_with(host="127.0.0.1"), headers={"Host": parts.netloc.decode()})
        if answered.status_code < 500:
            return
        time.sleep(0.01)
    raise RuntimeError(f"{url} did not answer within {seconds} s")


def _database(outputs: Mapping[str, Any]) -> None:
    names = {"host": "host", "port": "port", "user": "username", "password": "password", "dbname": "database"}
    with psycopg.connect(**{name: outputs[key] for name, key in names.items()}) as connection:
        connection.execute("CREATE TABLE used (it int)")
        connection.execute("INSERT INTO used VALUES (42)")
        assert connection.execute("SELECT it FROM used").fetchone() == (42,)


def _queue(outputs: Mapping[str, Any]) -> None:
    async def send_and_receive() -> None:
        client = await nats.connect(
            f"nats://{outputs['host']}:{int(outputs['port'])}", user=outputs["username"], password=outputs["password"]
        )
        stream = client.jetstream()
        subject = str(outputs["subject"]).replace(">", "used").replace("*", "used")
        await stream.publish(subject, b"42")
        subscription = await stream.pull_subscribe(subject, durable="used", stream=outputs["stream"])
        (message,) = await subscription.fetch(1, timeout=5)
        assert message.data == b"42"
        await message.ack()
        await client.close()

    asyncio.run(send_and_receive())


def _bucket(outputs: Mapping[str, Any]) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=outputs["endpoint"],
        aws_access_key_id=outputs["access_key_id"],
        aws_secret_access_key=outputs["secret_key"],
        region_name=outputs["region"],
        config=Config(s3={"addressing_style": "path"}),
    )
    client.put_object(Bucket=outputs["bucket"], Key="used", Body=b"42")
    assert client.get_object(Bucket=outputs["bucket"], Key="used")["Body"].read() == b"42"


def _cache(outputs: Mapping[str, Any]) -> None:
    client = redis.Redis(
        host=outputs["host"], port=int(outputs["port"]), username=outputs["username"], password=outputs["password"]
    )
    client.set("used", 42)
    assert client.get("used") == b"42"
    client.close()
