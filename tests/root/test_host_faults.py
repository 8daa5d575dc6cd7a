"""A host that is not set up as it should be: one clear line in the log, and a clean -ERR or close for the client."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from popa3d import VERSION
from popa3d.shared import replies
from popa3d.shared.arguments import HELP, USAGE
from tests.host import ALICE, HOME, Host, bind, tmpfs, unmount
from tests.talk import POPA3D, Talk, descriptors, ids


def closed(command: list[str] | None = None) -> None:
    """The client sees the connection closed, without a word."""
    with Talk(command) as talk:
        talk.send(b"USER alice\r\nPASS sesame-1\r\n")
        assert talk.rest() == b""
        assert talk.status() == 1


def test_no_popa3d_user(host: Host) -> None:
    """Without the user popa3d nothing is served."""
    passwd = host.base / "passwd"
    lines = Path("/etc/passwd").read_text().splitlines(True)
    passwd.write_text("".join(line for line in lines if not line.startswith("popa3d:")))
    bind(passwd, "/etc/passwd")
    try:
        closed()
    finally:
        unmount("/etc/passwd")
    host.syslog.wait('getpwnam("popa3d"): no such user')


def remove(chroot: Path) -> None:
    chroot.rmdir()


def a_file(chroot: Path) -> None:
    chroot.rmdir()
    chroot.touch()


def a_link(chroot: Path) -> None:
    chroot.rmdir()
    chroot.symlink_to("/proc")


def foreign(chroot: Path) -> None:
    os.chown(chroot, ALICE.uid, ALICE.uid)


def writable(chroot: Path) -> None:
    chroot.chmod(0o777)


def full(chroot: Path) -> None:
    (chroot / "x").touch()


@pytest.mark.parametrize("spoil", [remove, a_file, a_link, foreign, writable, full])
def test_unsafe_chroot(host: Host, spoil: Callable[[Path], None]) -> None:
    """A chroot directory that is missing, not root's, not empty, or writable by others stops the session."""
    try:
        spoil(host.chroot)
        closed()
        host.syslog.wait(f"{host.chroot}")
    finally:
        if host.chroot.is_dir() and not host.chroot.is_symlink():
            shutil.rmtree(host.chroot)
        else:
            host.chroot.unlink(missing_ok=True)
        host.chroot.mkdir(mode=0o755)


def test_no_pam_service_file(host: Host) -> None:
    """Without its PAM file popa3d does not fall back to whatever "other" says: everybody is refused."""
    (host.pam_d / "popa3d").unlink()
    (host.pam_d / "other").write_text("auth required pam_permit.so\naccount required pam_permit.so\n")
    with Talk() as talk:
        assert talk.login().startswith(b"-ERR [SYS/PERM] service unavailable")
        assert talk.rest() == b""
    host.syslog.wait("No PAM service file /etc/pam.d/popa3d")


def test_no_spool(host: Host) -> None:
    """A spool directory that is missing (not mounted) is no empty mailbox: a client would forget what it has seen."""
    with Talk([*POPA3D, "-c", host.configuration('[mailbox]\nspool = "/var/nowhere"\n')]) as talk:
        assert talk.login().startswith(b"-ERR [SYS/PERM] service unavailable: mailbox")
    host.syslog.wait("Failed or refused to load /var/nowhere/alice: its directory is missing")


def test_mailbox_in_the_home_directory(host: Host) -> None:
    """home_file serves the mailbox from the user's home directory."""
    tmpfs("/mnt")
    try:
        home = Path("/mnt/alice")
        home.mkdir()
        (home / "inbox").write_bytes(b"From a\nSubject: x\n\nbody\n\n")
        for path in (home, home / "inbox"):
            os.chown(path, ALICE.uid, ALICE.uid)
        passwd = host.base / "passwd"
        passwd.write_text(Path("/etc/passwd").read_text().replace("alice:/nonexistent", "alice:/mnt/alice"))
        bind(passwd, "/etc/passwd")
        with Talk([*POPA3D, "-c", host.configuration('[mailbox]\nhome_file = "inbox"\n')]) as talk:
            assert talk.login() == b"+OK\r\n"
            assert talk.ask(b"STAT").startswith(b"+OK 1 ")
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        unmount("/etc/passwd")
    finally:
        unmount("/mnt")


def test_no_mailbox_path(host: Host) -> None:
    """A home directory that is no absolute path has no mailbox: that is the host's to mend, and no matter of the password."""
    passwd = host.base / "passwd"
    passwd.write_text(Path("/etc/passwd").read_text().replace("alice:/nonexistent", "alice:home"))
    bind(passwd, "/etc/passwd")
    try:
        with Talk([*POPA3D, "-c", host.configuration('[mailbox]\nhome_file = "inbox"\n')]) as talk:
            assert talk.login() == replies.MISCONFIGURED
            assert talk.status() == 1
    finally:
        unmount("/etc/passwd")
    host.syslog.wait("No usable mailbox path for alice")


