"""A private host for the tests: its own accounts, PAM stack, spool, syslog socket and loopback.

Runs as: root, in mount and network namespaces of its own, so the machine outside keeps its /etc, /var/mail, /dev and ports.
Everything else is real: the real PAM modules, set*id, chroot, sockets and programs.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import pwd
import shutil
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.syslog import Syslog

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_MOVE = 1, 32, 4096, 16384, 1 << 18, 8192
CHECKOUT = Path(__file__).resolve().parent.parent
MACHINES = ("clean-root", "fresh")  # of build: root file systems, with devices that cannot be copied
BASE = Path("/run")  # all files of the private host are below it, on a tmpfs; so are /run/inetd.pid and the like
HOME = Path("/opt/popa3d")  # where a copy of the checkout is: every uid can reach it, wherever the real one lies


STATE = Path("/var/lib/popa3d-state")  # popa3d.shared.limits.STATE, which what uses this module without popa3d does not have


class Account(NamedTuple):
    """One line of the private passwd and shadow; the password is made up, and may be empty."""

    name: str
    password: str
    uid: int  # and, of all but root, the gid
    locked: bool = False
    expiry: str = ""  # days since 1970 in shadow's eighth field


def crypted(password: str | bytes) -> str:
    """The sha512crypt form of a made-up password, by the host's own libcrypt: as real to pam_unix as yescrypt, and cheaper."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    octets = password if isinstance(password, bytes) else password.encode()
    found: bytes = crypt(octets, b"$6$rounds=1000$popa3dtest$")
    return found.decode()


ACCOUNTS = (
    Account("alice", "sesame-1", 20001),
    Account("bob", "correct horse battery", 20002),
    Account("carol", "expired-1", 20003, expiry="1"),
    Account("dave", "locked-1", 20004, locked=True),
    Account("toor", "root-by-another-name", 0),
    Account("nopass", "", 20006),
)
ALICE, BOB, CAROL, DAVE, TOOR, NOPASS = ACCOUNTS
PASSWORDS = {account.name: account.password for account in ACCOUNTS}

# PAM stacks beside the shipped one. Everything else of a session is the same under each.
PAM_QUICK = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n"  # real passwords, no delay after a wrong one
PAM_OPEN = "auth required pam_permit.so\naccount required pam_permit.so\n"  # anybody, for tests about mailboxes


