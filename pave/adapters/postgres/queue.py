"""The queue: Procrastinate on the control plane's PostgreSQL.

It wakes workers within milliseconds and keeps runs of one subject in order. It is not the authority:
a job names a run, and a run whose job is lost is found by the sweep.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import procrastinate
import psycopg
from procrastinate import exceptions
from sqlalchemy import Engine, text

from pave.adapters.postgres.database import libpq_url

_TASK = "pave.run"
_QUEUE = "runs"
_AGAIN_SECONDS = 1.0
_LAST = 10_000
_POOL: dict[str, Any] = {"timeout": 5.0, "reconnect_timeout": 5.0}
"""Seconds. A pool that waits longer for a database that was away doubles its pauses, and misses that it is back."""
_log = logging.getLogger(__name__)


class PostgresQueue:
    """Implements `pave.ports.Queue`, and runs the workers of this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._url = libpq_url(engine)
        self._app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=self._url, **_POOL))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Connect, and make Procrastinate's tables where they are missing."""
        with self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(7285)"))
            there = connection.execute(text("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")).scalar()
        self._app.open()
        if not there:
            self._app.schema_manager.apply_schema()

    def push(self, run: str, subject: str, delay: float = 0.0, behind: int = 0) -> None:
        """Have `run` carried out, one at a time per subject, `delay` seconds from now; twice is once.

        Each job stands behind as many as its team has waiting already, so that teams take turns.
        """
        schedule: dict[str, Any] = {"schedule_in": {"milliseconds": round(delay * 1000)}} if delay else {}
        turn = {"priority": -min(behind, _LAST)}
        task = self._app.configure_task(_TASK, queue=_QUEUE, lock=subject, queueing_lock=run, **turn, **schedule)
        with contextlib.suppress(exceptions.AlreadyEnqueued):
            task.defer(run=run)

    def free(self) -> None:
        """Fail the jobs that a dead server left in hand, so that their subjects are not blocked.

        Only called by the one server of this machine at its start: nothing else can be working then.
        """
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'doing'"))

    def tidy(self) -> None:
        """Forget the jobs of workers that died: Procrastinate prunes a worker that is silent for 30 s, not its job."""
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'doing' AND worker_id IS NULL"))

    def work(self, carry_out: Callable[[str], None], threads: int) -> None:
        """Start workers: `carry_out(run)` is called in up to `threads` threads until `close`."""
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(carry_out, threads, ready)), name="pave-workers", daemon=True
        )
        self._thread.start()
        ready.wait()

    def close(self) -> None:
        """Let workers end what they hold, then disconnect."""
        if self._loop is not None and self._work is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._work.cancel)
            self._thread.join(timeout=30)
        self._app.close()

    async def _serve(self, carry_out: Callable[[str], None], threads: int, ready: threading.Event) -> None:
        app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(conninfo=self._url, min_size=1, max_size=4, **_POOL)
        )

        @app.task(name=_TASK, queue=_QUEUE)  # type: ignore[untyped-decorator]
        async def run_job(run: str) -> None:
            await asyncio.get_running_loop().run_in_executor(None, carry_out, run)

        self._loop = asyncio.get_running_loop()
        self._work = asyncio.current_task()
        ready.set()
        async with app.open_async():
            with contextlib.suppress(asyncio.CancelledError):
                while not await self._worked(app, threads):
                    pass

    @staticmethod
    async def _worked(app: procrastinate.App, threads: int) -> bool:
        """Work until the end; False where the database went away, which ends Procrastinate's worker for good."""
        try:
            await app.run_worker_async(
                queues=[_QUEUE],
                concurrency=threads,
                install_signal_handlers=False,
                delete_jobs="always",
                fetch_job_polling_interval=2.0,
            )
        except (exceptions.ConnectorException, psycopg.Error) as problem:
            _log.warning("The workers lost their database (%s); they begin again", problem)
            await asyncio.sleep(_AGAIN_SECONDS)
            return False
        return True
