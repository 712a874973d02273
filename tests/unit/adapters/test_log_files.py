"""Following a file: through turns, restarts, half lines and lines without end; nothing lost and nothing twice."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pave.adapters.logs.files import CHUNK, LONGEST, Place, new_in


class Turning:
    """Writes as supervisord does (`x.log.1`), or as the router (`x-2026…T….log`); `read` follows it."""

    def __init__(self, folder, *, dated=False, keep=2):
        self.path, self.dated, self.keep = folder / "x.log", dated, keep
        self.turns, self.place, self.lost = 0, None, 0
        self.path.touch()

    def write(self, data):
        with self.path.open("ab") as file:
            file.write(data)

    def turn(self):
        self.turns += 1
        if self.dated:
            self.path.rename(self.path.with_name(f"x-2026-11-24T10-00-{self.turns:02d}.000.log"))
            for old in sorted(self.path.parent.glob("x-*.log"))[: -self.keep]:
                old.unlink()
        else:
            self.path.with_name(f"x.log.{self.keep}").unlink(missing_ok=True)
            for number in range(self.keep - 1, 0, -1):
                if self.path.with_name(f"x.log.{number}").exists():
                    self.path.with_name(f"x.log.{number}").rename(self.path.with_name(f"x.log.{number + 1}"))
            self.path.rename(self.path.with_name("x.log.1"))
        self.path.touch()

    def read(self, *, final=False, restart=True):
        """All that is new; the place goes through its mark each time, as over a restart."""
        found = b""
        while (piece := new_in(self.path, self.place, dated=self.dated, final=final)) is not None:
            found += piece.lines + piece.cut
            before, self.lost = self.place, self.lost + piece.lost
            self.place = Place.parse(str(piece.place)) if restart else piece.place
            if self.place == before:
                break
        return found


@pytest.fixture(params=["supervisord", "router"])
def log(request, tmp_path):
    return Turning(tmp_path, dated=request.param == "router")


def test_what_is_new_is_read_once(log):
    log.write(b"one\ntwo\n")
    assert log.read() == b"one\ntwo\n"
    assert log.read() == b""
    log.write(b"three\n")
    assert log.read() == b"three\n"


def test_rotation_loses_and_doubles_nothing(log):
    log.write(b"one\n")
    assert log.read() == b"one\n"
    log.write(b"two\n")
    log.turn()
    log.write(b"three\n")
    assert log.read() == b"two\nthree\n"
    log.turn()
    log.turn()
    log.write(b"four\n")
    assert log.read() == b"four\n"
    assert log.lost == 0


def test_a_line_that_a_turn_cuts_in_two_is_one_line(log):
    log.write(b"begun ")
    assert log.read() == b""
    log.turn()
    assert log.read() == b""
    log.write(b"and ended\nnext\n")
    assert log.read() == b"begun and ended\nnext\n"


def test_what_turned_too_often_to_be_read_is_said(log):
    log.write(b"one\n")
    log.read()
    for number in range(4):
        log.write(b"%d\n" % number)
        log.turn()
    assert log.read() == b"2\n3\n"
    assert log.lost == 1


def test_an_inode_that_was_given_away_again_is_another_file(log):
    log.write(b"a long first line\n")
    log.read()
    inode = log.path.stat().st_ino
    log.path.unlink()
    log.write(b"entirely other content, and longer\n")
    log.place = Place(log.path.stat().st_ino, log.place.offset, log.place.skipping, log.place.witness)
    assert log.read() == b"entirely other content, and longer\n"
    assert inode


def test_half_a_line_is_waited_for_a_second(log):
    log.write(b"prompt> ")
    assert log.read() == b""
    os.utime(log.path, (1, 1))
    assert log.read() == b"prompt> "
    log.write(b"yes\n")
    assert log.read() == b"yes\n"


def test_the_last_words_need_no_end(log):
    log.write(b"one\nfatal")
    assert log.read(final=True) == b"one\nfatal"
    assert log.read(final=True) == b""


def test_a_log_line_of_50_mb_is_cut_and_what_follows_is_found(log):
    log.write(b"before\n" + b"x" * 50_000_000 + b"\nafter\n")
    found = log.read()
    assert found.startswith(b"before\nxxx")
    assert found.endswith(b"xafter\n")
    assert LONGEST < len(found) < 2 * CHUNK


def test_a_long_line_that_is_still_being_written_is_cut_once(log):
    found = b""
    for _ in range(5):
        log.write(b"y" * 300_000)
        found += log.read()
    log.turn()
    log.write(b"yy\nafter\n")
    found += log.read()
    assert found.count(b"y") < 300_000
    assert found.endswith(b"after\n")


def test_nothing_is_read_where_nothing_is(tmp_path):
    assert new_in(tmp_path / "none.log", None) is None
    assert new_in(tmp_path / "none.log", Place(1, 2)) is None


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("s\n")
    (tmp_path / "x.log").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        new_in(tmp_path / "x.log", None)


@pytest.mark.parametrize("mark", ["", "x", "[]", "[1]", '{"a":1}', "null", '["a",1,1,1]'])
def test_a_mark_that_is_none_is_none(mark):
    assert Place.parse(mark) is None


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_every_byte_is_read_once(tmp_path_factory, seed):
    chance = random.Random(seed)
    log = Turning(tmp_path_factory.mktemp("log"), dated=chance.random() < 0.5)
    written, found, unread = b"", b"", 0
    for _ in range(chance.randrange(1, 40)):
        what = chance.random()
        if what < 0.5:
            data = b"".join(
                b"%d " % chance.randrange(1000) + chance.choice([b"\n", b""]) for _ in range(chance.randrange(6))
            )
            log.write(data)
            written += data
        elif what < 0.7 and unread < 2:
            log.turn()
            unread += 1
        else:
            found += log.read()
            unread = 0 if written.endswith(b"\n") or not written else unread
    found += log.read(final=True)
    assert found == written
