"""What is confined cannot see, touch, outlive or exhaust what is not its own; run as root and as an ordinary user."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from pave.adapters.sandbox import Confinement, Mount, Sandbox, handed_over, interpreter_mounts, probe
from pave.adapters.subprocesses import Command, spawn
from pave.apply.retry import Cancelled, Terminal
from pave.model.diagnostics import Refused

ROOT = os.geteuid() == 0
HERE = Path(__file__)


@pytest.fixture
def private(tmp_path):
    """A folder such as Pave's own data: nobody else can enter it."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "secret").write_text("platform data")
    return folder


def sh(sandbox, script, **parts):
    return sandbox.execute(Confinement(("/bin/sh", "-c", script), **{"seconds": 20.0, **parts}))


@pytest.mark.parametrize(
    "attack",
    [
        "cat /etc/shadow",
        "cat {private}/secret",
        "ls {private}",
        "ls /work /srv /var/lib",
        "echo x > /usr/bin/evil",
        "echo x > /etc/passwd",
        "echo x > /app/index.html",
        "kill -9 {host}",
        "cat /proc/{host}/environ",
        "ls -d /proc/{host}",
        "mount -t tmpfs none /mnt",
        "mount -o remount,rw /usr",
        "chroot /",
        "unshare -m true && mount --bind /proc /mnt",
        "cat /dev/vda /dev/sda /dev/mem",
        "mknod /tmp/disk b 8 0",
        "echo 1 > /proc/sys/kernel/panic",
        "kill -9 1 && sleep 5 && false",
    ],
)
def test_nothing_outside_is_reached(sandbox, private, attack, tmp_path):
    application = tmp_path / "application"
    application.mkdir()
    host = subprocess.Popen(["sleep", "60"])
    try:
        script = attack.format(private=private, host=host.pid)
        result = sh(sandbox, script, read=(Mount(application, "/app"),))
        assert not result.ok, result.text
        assert "platform data" not in result.text
        assert host.poll() is None
        assert list(application.iterdir()) == []
    finally:
        host.kill()
        host.wait()


def test_it_is_nobody_with_no_rights_and_none_to_gain(sandbox):
    status = dict(
        line.split(":\t", 1) for line in sh(sandbox, "cat /proc/self/status").text.splitlines() if ":\t" in line
    )
    uid = str(65534 if ROOT else os.geteuid())
    assert status["Uid"].split() == [uid] * 4
    assert status["Groups"].strip() in ("", uid) or not ROOT
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert sh(sandbox, "id -un").text.strip() not in ("", "root")


def test_it_sees_no_process_but_its_own(sandbox):
    pids = sh(sandbox, "ls /proc | grep -c '^[0-9]*$'").text
    assert int(pids) < 6


def test_no_other_process_of_the_same_user_can_be_traced(sandbox, tmp_path):
    with sandbox_running(sandbox, "sleep 30") as outer:
        victims = [pid for pid in children(outer.pid) if "sleep" in command(pid)]
        assert victims
        assert not sh(sandbox, f"kill -0 {victims[0]} || cat /proc/{victims[0]}/mem").ok


def test_the_network_is_there_only_if_asked_for(sandbox):
    script = "cat /proc/net/dev | grep -vc -e '|' -e lo:"
    assert sh(sandbox, script).text.strip() == "0"
    probe_port = "import socket; s = socket.socket(); s.settimeout(2); s.connect(('127.0.0.1', %d))"
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        python = ("/usr/bin/env", "python3", "-c", probe_port % server.getsockname()[1])
        assert not sandbox.execute(Confinement(python, seconds=20)).ok
        assert sandbox.execute(Confinement(python, seconds=20, network=True)).ok


def test_a_fork_bomb_stays_small_and_ends(sandbox):
    code = (
        "import os, time # a bomb of 2000\nn = 0\ntry:\n while n < 2000:\n"
        "  if os.fork() == 0: time.sleep(60)\n  n += 1\nexcept OSError: print(n)"
    )
    result = sandbox.execute(Confinement(("/usr/bin/env", "python3", "-c", code), processes=50, seconds=20))
    assert 0 < int(result.text) <= 50
    assert not left("a bomb of 2000")


def test_two_sandboxes_do_not_share_their_limit(sandbox):
    with sandbox_running(sandbox, "for i in $(seq 30); do sleep 30 & done; wait", processes=40):
        result = sh(sandbox, "for i in $(seq 30); do sleep 0.1 & done; wait; echo fine", processes=40)
        assert result.text.strip() == "fine"


def test_what_is_patient_gives_way_on_the_processor_and_cannot_stop_to(sandbox):
    assert sandbox.execute(Confinement(("/bin/sh", "-c", "nice"))).text.strip() == "0"
    again = Confinement(("/bin/sh", "-c", "nice; nice -n -5 nice"), patient=True)
    assert set(re.findall(r"^\d+$", sandbox.execute(again).text, re.MULTILINE)) == {"5"}


def test_disks_and_memory_cannot_be_filled(sandbox, tmp_path):
    folder = tmp_path / "writable"
    folder.mkdir()
    sandbox.give(folder)
    write = (Mount(folder, "/data"),)
    assert not sh(sandbox, "head -c 3000000 /dev/zero > /data/big", write=write, file_bytes=1_000_000).ok
    assert (folder / "big").stat().st_size <= 1_000_000
    assert "No space left" in sh(sandbox, "head -c 3000000 /dev/zero > /tmp/big", scratch_bytes=1_000_000).text
    python = ("/usr/bin/env", "python3", "-c", "x = bytearray(400_000_000); print('got it')")
    result = sandbox.execute(Confinement(python, memory_bytes=200_000_000, seconds=20))
    assert "got it" not in result.text


