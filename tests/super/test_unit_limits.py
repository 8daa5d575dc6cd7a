"""What the limits of the units of packaging/systemd leave is enough, and not more than that.

There is no systemd to start units here: the limits are each put on a real session by other means.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from popa3d.shared.limits import STATE
from tests.host import ALICE, HOME, Host
from tests.root.interrupted import AFTER, interrupt
from tests.super.foreground import HELLO, MBOX, login
from tests.super.units import RECOVERY, SERVICES, SESSION_UNITS, places, setting
from tests.talk import POPA3D, Talk, connection
from tests.tls import client_context, install

pytestmark = pytest.mark.usefixtures("state_directory")

RECOVER = [str(HOME / "bin/popa3d-recover")]
# Sessions elsewhere on the machine are seen too, and must not count: of another run of this, say.
NEIGHBOUR = f"127.79.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"
SECOND = MBOX.replace(b"hello", b"again")
SESSION = b"RETR 1\r\nDELE 1\r\nQUIT\r\n"  # the first of two messages: that needs a journal
TRACED = (b"", b"QUIT\r\n", login(then=SESSION), b"USER alice\r\nPASS wrong\r\n", b"USER nobody-at-all\r\nPASS wrong\r\n")

# Runs in a mount namespace of its own: all that ProtectSystem=strict, ReadWritePaths=, StateDirectory=, ProtectHome=,
# PrivateTmp=, ProtectProc= and ProcSubset= do to the file system. Its arguments: two places that stay writable, a program.
FILES = """
set -e
for place in /var/mail /var/lib/popa3d-state; do mount --bind $place $place; done
awk '$5 !~ "^/(dev|proc|sys)(/|$)" { print $5 }' /proc/self/mountinfo | sort -u | while read -r place; do
    case $place in "$1"|"$2") ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || test "$place" != / ;; esac
done
for place in /home /root; do mount -t tmpfs -o ro,mode=0 tmpfs $place; done
mount -t tmpfs tmpfs /tmp
mount -t proc -o subset=pid,hidepid=invisible proc /proc
if mkdir /etc/popa3d-was-here 2>/dev/null; then rmdir /etc/popa3d-was-here; exit 70; fi
shift 2
exec "$@"
"""

# Loads the filters that systemd makes of SystemCallFilter=, MemoryDenyWriteExecute= and RestrictAddressFamilies=.
FILTERS = """
import ctypes, os, sys
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
EPERM, EAFNOSUPPORT, ALLOW, EQ, MASKED_EQ = 0x50001, 0x50061, 0x7fff0000, 4, 7
class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]
def rule(context, action, name, *compare):
    number = lib.seccomp_syscall_resolve_name(name.encode())
    if number != -1:  # a name that this machine's libseccomp does not know
        lib.seccomp_rule_add_array(ctypes.c_void_p(context), action, number, len(compare), (Compare * 1)(*compare))
def load(context):
    if lib.seccomp_load(ctypes.c_void_p(context)):
        os._exit(77)
more = lib.seccomp_init(ALLOW)
rule(more, EPERM, "mmap", Compare(2, MASKED_EQ, 6, 6))
rule(more, EPERM, "mprotect", Compare(2, MASKED_EQ, 4, 4))
for family in sys.argv[2].split(","):
    rule(more, EAFNOSUPPORT, "socket", Compare(0, EQ, int(family), 0))
calls = lib.seccomp_init(EPERM)
for name in sys.argv[1].split(","):
    rule(calls, ALLOW, name)
