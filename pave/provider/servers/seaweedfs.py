"""The SeaweedFS server behind `pave_bucket`: an object store that speaks S3, in one process.

Its parts trust nobody but each other: gRPC wants a certificate that only they have, HTTP a token that only they
can sign. Who may open which bucket stands in identity files inside the store, which the S3 part follows
without a restart. It is never allowed to report to its makers.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import http.client
import json
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pave.apply.retry import Transient
from pave.model.diagnostics import error
from pave.provider.servers.certificates import self_signed
from pave.provider.servers.ports import LOOPBACK, free_port
from pave.provider.servers.server import Ground, Record, Server

REGION = "us-east-1"
ADMIN = "pave"
_SECONDS = 15.0
_VOLUME_MB = 128
_PARTS = ("master", "volume", "filer", "s3")


class SeaweedServer(Server):
    """One SeaweedFS server for all buckets of this machine's stacks."""

    name = "seaweedfs"
    title = "SeaweedFS"
    stop_seconds = 3  # it says goodbye within one and then seldom ends by itself; what was written is in its files

    def __init__(self, ground: Ground, program: Path) -> None:
        """`program` is weed."""
        super().__init__(ground)
        self.program = program.resolve()

    def first_record(self) -> dict[str, Any]:
        """Free ports for its parts, and the keys that they share; `port` is the one applications are told."""
        ports = {f"{part}_port": free_port() for part in (*_PARTS[:3], *(f"{part}_grpc" for part in _PARTS))}
        keys = {name: secrets.token_hex(24) for name in ("secret_key", "volume_key", "filer_key")}
        return {"port": free_port(), **ports, **keys}

    def prepare(self, record: Record) -> None:
        """Write certificate and the administrator's identity: with one there, nobody is let in without."""
        key, certificate = self.directory / "grpc.key", self.directory / "grpc.crt"
        if not certificate.exists():
            pair = self_signed("pave")
            self.ground.write(key, pair.key)
            self.ground.write(certificate, pair.certificate)
        self.ground.folder(self.directory / "data")
        own = {"accessKey": ADMIN, "secretKey": record["secret_key"]}
        admin = {"name": ADMIN, "credentials": [own], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        self.ground.write(self.directory / "s3.json", json.dumps({"identities": [admin]}))

    def argv(self, record: Record) -> tuple[str, ...]:
        """All parts of weed in one process, confined."""
        ports = [f"-{part}.port={record[f'{part}_port']}" for part in _PARTS[:3]]
        ports += [f"-{part}.port.grpc={record[f'{part}_grpc_port']}" for part in _PARTS]
        options = (
            f"-dir={self.directory / 'data'}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", *ports,
            "-master.telemetry=false", "-master.electionTimeout=500ms", f"-master.volumeSizeLimitMB={_VOLUME_MB}",
            "-volume.max=0", "-volume.preStopSeconds=0", "-volume.index=leveldb",
            "-filer", "-filer.disableDirListing", "-filer.exposeDirectoryData=false", "-filer.saveToFilerLimit=4096",
            "-s3", f"-s3.port={record['port']}", f"-s3.config={self.directory / 's3.json'}", "-s3.iam=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.cacheCapacityMB=8", "-s3.readerCacheSizeMB=32",
        )  # fmt: skip
        return self.ground.confine(
            (str(self.program), "-logtostderr=true", "server", *options), write=(self.directory,)
        )

    def environment(self, record: Record) -> Mapping[str, str]:
        """The keys that its parts share, and a small heap; one volume at a time, so that a first write is fast."""
        certificates = {
            f"WEED_GRPC_{part.upper()}_{kind}": str(self.directory / file)
            for part in (*_PARTS, "client")
            for kind, file in (("CERT", "grpc.crt"), ("KEY", "grpc.key"))
        }
        return {
            **super().environment(record),
            **certificates,
            "WEED_GRPC_CA": str(self.directory / "grpc.crt"),
            "WEED_JWT_SIGNING_KEY": record["volume_key"],
            "WEED_JWT_SIGNING_READ_KEY": record["volume_key"],
            "WEED_JWT_FILER_SIGNING_KEY": record["filer_key"],
            "WEED_JWT_FILER_SIGNING_READ_KEY": record["filer_key"],
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
            "GOMEMLIMIT": "128MiB",
            "GOGC": "30",
        }

    def answers(self, record: Record) -> bool:
        """Whether Pave's own key may list buckets."""
        return self._s3(record, "GET", "/", (ADMIN, record["secret_key"])) == 200

    def s3(self, method: str, path: str, key: tuple[str, str] | None = None, body: bytes = b"") -> int:
        """One signed S3 request, as Pave itself or with another (id, secret); the HTTP status."""
        record = self.ensure()
        return self._s3(record, method, path, key or (ADMIN, record["secret_key"]), body)

    def listed(self, bucket: str, after: str = "") -> tuple[int, int, str]:
        """Objects and bytes of the next thousand objects behind the key `after`, and the last key; empty: no more.

        Nothing is started or waited for; it raises where the server does not answer.
        """
        record = self.record or self.first_record()
        query = urlencode({"list-type": "2", "max-keys": "1000", "start-after": after}, quote_via=quote)
        key = (ADMIN, record["secret_key"])
        headers = _signed("GET", f"{LOOPBACK}:{record['port']}", f"/{bucket}", key, b"", query)
        status, content = _answer(record["port"], "GET", f"/{bucket}?{query}", headers, b"")
        if status != http.client.OK:
            raise ConnectionError(f"SeaweedFS answered {status} to the listing of {bucket}")
        text = content.decode(errors="replace")
        sizes = [int(one) for one in re.findall(r"<Size>(\d+)</Size>", text)]
        keys = re.findall(r"<Key>([^<]*)</Key>", text)
        more = "<IsTruncated>true</IsTruncated>" in text and bool(keys)
        return len(sizes), sum(sizes), html.unescape(keys[-1]) if more else ""

    def put_identity(self, name: str, key: tuple[str, str], bucket: str) -> None:
        """Let a key do everything with the objects of one bucket, and nothing else."""
        credentials = [{"access_key": key[0], "secret_key": key[1]}]
        actions = [f"{action}:{bucket}" for action in ("Read", "Write", "List", "Tagging")]
        self._filer("PUT", name, json.dumps({"name": name, "credentials": credentials, "actions": actions}))

    def delete_identity(self, name: str) -> None:
        """Ensure that a key opens nothing any more."""
        self._filer("DELETE", name)

    def _filer(self, method: str, name: str, body: str = "") -> None:
        record = self.ensure()
        headers = {"Authorization": f"BEARER {_token(record['filer_key'])}", "Content-Type": "application/json"}
        path = f"/etc/iam/identities/{name}.json"
        with self.exclusive():
            status = _request(record["filer_port"], method, path, headers, body.encode())
        if status >= 300 and (method, status) != ("DELETE", 404):
            raise Transient(
                error(f"SeaweedFS answered {status} to a change of keys", remedy="It is tried again by itself.")
            )

    def _s3(self, record: Record, method: str, path: str, key: tuple[str, str], body: bytes = b"") -> int:
        headers = _signed(method, f"{LOOPBACK}:{record['port']}", path, key, body)
        return _request(record["port"], method, path, headers, body)


def _request(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes) -> int:
    return _answer(port, method, path, headers, body)[0]


def _answer(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_SECONDS)
    try:
        connection.request(method, path, body or None, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _token(key: str) -> str:
    """A token that a filer takes for a minute (RFC 7519, HS256)."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"exp": int(time.time()) + 60})
    text = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    return (text + b"." + _base64(hmac.digest(key.encode(), text, "sha256"))).decode()


def _base64(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def _signed(method: str, host: str, path: str, key: tuple[str, str], body: bytes, query: str = "") -> dict[str, str]:
    """Headers of a request, its query sorted and escaped, signed as AWS Signature Version 4 for S3 says."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"{method}\n{quote(path)}\n{query}\n{lines}\n{names}\n{digest}"
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signing = f"AWS4{key[1]}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    signature = hmac.new(signing, text.encode(), "sha256").hexdigest()
    authorization = f"AWS4-HMAC-SHA256 Credential={key[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "Authorization": authorization}
