"""The control plane on a PostgreSQL that is somebody else's: nothing of Pave's own is started for it."""

from __future__ import annotations

from pathlib import Path

from platform_for_tests import Platform


def test_the_records_are_where_the_setting_says(tmp_path: Path, database_url: str) -> None:
    platform = Platform(tmp_path / "data", {"PAVE_DATABASE_URL": database_url}).up()
    try:
        platform.done("POST", "/resources", {"component": "ledger", "name": "jobs", "type": "queue"})
        assert "control" not in platform.programs()
        platform.kill()
        platform.restart()
        assert platform.get("/stacks/dev/ledger")["status"] == "healthy"
        platform.done("DELETE", "/stacks/dev/ledger")
    finally:
        platform.end()