load(more)
rule(calls, ALLOW, "seccomp")
load(calls)
os.execv(sys.argv[3] if "/" in sys.argv[3] else "/usr/bin/" + sys.argv[3], sys.argv[3:])
"""


def as_root_may(unit: str, without: str = "", more: str = "") -> list[str]:
    """The program of a unit with the capabilities that this leaves, less one and one more, and no new privileges."""
    names = [name for name in [*setting(unit, "CapabilityBoundingSet"), more] if name not in ("", without)]
    capabilities = ",".join(name.lower().replace("cap_", "+") for name in names)
    return ["setpriv", "--no-new-privs", f"--bounding-set=-all,{capabilities}", *(RECOVER if unit == RECOVERY else POPA3D)]


def serves(command: list[str], host: Host) -> None:
    """Claim that a session of `command` logs in, fetches and deletes, and that another refuses a wrong password."""
    mailbox = host.deliver("alice", MBOX + SECOND)
    with Talk(command) as talk:
        talk.send(login(then=SESSION))
        got = talk.rest()
        assert b"Subject: hello\r\n\r\nhello\r\n.\r\n+OK" in got and b"-ERR" not in got, host.syslog.text
        assert talk.status() == 0
    assert mailbox.read_bytes() == SECOND
    assert [path.stat().st_uid for path in Path(STATE).iterdir()] == [ALICE.uid]
    with Talk(command) as talk:
        assert talk.login("bob", "wrong").startswith(b"-ERR")
        assert talk.status() == 0
    assert "nternal error" not in host.syslog.text
    for line in host.syslog.lines:
        assert "failed:" not in line.lower() and "not permitted" not in line.lower(), line


def recovers(command: list[str], host: Host) -> None:
    """Claim that popa3d-recover, started as `command`, finishes what sessions have left."""
    mailboxes = [interrupt(host, name=name) for name in ("alice", "bob")]
    done = subprocess.run([*command, "--all"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), host.syslog.text
    assert [mailbox.read_bytes() for mailbox in mailboxes] == [AFTER, AFTER]
    assert all("An unfinished update was completed" in line for line in host.syslog.lines), host.syslog.text


@pytest.mark.parametrize("unit", SESSION_UNITS)
def test_the_capabilities_are_enough(host: Host, unit: str) -> None:
    """With the unit's capabilities only, and no new privileges, a session logs in, fetches, deletes and refuses."""
    serves(as_root_may(unit), host)


@pytest.mark.parametrize("capability", ["CAP_SETUID", "CAP_SETGID", "CAP_SYS_CHROOT", "CAP_KILL"])
def test_no_capability_is_idle(host: Host, capability: str) -> None:
    """Without any one of these capabilities there is no session."""
    host.deliver("alice", MBOX)
    with Talk(as_root_may("popa3d@.service", without=capability)) as talk:
        talk.send(login())
        assert HELLO not in talk.rest()


def test_without_the_capability_to_chown(host: Host) -> None:
    """Without CAP_CHOWN users get no state directory: they read their mail, and cannot delete the first message."""
    mailbox = host.deliver("alice", MBOX + SECOND)
    with Talk(as_root_may("popa3d@.service", without="CAP_CHOWN")) as talk:
        talk.send(login(then=SESSION))
        assert b"Subject: hello\r\n\r\nhello\r\n.\r\n+OK\r\n-ERR" in talk.rest()
    host.syslog.wait(f"No state directory for alice: {STATE}/{ALICE.uid}: Operation not permitted")
    assert mailbox.read_bytes() == MBOX + SECOND


