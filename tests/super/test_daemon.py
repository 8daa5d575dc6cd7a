"""popa3d -D as an administrator meets it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from popa3d.shared.limits import STATE
from tests.host import ALICE, PAM_OPEN, Host, bind, tmpfs, unmount
from tests.super.daemon import Connected, Daemon, logged_in, over_the_limit, refused, wait_until
from tests.talk import POPA3D, Talk, connection, descriptors, ids


@pytest.mark.parametrize(
    ("options", "four", "six"), [("-DF", True, True), ("-4DF", True, False), ("-DF6", False, True), ("-46DF", True, True)]
)
def test_families(host: Host, options: str, four: bool, six: bool) -> None:
    """Without -4 and -6, or with both, IPv4 and IPv6 are served; with one of them, that family only."""
    with Daemon(host, options=[options]):
        for address, served in (("127.0.0.1", four), ("::1", six)):
            assert logged_in(address) if served else refused(address)
    assert "Authentication passed for alice from ::1" in host.syslog.text or not six
    assert "Authentication passed for alice from 127.0.0.1" in host.syslog.text or not four


def test_detaches_once_it_listens(host: Host) -> None:
    """-D ends with 0 when connections are accepted already, and leaves a process without terminal and with its own session."""
    done = subprocess.run([*POPA3D, "-D"], capture_output=True, text=True, timeout=30, check=False)
    ours = [int(path.name) for path in Path("/proc").glob("[0-9]*") if is_listener(path)]
    (pid,) = [pid for pid in ours if int(ids(pid)["PPid"]) not in ours]  # others are spare sessions
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert logged_in()
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert [descriptors(pid)[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3
        again = subprocess.run([*POPA3D, "-D"], capture_output=True, text=True, timeout=30, check=False)
        assert (again.returncode, again.stdout) == (1, "")
        assert again.stderr == "popa3d: 0.0.0.0 port 110: Address already in use\n"
        assert logged_in()  # the first one has not minded
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: refused("127.0.0.1") and gone(pid))


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_started_without_descriptors(host: Host, closed: str) -> None:
    """Started with standard descriptors closed, and with a relative file, the daemon serves, and can be reloaded."""
    host.configuration("[listen]\nport = 1110\n")
    command = f"exec {POPA3D[0]} -F -D -c popa3d.toml {closed}"
    with subprocess.Popen(["/bin/sh", "-c", command], cwd=host.base) as daemon:
        try:
            wait_until(lambda: not refused("127.0.0.1", 1110))
            assert logged_in(port=1110)
            daemon.send_signal(signal.SIGHUP)
            host.syslog.wait("Configuration reloaded")
            assert logged_in("::1", 1110)
            daemon.terminate()
            assert daemon.wait(60) == 0
        finally:
            daemon.kill()


def test_a_login_after_the_listener_has_ended(host: Host) -> None:
    """A client that has not yet logged in when the listener ends is served all the same: sessions live on without it."""
    host.pam_stack(PAM_OPEN)
    with Daemon(host) as daemon, Connected() as talk:
        assert talk.line().startswith(b"+OK")
        session = daemon.session()
        daemon.process.kill()
        daemon.process.wait(60)
        assert talk.ask(b"USER alice") == b"+OK\r\n" and talk.ask(b"PASS x") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        wait_until(lambda: not Path(f"/proc/{session}").exists())


def is_listener(path: Path) -> bool:
    """Whether a /proc directory is that of a `popa3d -D` of this private host."""
    try:
        ours = os.readlink(path / "ns/mnt") == os.readlink("/proc/self/ns/mnt")
        return ours and (path / "cmdline").read_bytes().endswith(b"/popa3d\0-D\0")
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Whether a process has ended; somebody else's zombie counts as that."""
    try:
        return ids(pid)["State"].startswith(("Z", "X"))
    except OSError:
        return True


def test_spool_that_can_only_be_read(host: Host) -> None:
    """A spool on a file system that cannot be written, as under a unit's ProtectSystem=, is said once at the start."""
    tmpfs("/mnt", "ro,mode=0755")
    try:
        for spool, warned in (("/mnt", True), ("/var/mail", False)):
            host.syslog.clear()
            with Daemon(host, f'[mailbox]\nspool = "{spool}"\n'):
                logged_in()
                logged_in()
            warning = f"{spool} is on a file system that can only be read: no message can be deleted"
            assert host.syslog.text.count(warning) == warned
    finally:
        unmount("/mnt")


