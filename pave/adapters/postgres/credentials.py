"""Tokens, one-time login links and sessions. Secrets are 256 random bits; only their SHA-256 is kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import Engine, and_, delete, func, insert, text, update

from pave.adapters.postgres.schema import credentials
from pave.model.names import Ref
from pave.ports import Principal


class PostgresCredentials:
    """Implements `pave.ports.Credentials`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def issue(self, kind: str, actor: Ref, scopes: Sequence[str], seconds: float) -> str:
        """A new secret of `kind` (token, link, session), shown once. Prefixed so that scanners know it."""
        secret = f"pave_{kind}_{secrets.token_urlsafe(32)}"
        expires = func.now() + text("make_interval(secs => :seconds)").bindparams(seconds=seconds)
        values = {
            "digest": _digest(secret),
            "kind": kind,
            "actor": str(actor),
            "scopes": list(scopes),
            "expires_at": expires,
        }
        with self._engine.begin() as connection:
            connection.execute(delete(credentials).where(credentials.c.expires_at < func.now()))
            connection.execute(insert(credentials).values(values))
        return secret

    def check(self, kind: str, secret: str) -> Principal | None:
        """Whose it is, if it is valid now. A link is used up by this."""
        valid = and_(
            credentials.c.digest == _digest(secret), credentials.c.kind == kind, credentials.c.expires_at > func.now()
        )
        if kind == "link":
            valid = and_(valid, credentials.c.used_at.is_(None))
        with self._engine.begin() as connection:
            row = connection.execute(
                update(credentials).where(valid).values(used_at=func.now()).returning(credentials)
            ).one_or_none()
        return Principal(Ref.parse(row.actor), frozenset(row.scopes)) if row is not None else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