def test_no_worker(host: Host) -> None:
    """If the worker cannot be executed, the user is told to come back, and the log says what is wrong."""
    place = host.base / "elsewhere"
    shutil.copytree(HOME / "lib", place / "lib")
    (place / "bin").mkdir()
    shutil.copy(HOME / "bin/popa3d", place / "bin/popa3d")
    with Talk([str(place / "bin/popa3d")]) as talk:
        assert talk.login().startswith(b"-ERR [SYS/PERM] service unavailable")
        assert talk.status() == 1
    host.syslog.wait("bin/popa3d-session: No such file or directory")
    shutil.rmtree(place)


def test_group_zero(host: Host) -> None:
    """An account whose group is root's is not served: nothing may run with that group."""
    passwd = host.base / "passwd"
    passwd.write_text(Path("/etc/passwd").read_text().replace(f":{ALICE.uid}:{ALICE.uid}:", f":{ALICE.uid}:0:"))
    bind(passwd, "/etc/passwd")
    try:
        with Talk() as talk:
            assert talk.login() == replies.NOT_SERVED
            assert talk.status() == 0
        with Talk() as talk:
            assert talk.login(password="wrong") == replies.LOGIN_FAILED
    finally:
        unmount("/etc/passwd")
    host.syslog.wait("Login refused for alice from 127.0.0.1: the account has group 0")
    host.syslog.wait("Authentication failed for alice from 127.0.0.1")