def _mount(source: str | Path, target: str | Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(
        str(source).encode(), str(target).encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    ):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


def unmount(target: str | Path) -> None:
    """Detach what was mounted last on `target`; OSError if that fails."""
    if ctypes.CDLL(None, use_errno=True).umount2(str(target).encode(), 2):
        raise OSError(ctypes.get_errno(), f"umount {target}")


def bind(source: str | Path, target: str | Path) -> None:
    """Let `target` (an existing file or directory) show `source`, for this namespace only."""
    _mount(source, target, flags=MS_BIND | MS_REC)


def tmpfs(target: str | Path, options: str = "mode=0755") -> None:
    """An empty file system over `target`, for this namespace only."""
    _mount("tmpfs", target, "tmpfs", data=options)


def enter_namespaces(network: bool = True) -> None:
    """Leave the machine's mount and network namespaces for good, with a working loopback interface; OSError if refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | (CLONE_NEWNET if network else 0)):
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("none", "/", flags=MS_REC | MS_PRIVATE)
    if not network:
        return
    with socket.socket() as some:  # SIOCSIFFLAGS: IFF_UP on "lo"
        fcntl.ioctl(some, 0x8914, struct.pack("16sh14x", b"lo", 1))


def mount_proc() -> None:
    """Let /proc show the process namespace that this process is in; OSError if refused."""
    _mount("proc", "/proc", "proc")


def _fill(sender: socket.socket, to: Path) -> int:
    """Send as many datagrams as it can; how many that were."""
    sender.setblocking(False)
    sender.connect(str(to))
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sender.send(b"x")
            sent += 1
    return sent


class Host:
    """The private host. `enter` builds it once for the life of this process."""

    def __init__(self, accounts: tuple[Account, ...] = ACCOUNTS) -> None:
        self.accounts = accounts
        self.base = BASE
        tmpfs(self.base)
        checkout = self.base / "checkout"  # reachable whatever is mounted over the place where it lies
        checkout.mkdir()
        bind(CHECKOUT, checkout)
        shutil.copytree(checkout, self.base / "copy", symlinks=True, ignore=shutil.ignore_patterns(".*", *MACHINES))
        for path in (self.base / "copy").rglob("*"):  # it may have been cloned with any umask
            if path.is_symlink():
                continue
            path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() or path.stat().st_mode & 0o100 else 0))
        self._etc()
        self._dev()
        self.spool = Path("/var/mail")
        self.clean_spool()
        tmpfs("/opt")
        HOME.mkdir()
        bind(self.base / "copy", HOME)
        installed = self.base / "dpkg"  # to be read only: packages are built here
        installed.mkdir()
        bind("/var/lib/dpkg", installed)
        tmpfs("/var/lib")
        Path("/var/lib/dpkg").mkdir()
        bind(installed, "/var/lib/dpkg")
        _mount("none", "/var/lib/dpkg", flags=MS_REMOUNT | MS_BIND | MS_RDONLY)
        if not CHECKOUT.exists():  # it lies below /opt or /var/lib
            CHECKOUT.mkdir(parents=True)
            bind(checkout, CHECKOUT)
        self.chroot = Path("/var/lib/popa3d")
        self.chroot.mkdir(mode=0o755)
        self.syslog = Syslog("/dev/log")

    def _etc(self) -> None:
        passwd = Path("/etc/passwd").read_text()
        names = [line.split(":")[0] for line in passwd.splitlines()]
        shadow = "".join(f"{name}:*:19000:0:99999:7:::\n" for name in names)  # nobody of the machine's can log in here
        group = Path("/etc/group").read_text()
        ours = [a.name for a in self.accounts] + ["popa3d", "popa3d-tls"]
        passwd = "".join(line for line in passwd.splitlines(True) if line.split(":")[0] not in ours)
        shadow = "".join(line for line in shadow.splitlines(True) if line.split(":")[0] not in ours)
        group = "".join(line for line in group.splitlines(True) if line.split(":")[0] not in ours)
        passwd += "popa3d:x:20100:20100::/nonexistent:/usr/sbin/nologin\n"
        passwd += "popa3d-tls:x:20101:20101::/nonexistent:/usr/sbin/nologin\n"
        shadow += "popa3d:*:19000:0:99999:7:::\npopa3d-tls:*:19000:0:99999:7:::\n"
        group += "popa3d:x:20100:\npopa3d-tls:x:20101:\nlettercarriers:x:20200:alice\n"
        for a in self.accounts:
            gid = a.uid or 0
            passwd += f"{a.name}:x:{a.uid}:{gid}:{a.name}:/nonexistent:/bin/false\n"
            hashed = ("!" if a.locked else "") + (crypted(a.password) if a.password else "")
            shadow += f"{a.name}:{hashed}:19000:0:99999:7::{a.expiry}:\n"
            if gid:
                group += f"{a.name}:x:{gid}:\n"
        etc = self.base / "etc"
        etc.mkdir()
        for name, text, mode in (("passwd", passwd, 0o644), ("shadow", shadow, 0o600), ("group", group, 0o644)):
            (etc / name).write_text(text)
            (etc / name).chmod(mode)
            bind(etc / name, f"/etc/{name}")
        shutil.copytree("/etc/pam.d", etc / "pam.d")
        self._shadow, self._shadow_text = etc / "shadow", shadow
        self.pam_d = etc / "pam.d"
        bind(self.pam_d, "/etc/pam.d")
        self.pam_stack()

    def pam_stack(self, text: str | None = None) -> None:
        """Make `text` the popa3d PAM service: by default the shipped file, over the distribution's own common-auth."""
        if text is None:
            text = (self.base / "copy/packaging/pam.d/popa3d").read_text()
        (self.pam_d / "popa3d").write_text(text)

    def password(self, name: str, password: bytes) -> None:
        """Give an account another password, until `reset`."""
        lines = [line.split(":") for line in self._shadow.read_text().splitlines(True)]
        for words in lines:
            if words[0] == name:
                words[1] = crypted(password)
        self._shadow.write_text("".join(":".join(words) for words in lines))

    def _dev(self) -> None:
        dev = self.base / "dev"
        dev.mkdir()
        tmpfs(dev)
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            (dev / name).touch()
            bind(f"/dev/{name}", dev / name)
        for name in ("pts", "shm"):
            (dev / name).mkdir()
            bind(f"/dev/{name}", dev / name)
        (dev / "ptmx").symlink_to("pts/ptmx")
        (dev / "fd").symlink_to("/proc/self/fd")
        _mount(dev, "/dev", flags=MS_MOVE)

    def clean_spool(self) -> None:
        """An empty /var/mail, as Debian makes it: root:mail, mode 2775."""
        if getattr(self, "_spooled", False):
            unmount(self.spool)
        tmpfs(self.spool, "mode=2775,gid=8,size=3g")
        self._spooled = True

    def reset(self) -> None:
        """As it was made: an empty spool, no state directories, an empty log, the shipped PAM stack, the same passwords."""
        self.clean_spool()
        self._shadow.write_text(self._shadow_text)
        shutil.rmtree(STATE, ignore_errors=True)
        self.pam_stack()
        self.syslog.clear()

    @contextlib.contextmanager
    def stuck_log(self) -> Iterator[Callable[[], None]]:
        """A log daemon that takes nothing any more, in the stead of the private one.

        Its value lets those reach the private one who connect from then on.
        """
        stuck = self.base / "stuck"
        with contextlib.ExitStack() as stack, contextlib.ExitStack() as mounted:
            full = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            full.bind(str(stuck))
            stuck.chmod(0o666)
            mounted.callback(stuck.unlink)
            bind(stuck, "/dev/log")
            mounted.callback(unmount, "/dev/log")
            while _fill(stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)), stuck):
                pass  # it can send no more, but another one may: the queue is as long as net.unix.max_dgram_qlen
            yield mounted.close

    def configuration(self, text: str) -> str:
        """A file for -c with this text; its path."""
        path = self.base / "popa3d.toml"
        path.write_text(text)
        return str(path)

    def deliver(self, name: str, mbox: bytes, fresh: bool = False) -> Path:
        """Make `mbox` the mailbox of account `name`; old enough for C popa3d not to wait a second, unless `fresh`."""
        account = pwd.getpwnam(name)
        path = self.spool / name
        path.write_bytes(mbox)
        os.chown(path, account.pw_uid, 8)
        path.chmod(0o660)
        if not fresh:
            old = time.time() - 1000
            os.utime(path, (old, old))
        return path


@functools.cache
def enter() -> Host:
    """The private host of this process, built at the first call; needs root."""
    enter_namespaces()
    return Host()


def logged() -> list[str]:
    """What was logged on the private host of this process, if it has one."""
    return enter().syslog.lines if enter.cache_info().currsize else []