def test_a_private_folder_can_be_given_without_opening_the_way_to_it(sandbox, private):
    sandbox.give(private)
    result = sh(sandbox, "cat secret > copy && ls", directory="/data", write=(Mount(private, "/data"),))
    assert result.ok, result.text
    assert (private / "copy").read_text() == "platform data"


def test_variables_reach_the_command_and_nothing_before_it(sandbox):
    result = sh(sandbox, "env", environment={"LD_PRELOAD": "/evil.so", "PYTHONPATH": "/evil", "A": "b\nc"})
    assert "A=b\nc" in result.text
    # One complaint for the shell and one for `env`; none for what runs before with rights.
    assert result.text.count("cannot be preloaded") <= 2
    confinement = Confinement(("/bin/true",), environment={"TOKEN": "s3cr3t"})
    assert "s3cr3t" not in json.dumps(sandbox.command(confinement)) + repr(confinement)


@pytest.mark.parametrize("inside", ["/", "/usr/bin", "/lib/x", "/proc", "/run/pave/enter.py", "/etc/ld.so.preload"])
def test_nothing_is_mounted_over_the_system(sandbox, tmp_path, inside):
    with pytest.raises(Refused, match="belongs to the system"):
        sandbox.command(Confinement(("/bin/true",), read=(Mount(tmp_path, inside),)))


def test_python_itself_cannot_be_replaced(sandbox, tmp_path):
    for mount in interpreter_mounts():
        with pytest.raises(Refused, match="belongs to the system"):
            sandbox.command(Confinement(("/bin/true",), write=(Mount(tmp_path, f"{mount.inside}/bin"),)))


def test_time_and_cancelling_end_it_with_its_children(sandbox):
    with pytest.raises(Terminal, match="did not end within 1 s"):
        sandbox.run(Confinement(("/bin/sh", "-c", "setsid sleep 77.0123 & sleep 77.0123"), seconds=1.0), lambda _: None)
    with pytest.raises(Cancelled):
        sandbox.run(Confinement(("/bin/sh", "-c", "sleep 77.0123")), lambda _: None, lambda: True)
    assert not left("sleep 77.0123")


def test_where_nothing_can_be_confined_only_trusted_commands_run(tmp_path, private):
    none = Sandbox("none", "user namespaces are blocked", "", tmp_path / "etc")
    with pytest.raises(Refused, match="cannot confine make"):
        none.command(Confinement(("make",)))
    argv = none.server(["/bin/true"], write=[private])
    assert argv[-1] == "/bin/true"


def test_a_broken_bwrap_is_level_none_with_the_reason(tmp_path):
    found = probe("/bin/false", "nobody", tmp_path / "etc")
    assert found.level == "none"
    assert "/bin/false" in found.reason


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_all_of_this_holds_for_an_ordinary_user(tmp_path):
    """The same tests again, as nobody, where this user can reach the checkout and an interpreter."""
    folder = Path(tempfile.mkdtemp(prefix="pave-nobody-"))
    os.chown(folder, 65534, 65534)
    script = (
        "import sys; from pave.adapters.sandbox import *; from pathlib import Path; "
        "s = probe('', 'nobody', Path(sys.argv[1])); print(s.level, s.user, s.reason); "
        "c = Confinement(('/bin/sh', '-c', 'id -u; cat /etc/shadow; grep CapEff /proc/self/status'), processes=40); "
        "print(s.execute(c).text)"
    )
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parents[3]), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        subprocess.run([*drop, sys.executable, "-c", "import pave.adapters.sandbox"], env=environment, check=True,
                       capture_output=True, timeout=30)  # fmt: skip
    except subprocess.CalledProcessError:
        pytest.skip("this user can enter neither the checkout nor the interpreter")
    try:
        result = subprocess.run([*drop, sys.executable, "-c", script, str(folder / "etc")], env=environment, check=True,
                                capture_output=True, text=True, timeout=60)  # fmt: skip
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    level, *said = result.stdout.splitlines()
    assert level.startswith("full None")
    assert said[0] == "65534"
    assert "CapEff:\t0000000000000000" in said
    assert "root:" not in result.stdout


class sandbox_running:  # noqa: N801 — reads as what it is
    """A confined script in the background."""

    def __init__(self, sandbox, script, **parts):
        confinement = Confinement(("/bin/sh", "-c", script), **parts)
        given = handed_over(sandbox.environment(confinement))
        self._child = spawn(Command(sandbox.command(confinement), stdin=given))

    def __enter__(self):
        time.sleep(0.4)
        assert self._child.poll() is None
        return self._child

    def __exit__(self, *_):
        self._child.kill()


def children(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                child = int(stat.parent.name)
                found += [child, *children(child)]
        except OSError:
            continue
    return found


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def left(marker):
    """Processes anywhere on the machine that carry the marker; a killed sandbox needs a moment to go."""
    for _ in range(50):
        found = [pid for pid in (int(one.name) for one in Path("/proc").glob("[0-9]*")) if marker in command(pid)]
        if not found:
            return []
        time.sleep(0.05)
    return found
