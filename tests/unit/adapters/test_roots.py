"""A foreign root is a stranger's: its links lead nowhere but into itself, and what is mounted hides nothing else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from pave.adapters.roots import layout, resolved
from pave.model.diagnostics import Refused

AT = "/run/image"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/hosts").touch()
    (folder / "srv").mkdir()
    return folder


def pairs(options: list[str]) -> dict[str, str]:
    """What is at each place: the option that put it there."""
    return {places[0]: one for one, places in zip(options, _following(options), strict=True) if one.startswith("--")}


def _following(options: list[str]) -> list[list[str]]:
    taken = {"--dir": 0, "--symlink": 1, "--ro-bind": 1, "--perms": 0}
    return [
        options[at + 1 + taken[one] : at + 2 + taken[one]] if one in taken else [""] for at, one in enumerate(options)
    ]


@pytest.mark.parametrize(
    ("link", "target", "asked", "leads"),
    [
        ("conf", "/etc", "/conf/hosts", "/etc/hosts"),
        ("conf", "../../../../etc", "/conf/hosts", "/etc/hosts"),
        ("tmp", "/oldroot/etc", "/tmp/x", "/oldroot/etc/x"),
        ("a", "b/../srv", "/a/data", "/srv/data"),
        ("a", ".", "/a/a/a/srv", "/srv"),
    ],
)
def test_links_are_followed_within_the_root(root: Path, link: str, target: str, asked: str, leads: str) -> None:
    (root / link).symlink_to(target)
    assert resolved(root, asked) == PurePosixPath(leads)


def test_a_circle_is_refused(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("/a")
    with pytest.raises(Refused, match="circle"):
        resolved(root, "/a/x")


def test_a_path_cannot_climb_out(root: Path) -> None:
    assert resolved(root, "/../../etc/./x/..//hosts") == PurePosixPath("/etc/hosts")


def test_what_is_there_is_mounted_over_and_nothing_is_opened(root: Path) -> None:
    found = pairs(layout(root, AT, {PurePosixPath("/etc/hosts"): False}))
    assert found[f"{AT}/etc"] == "--ro-bind"
    assert f"{AT}/etc/hosts" not in found


def test_room_is_made_and_the_neighbours_stay(root: Path) -> None:
    (root / "srv/www").mkdir()
    (root / "srv/link").symlink_to("/etc/passwd")
    found = pairs(layout(root, AT, {PurePosixPath("/srv/data/deep"): True}))
    assert found[f"{AT}/srv"] == "--dir"
    assert found[f"{AT}/srv/data"] == "--dir"
    assert found[f"{AT}/srv/www"] == "--ro-bind"
    assert found[f"{AT}/srv/link"] == "--symlink", "kept as a link, never followed"
    assert found[f"{AT}/etc"] == "--ro-bind"


@pytest.mark.parametrize(("target", "is_folder"), [("/etc/hosts", True), ("/srv", False), ("/etc/hosts/x", False)])
def test_a_file_is_no_folder(root: Path, target: str, is_folder: bool) -> None:
    with pytest.raises(Refused):
        layout(root, AT, {PurePosixPath(target): is_folder})
