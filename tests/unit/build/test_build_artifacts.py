"""The artifact store keeps what it is given, under a name that depends on nothing else."""

from __future__ import annotations

import errno
import os
import shutil
import stat

import pytest

from pave.adapters.build import artifacts, scratch
from pave.adapters.build.artifacts import ArtifactStore, Facts, Part
from pave.model.diagnostics import Refused

FACTS = Facts("python", {"web": ["python", "app.py"]})


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def app(tmp_path):
    folder = tmp_path / "app"
    (folder / "lib").mkdir(parents=True)
    (folder / "app.py").write_text("print('hello')")
    (folder / "lib" / "run").write_text("#!/bin/sh")
    (folder / "lib" / "run").chmod(0o755)
    (folder / "current").symlink_to("lib/run")
    return folder


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_is_stored_is_found_whole_and_read_only(store, app):
    artifact = store.add([Part(app)], FACTS)
    files = store.path(artifact.digest)
    assert store.find(artifact.digest) == artifact
    assert everything_below(files) == ["app.py", "current", "lib", "lib/run"]
    assert (files / "current").readlink().name == "run"
    assert stat.S_IMODE((files / "lib/run").stat().st_mode) == 0o555
    assert stat.S_IMODE((files / "app.py").stat().st_mode) == 0o444
    assert stat.S_IMODE(files.stat().st_mode) == 0o555


def test_the_digest_is_of_the_content_and_not_of_time_order_or_owner(store, app, tmp_path):
    first = store.add([Part(app)], FACTS)
    other = tmp_path / "other"
    for name in ("lib/run", "app.py"):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(app / name, other / name)
        os.utime(other / name, (1, 1))
    (other / "current").symlink_to("lib/run")
    (other / "lib/run").chmod(0o700)
    assert store.add([Part(other)], FACTS).digest == first.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda app: (app / "app.py").write_text("print('bye')"),
        lambda app: (app / "app.py").chmod(0o755),
        lambda app: (app / "app.py").rename(app / "main.py"),
        lambda app: (app / "current").unlink(),
    ],
)
def test_any_change_to_a_file_changes_the_digest(store, app, change):
    first = store.add([Part(app)], FACTS)
    change(app)
    assert store.add([Part(app)], FACTS).digest != first.digest


def test_another_command_changes_the_digest(store, app):
    first = store.add([Part(app)], FACTS)
    assert store.add([Part(app)], Facts("python", {"web": ["python", "-O", "app.py"]})).digest != first.digest


def test_shared_parts_cost_no_room(store, app, tmp_path):
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "library.py").write_text("x = 1")
    (layer / "library.py").chmod(0o444)
    artifact = store.add([Part(app), Part(layer, at=".venv", shared=True)], FACTS)
    assert (store.path(artifact.digest) / ".venv/library.py").samefile(layer / "library.py")


def test_damage_is_found(store, app):
    digest = store.add([Part(app)], FACTS).digest
    assert store.verify(digest) == ()
    files = store.path(digest)
    (files / "app.py").chmod(0o644)
    (files / "app.py").write_text("print('evil')")
    (files / "app.py").chmod(0o444)
    files.chmod(0o755)
    (files / "more").write_text("")
    (files / "current").unlink()
    assert store.verify(digest) == ("app.py", "current", "more")


def test_removing_is_final_and_harmless_twice(store, app, tmp_path):
    digest = store.add([Part(app)], FACTS).digest
    store.remove(digest)
    store.remove(digest)
    assert store.find(digest) is None
    assert not [one for one in everything_below(tmp_path / "artifacts") if "app.py" in one]
    with pytest.raises(Refused, match="not stored here"):
        store.path(digest)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc", "sha256:" + "A" * 64, "md5:" + "a" * 64])
def test_a_name_that_is_no_digest_leads_nowhere(store, digest):
    assert store.find(digest) is None
    store.remove(digest)
    with pytest.raises(Refused):
        store.path(digest)


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "lib/../../secret"])
def test_a_link_that_leads_out_is_refused(store, app, tmp_path, target):
    (app / "leak").symlink_to(target)
    with pytest.raises(Refused, match=r"leak is a link to .* outside"):
        store.add([Part(app)], FACTS)
    assert not list((tmp_path / "artifacts/incoming").iterdir())


def test_a_pipe_is_refused(store, app):
    os.mkfifo(app / "pipe")
    with pytest.raises(Refused, match="pipe, which is neither"):
        store.add([Part(app)], FACTS)


@pytest.mark.parametrize("write", [1, 2])
def test_a_disk_that_runs_full_leaves_nothing_behind(store, app, tmp_path, monkeypatch, write):
    copy, count = shutil.copyfile, iter(range(1, 100))

    def copyfile(source, to, **options):
        if next(count) == write:
            to.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return copy(source, to, **options)

    monkeypatch.setattr(artifacts.shutil, "copyfile", copyfile)
    with pytest.raises(Refused, match=r"no room on the disk.*0\.0 MB needed, \d+\.\d MB free"):
        store.add([Part(app)], FACTS)
    assert everything_below(tmp_path / "artifacts") == ["incoming"]


def test_an_artifact_that_cannot_fit_is_refused_before_anything_is_written(store, app, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(Refused, match="no room on the disk"):
        store.add([Part(app)], FACTS)
    assert not (tmp_path / "artifacts").exists()


def test_what_a_killed_store_left_is_swept_and_what_is_in_use_is_not(tmp_path):
    (tmp_path / "abandoned" / "deep").mkdir(parents=True)
    (tmp_path / "abandoned" / "deep").chmod(0o000)
    with scratch.scratch(tmp_path) as mine, scratch.scratch(tmp_path) as other:
        assert sorted(tmp_path.iterdir()) == sorted([mine, other])
    assert list(tmp_path.iterdir()) == []
