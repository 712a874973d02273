"""One connection pool for the control plane's tables, and the migrations that make them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from pave.adapters.postgres import alerting_schema, cost_schema, metrics_schema, product_schema  # noqa: F401 — their tables belong to the metadata


def connect(url: str, size: int) -> Engine:
    """An engine with at most `size` connections; `url` may be any libpq URL."""
    return create_engine(driver_url(url), pool_size=size, max_overflow=2, pool_pre_ping=True, future=True)


def driver_url(url: str) -> str:
    """The same URL with psycopg 3 as its driver."""
    scheme, rest = url.split("://", 1)
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


def libpq_url(engine: Engine) -> str:
    """The engine's URL as libpq reads it, with the password."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to `revision`; a database that is there already costs one query."""
    config = migrations()
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(7283)"))
        if revision == "head" and inspect(connection).has_table("alembic_version"):
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            if current == head:
                return
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def migrations() -> Config:
    """Alembic's configuration, made here so that no file outside the package is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