@pytest.mark.parametrize(
    ("text", "mode", "owner", "part"),
    [
        ("[session]\ntimeout_s = 'x'\n", 0o644, 0, "session.timeout_s must be a number"),
        ("", 0o664, 0, "writable by root alone"),
        ("", 0o646, 0, "writable by root alone"),
        ("", 0o644, ALICE.uid, "must belong to root"),
        ("#" * 70_000, 0o644, 0, "larger than"),
    ],
)
def test_bad_configuration(host: Host, text: str, mode: int, owner: int, part: str) -> None:
    """A configuration that is wrong, or that others than root can write, stops the session with file and reason."""
    path = host.configuration(text)
    os.chmod(path, mode)
    os.chown(path, owner, 0)
    try:
        closed([*POPA3D, "-c", path])
        host.syslog.wait(f"{path}: ")
        host.syslog.wait(part)
        done = subprocess.run([*POPA3D, "-c", path], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert part in done.stderr
    finally:
        os.unlink(path)


def test_configuration_that_is_no_file(host: Host) -> None:
    """A directory, a FIFO or a device as configuration is refused at once."""
    fifo = host.base / "fifo"
    os.mkfifo(fifo)
    for path in ("/etc", str(fifo), "/dev/null"):
        closed([*POPA3D, "-c", path])
        host.syslog.wait(f"{path}: not a regular file")
    fifo.unlink()


def test_not_started_by_root(host: Host) -> None:
    """Started by anybody else, popa3d says so on standard error and ends."""
    done = subprocess.run(
        POPA3D, input="", capture_output=True, text=True, user=ALICE.uid, group=ALICE.uid, extra_groups=[], check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "popa3d: must be started by root\n")


def test_version_and_usage(host: Host) -> None:
    """-V prints the version, -h the options; an unknown option is named, with the usage, on standard error: exit 1."""
    done = subprocess.run([*POPA3D, "-V"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"popa3d version {VERSION} (20")
    for option in ("-h", "--help"):
        done = subprocess.run([*POPA3D, option], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{HELP}\n")
    done = subprocess.run([*POPA3D, "-z"], input="", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"popa3d: unknown option -z\n{USAGE}\n")
    host.syslog.wait("unknown option -z")


def test_check_of_the_configuration(host: Host) -> None:
    """-t is silent and exits 0 for a file that is right; else it says what is wrong and exits 1. It touches nothing."""
    good, bad = "[listen]\nport = 1110\n", "[listen]\nports = 1110\n"
    for options in (["-t"], ["-Dt"], ["-tF", "-4"]):
        done = subprocess.run([*POPA3D, *options, "-c", host.configuration(good)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        file = host.configuration(bad)
        done = subprocess.run([*POPA3D, *options, "-c", file], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"popa3d: {file}: unknown key listen.ports\n"
    done = subprocess.run([*POPA3D, "-t", "-c", "/nonexistent"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "popa3d: /nonexistent: No such file or directory\n")


@pytest.mark.parametrize("closed_fds", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(host: Host, closed_fds: str) -> None:
    """Started with descriptors missing, popa3d ends, without a traceback and without harm."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {POPA3D[0]} {closed_fds}"], input=b"", capture_output=True, timeout=30, check=False
    )
    assert b"Traceback" not in done.stdout + done.stderr
    assert "Internal error" not in host.syslog.text


def test_no_syslog(host: Host) -> None:
    """Where no log daemon listens, mail is served all the same."""
    empty = host.base / "empty"
    empty.touch()
    bind(empty, "/dev/log")
    try:
        with Talk() as talk:
            assert talk.login() == b"+OK\r\n"
            assert talk.ask(b"QUIT") == b"+OK\r\n"
    finally:
        unmount("/dev/log")


def test_inherited_signals_and_descriptors(host: Host) -> None:
    """Blocked signals, a pending alarm, and descriptors beyond a lowered limit do not reach the session."""

    def spoil() -> None:
        secret = os.open("/etc/shadow", os.O_RDONLY)
        os.dup2(secret, 500)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        signal.alarm(5)

    with Talk(preexec_fn=spoil, close_fds=False) as talk:
        assert talk.login() == b"+OK\r\n"
        pid = talk.process.pid
        assert 500 not in descriptors(pid) and max(descriptors(pid)) < 10
        assert int(ids(pid)["SigBlk"], 16) == 0
        talk.client.settimeout(5.5)
        with pytest.raises(TimeoutError):
            talk.client.recv(1)  # the alarm would have ended it by now
        talk.client.settimeout(20)
        assert talk.ask(b"QUIT") == b"+OK\r\n"


def test_hanging_log(host: Host) -> None:
    """A log daemon that takes nothing does not keep the client from its greeting, and does not collect processes for ever."""
    command = [*POPA3D, "-c", host.configuration("[session]\nlogin_timeout_s = 1\n")]
    with host.stuck_log(), Talk(command, seconds=40) as talk:
        assert talk.line() == b"+OK popa3d ready\r\n"
        talk.client.close()
        assert talk.process.wait(30) == -signal.SIGALRM


@pytest.mark.parametrize("umask", [0, 0o077])
def test_installed(host: Host, umask: int) -> None:
    """`make install` gives a program that serves from its own paths, with bytecode compiled then and no more, and uninstalls.

    Modules of another version, which are no longer there, go.
    """
    place = host.base / "usr"
    make = ["make", "-s", "-C", str(HOME), f"PREFIX={place}"]
    library = place / "lib/popa3d"
    for old in ("popa3d/owner/index.py", "popa3d/old/__init__.py", "popa3d/old/__pycache__/__init__.cpython-311.pyc"):
        (library / old).parent.mkdir(parents=True, exist_ok=True)
        (library / old).touch()
    subprocess.run([*make, "install"], check=True, umask=umask)
    installed = {str(path.relative_to(library / "popa3d")) for path in (library / "popa3d").rglob("*.py")}
    assert installed == {str(path.relative_to(HOME / "lib/popa3d")) for path in (HOME / "lib/popa3d").rglob("*.py")}
    assert not (library / "popa3d/old").exists()
    for path in place.rglob("*"):
        assert path.stat().st_mode & 0o022 == 0 and path.stat().st_mode & 0o044 == 0o044, path
    program = place / "sbin/popa3d"
    assert "HERE" not in program.read_text()
    examples = place / "share/doc/popa3d/examples"
    texts = [path.read_text() for path in examples.rglob("*") if path.is_file()]
    named = {word for text in texts for word in re.findall(r"[\w/.-]*/sbin/popa3d[\w-]*", text)}
    front = "/usr/local/sbin/popa3d-hosts"  # of another host, where docs/SCALE.md has it installed
    assert named == {str(program), f"{program}-recover", f"{program}-status", front}
    for path in place.rglob("*.py"):
        path.write_text("raise SystemExit('bytecode is missing')\n")
    before = [(path, path.stat().st_mtime_ns) for path in sorted(place.rglob("*"))]
    with Talk([str(program)]) as talk:
        assert talk.login() == b"+OK\r\n"
        assert str(place / "lib/popa3d/popa3d-session") in Path(f"/proc/{talk.process.pid}/cmdline").read_text()
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert [(path, path.stat().st_mtime_ns) for path in sorted(place.rglob("*"))] == before
    subprocess.run([*make, "uninstall"], check=True)
    assert not [path for path in place.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "spoilt", ["DESTDIR={}/my dir", "DESTDIR={} ", "PREFIX={} ", "LIBDIR={}/my dir", "LIBDIR=", "PREFIX=usr"]
)
@pytest.mark.parametrize("target", ["install", "uninstall"])
def test_names_that_make_cannot_take(host: Host, target: str, spoilt: str) -> None:
    """A name with a space would be two names to rm; neither target begins with it, or with one that is no absolute path."""
    mine = host.base / "my"
    mine.touch()
    command = ["make", "-s", "-C", str(HOME), f"PREFIX={host.base}/other", spoilt.format(host.base), target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and ("has a space" in done.stderr or "is not an absolute path" in done.stderr)
    assert mine.exists() and not (host.base / "other").exists()
