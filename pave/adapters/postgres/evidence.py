"""Results of checks by commit, attestations by artifact, on PostgreSQL."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.schema import attestations, checks
from pave.verdict.evidence import CheckResult, check_result


class PostgresEvidence:
    """Implements `pave.ports.Evidence`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def checks(self, repository: str, commit: str) -> Sequence[CheckResult]:
        """What is known of a commit, sorted by name."""
        here = (checks.c.repository == repository, checks.c.commit == commit)
        query = select(checks.c.result).where(*here).order_by(checks.c.name)
        with self._engine.connect() as connection:
            return tuple(check_result(row.result) for row in connection.execute(query))

    def put_check(self, repository: str, commit: str, result: CheckResult, run: str = "") -> None:
        """Keep the newest result of a check."""
        values = {"result": result.as_data(), "run": run, "checked_at": func.now()}
        statement = insert(checks).values(repository=repository, commit=commit, name=result.name, **values)
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["repository", "commit", "name"], set_=values)
            )

    def forget_checks(self, repository: str, commit: str, names: Sequence[str] = ()) -> None:
        """Have these checks (none named: all) run again."""
        statement = delete(checks).where(checks.c.repository == repository, checks.c.commit == commit)
        with self._engine.begin() as connection:
            connection.execute(statement.where(checks.c.name.in_(names)) if names else statement)

    def attest(self, digest: str, *, materials: bytes = b"", envelope: bytes = b"") -> None:
        """Keep an artifact's bill of materials or its signed provenance; what is empty stays as it is."""
        given = {"materials": materials, "envelope": envelope}
        values = {name: zlib.compress(data) for name, data in given.items() if data}
        statement = insert(attestations).values(digest=digest, **values)
        with self._engine.begin() as connection:
            if values:
                connection.execute(statement.on_conflict_do_update(index_elements=["digest"], set_=values))

    def materials(self, digest: str) -> bytes:
        """The bill of materials, or nothing."""
        return self._attested(digest)[0]

    def envelope(self, digest: str) -> bytes:
        """The signed provenance, or nothing."""
        return self._attested(digest)[1]

    def _attested(self, digest: str) -> tuple[bytes, bytes]:
        query = select(attestations.c.materials, attestations.c.envelope).where(attestations.c.digest == digest)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        materials, envelope = (zlib.decompress(one) if one else b"" for one in row or (b"", b""))
        return materials, envelope