def test_the_capabilities_are_enough_to_recover(host: Host) -> None:
    """With the unit's capabilities only popa3d-recover does its work; without any one of them it fails, and says so."""
    recovers(as_root_may(RECOVERY), host)
    mailbox = interrupt(host)
    for capability in setting(RECOVERY, "CapabilityBoundingSet"):
        command = [*as_root_may(RECOVERY, without=capability), "--all"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and done.stderr.startswith("popa3d-recover: "), capability
        assert mailbox.read_bytes() != AFTER


def small_view(places: list[str]) -> list[str]:
    """What starts a program with a unit's view of the files, where it may write in some places only."""
    return ["unshare", "-m", "sh", "-c", FILES, "sh", *places]


def test_the_files_are_enough(host: Host) -> None:
    """With all read-only but the places the unit names, which are needed, no home directories and little /proc, sessions work."""
    program = as_root_may("popa3d@.service")
    spool, state = places("popa3d@.service")
    serves([*small_view([spool, state]), *program], host)
    shutil.rmtree(f"{state}/{ALICE.uid}")
    mailbox = host.deliver("alice", MBOX + SECOND)
    for less in ([spool, "/elsewhere"], ["/elsewhere", state]):
        with Talk([*small_view(less), *program]) as talk:
            talk.send(login(then=SESSION))
            assert b"-ERR" in talk.rest()
        assert mailbox.read_bytes() == MBOX + SECOND, "there is another way"


def test_the_files_are_enough_to_recover(host: Host) -> None:
    """With the same view of the files as the unit's, popa3d-recover does its work."""
    recovers([*small_view(places(RECOVERY)), *as_root_may(RECOVERY)], host)


def _allowed(unit: str) -> set[str]:
    """The system calls of a unit's SystemCallFilter."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, timeout=60, check=True
    )
    sets: dict[str, list[str]] = {}
    name = ""
    for line in done.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            sets[name].append(line.strip())
    found: set[str] = set()
    left = setting(unit, "SystemCallFilter")
    while left:
        word = left.pop()
        if word.startswith("@"):
            left += sets.pop(word, [])
        else:
            found.add(word)
    return found | {"rt_sigreturn", "exit_group"}


def keeps_to(unit: str, trace: Path) -> None:
    """Claim that what strace has seen has no system call and no socket that a unit forbids."""
    lines = trace.read_text(errors="replace").splitlines()
    calls = {found[1] for line in lines if (found := re.match(r"\d+ +(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed)", line))}
    assert len(calls) > 30 and "setresuid" in calls
    allowed = _allowed(unit)
    assert calls <= allowed, calls - allowed
    assert set(re.findall(r" socket\((AF_[A-Z0-9]+)", "\n".join(lines))) <= set(setting(unit, "RestrictAddressFamilies"))


def test_the_system_calls_are_enough(host: Host, tmp_path: Path) -> None:
    """No session, whatever becomes of it, makes a system call or a socket that the unit forbids."""
    for number, said in enumerate(TRACED):
        host.deliver("alice", MBOX + SECOND)
        trace = tmp_path / f"trace{number}"
        with Talk(["strace", "-f", "-qq", "-o", str(trace), *POPA3D]) as talk:
            assert talk.line().startswith(b"+OK")
            talk.send(said)
            if not said:
                talk.client.close()
            else:
                talk.rest()
            assert talk.status() == 0
        keeps_to("popa3d@.service", trace)


def test_the_system_calls_are_enough_to_recover(host: Host, tmp_path: Path) -> None:
    """popa3d-recover and what it starts make no system call and no socket that the unit forbids."""
    trace = tmp_path / "trace"
    recovers(["strace", "-f", "-qq", "-o", str(trace), *RECOVER], host)
    keeps_to(RECOVERY, trace)


def under_filters(unit: str, *more: str) -> list[str]:
    """What starts a program under the unit's filters, with `more` system calls allowed."""
    families = [str(int(getattr(socket, name))) for name in ("AF_INET", "AF_INET6", "AF_PACKET", "AF_VSOCK")]
    allowed = {str(int(getattr(socket, name))) for name in setting(unit, "RestrictAddressFamilies")}
    denied = ",".join(family for family in families if family not in allowed)
    assert setting(unit, "MemoryDenyWriteExecute") == ["yes"]
    return ["/usr/bin/python3", "-IBSc", FILTERS, ",".join(sorted(_allowed(unit) | {*more})), denied]


@pytest.mark.parametrize("unit", SERVICES)
def test_the_kernel_denies_all_else(host: Host, unit: str) -> None:
    """Under the same filters of system calls as the unit's, writable code denied, its program works."""
    filtered = under_filters(unit)
    probe = "import mmap; mmap.mmap(-1, 4096, prot=7)"
    done = subprocess.run([*filtered, "/usr/bin/python3", "-c", probe], capture_output=True, text=True, check=False, timeout=60)
    assert "PermissionError" in done.stderr, "the filter does not filter"
    (recovers if unit == RECOVERY else serves)([*filtered, *as_root_may(unit)], host)


@pytest.mark.parametrize("unit", ["popa3d@.service", "popa3d-tls@.service"])
def test_what_limits_in_the_configuration_need(host: Host, unit: str) -> None:
    """With what the session unit's comment adds for sessions_per_source, popa3d sees other sessions, also with TLS."""
    configuration = host.configuration(install(host) + "[listen]\nsessions_per_source = 1\n")
    speaks_tls = "tls" in unit
    program = [*as_root_may(unit, more="CAP_SYS_PTRACE"), *(["-s"] if speaks_tls else []), "-c", configuration]
    command = [*small_view(places(unit)), *under_filters(unit, "pidfd_getfd"), *program]
    with Talk(command, ends=connection(of=NEIGHBOUR)) as first:
        if speaks_tls:
            first.client = client_context().wrap_socket(first.client)
        assert first.line().startswith(b"+OK"), host.syslog.text
        with Talk(command, ends=connection(of=NEIGHBOUR)) as second:
            assert second.rest() == b""
    host.syslog.wait("limit reached")
    assert "may not be looked at" not in host.syslog.text