def test_configured_addresses(host: Host) -> None:
    """listen.port and listen.addresses say where; an address that cannot be had is an error at the start."""
    with Daemon(host, '[listen]\nport = 1110\naddresses = ["127.0.0.2"]\n'):
        assert logged_in("127.0.0.2", 1110)
        assert refused("127.0.0.1", 1110) and refused("127.0.0.2", 110)
    for addresses, options, part in (
        ('["192.0.2.77"]', "-DF", "192.0.2.77 port 110: Cannot assign requested address"),
        ('["127.0.0.1"]', "-6DF", "no address of the family"),
    ):
        file = host.configuration(f"[listen]\naddresses = {addresses}\n")
        done = subprocess.run([*POPA3D, options, "-c", file], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 and part in done.stderr and done.stderr.count("\n") == 1


def test_session_is_the_same(host: Host) -> None:
    """A session of the daemon has nothing of it: no descriptor, no environment, default signals, the owner's ids."""
    with Daemon(host) as daemon, Connected() as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"NOOP") == b"+OK\r\n"  # by now all its modules are loaded
        pid = daemon.session()
        found = ids(pid)
        assert found["Uid"].split() == found["Gid"].split() == [str(ALICE.uid)] * 4
        assert int(found["SigBlk"], 16) == 0 and int(found["CapEff"], 16) == 0
        open_now = descriptors(pid)
        assert open_now[0] == open_now[1] and open_now[0].startswith("socket:")
        others = {fd: what for fd, what in open_now.items() if fd > 2}
        assert len(others) == 2 and f"{STATE}/{ALICE.uid}" in others.values()
        assert not set(others.values()) & set(descriptors(daemon.pid).values())
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        wait_until(daemon.idle)


def test_reload(host: Host) -> None:
    """SIGHUP takes over new limits and addresses; a bad file, or an address that cannot be had, is logged and changes nothing."""
    with Daemon(host, "[listen]\nport = 1110\n") as daemon:
        with Connected(port=1110) as talk:
            assert talk.login() == b"+OK\r\n"
            for text, why in (
                ("[listen]\nport = 'x'\n", "listen.port must be a number"),
                ('[listen]\nport = 1110\naddresses = ["127.0.0.1", "192.0.2.77"]\n', "192.0.2.77 port 1110: Cannot assign"),
            ):
                daemon.file.write_text(text)
                daemon.process.send_signal(signal.SIGHUP)
                host.syslog.wait(why)
                assert logged_in("::1", 1110)
            daemon.file.write_text('[listen]\nport = 1111\naddresses = ["127.0.0.1"]\n[session]\nlogin_timeout_s = 1\n')
            daemon.process.send_signal(signal.SIGHUP)
            host.syslog.wait("Configuration reloaded")
            assert logged_in(port=1111) and refused("127.0.0.1", 1110) and refused("::1", 1111)
            assert talk.ask(b"NOOP") == b"+OK\r\n"  # a running session has not noticed
        with Connected(port=1111) as talk:
            assert talk.line().startswith(b"+OK")
            assert talk.rest() == b""  # the new login limit


@pytest.mark.parametrize("rule", ["popa3d: 127.0.0.2", "ALL: 127.0.0.2", "popa3d: 127.0.0.0/255.255.255.254 EXCEPT 127.0.0.1"])
def test_hosts_deny(host: Host, rule: str) -> None:
    """/etc/hosts.deny is honoured through libwrap: who is in it gets no octet, others are served."""
    denied = "127.0.0.1" if "EXCEPT" in rule else "127.0.0.2"
    rule = rule.replace(" EXCEPT 127.0.0.1", "") if "EXCEPT" in rule else rule
    etc = host.base / "etc-copy"
    etc.mkdir(exist_ok=True)
    text = {"hosts.allow": "", "hosts.deny": rule + "\n"}
    present = [name for name in text if Path(f"/etc/{name}").exists()]
    assert present == sorted(text), "the machine has no hosts.allow and hosts.deny: install libwrap0"
    for name, content in text.items():
        (etc / name).write_text(content)
        bind(etc / name, f"/etc/{name}")
    try:
        with Daemon(host):
            assert over_the_limit(denied)
            host.syslog.wait(f"refused connect from {denied}")
            assert logged_in(of="127.0.0.3")
    finally:
        for name in text:
            unmount(f"/etc/{name}")


def test_no_libwrap(host: Host) -> None:
    """Where libwrap is missing, -D says so once in the log, and serves."""
    (library,) = [line.split()[-1] for line in loaded_libraries() if "libwrap.so.0" in line][:1]
    nothing = host.base / "nothing"
    nothing.touch()
    bind(nothing, os.path.realpath(library))
    try:
        with Daemon(host):
            assert logged_in() and logged_in()
        assert len(re.findall("No libwrap", host.syslog.text)) == 1
    finally:
        unmount(os.path.realpath(library))


def loaded_libraries() -> list[str]:
    """What ldconfig knows."""
    return subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout.splitlines()


def test_limits_behind_a_super_server(host: Host) -> None:
    """Limits that are set in the file hold for sessions that a super-server starts, too: the host's sessions are counted."""
    command = [*POPA3D, "-c", host.configuration("[listen]\nsessions_per_source = 2\n")]
    # Processes are counted on the whole machine, where others may be serving loopback addresses: another run of this, say.
    of, others = (f"127.{net}.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}" for net in (77, 78))
    with Talk(command, connection(of=of)) as one:
        assert one.line().startswith(b"+OK")
        with Talk(command, connection(of=of)) as two:
            assert two.login() == b"+OK\r\n"
            with Talk(command, connection(of=of)) as three:
                assert three.rest() == b""
            host.syslog.wait(f"{of}: per source limit reached")
            with Talk(command, connection(of=others)) as other:
                assert other.login() == b"+OK\r\n"
        with Talk(command, connection(of=of)) as four:
            assert four.login() == b"+OK\r\n"
