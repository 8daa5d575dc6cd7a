"""The host: the users, directories, PAM, the certificate, the log, ports, and delivery agents, as popa3d needs them.

Runs as: root.
Trusts: the administrator's files.
"""

import os
import stat
import time

from ...shared import Failure
from ...shared.findings import FAULT, NOTE, OK, Finding
from ...shared.limits import CHROOT, LOG_SOCKET, USER
from ...shared.tls_limits import TLS_USER
from .. import accounts, log_target, sandbox, state_directories
from . import delivery, ports, service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...shared.settings import Settings

_DAY_S = 24 * 60 * 60
_SOON_DAYS = 14  # certificates of 90 days are renewed when 30 are left
_PAIR = "both must be one pair in PEM, root's, and writable by root alone; the key without a password, and mode 0600 or 0640"
_STATE_MODE = "chown root:root it, and chmod 0711: popa3d makes it so where it is missing"


def look(settings: "Settings") -> list[Finding]:
    """All findings about the host, in the order of CHECKS."""
    return [finding for check in CHECKS for finding in check(settings)]


def _users(settings: "Settings") -> "Iterator[Finding]":
    useradd = "useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin"
    for name in (USER, TLS_USER) if settings.certificate else (USER,):
        account = accounts.find(name.encode())
        if account is None:
            yield Finding(FAULT, "user", f"there is no user {name}", f"{useradd} {name}")
        elif account.pw_uid == 0 or account.pw_gid == 0:
            yield Finding(
                FAULT, "user", f"user {name} has uid 0 or group 0", f"give it ids of its own, or userdel it and {useradd} {name}"
            )
        else:
            yield Finding(OK, "user", f"user {name} has uid {account.pw_uid} and group {account.pw_gid}")


def _chroot(_settings: "Settings") -> "Iterator[Finding]":
    try:
        accounts.check_chroot()
        yield Finding(OK, "chroot", f"{CHROOT} is root's and empty")
    except accounts.Unsafe as unsafe:
        yield Finding(FAULT, "chroot", unsafe.reason, f"install -d -o root -g root -m 0755 {CHROOT}; nothing may be in it")


def _state(settings: "Settings") -> "Iterator[Finding]":
    path = settings.state
    try:
        state_directories.check(path, 0)
        yield Finding(OK, "state", f"{path} is root's, and nobody else can write it")
    except FileNotFoundError:
        yield Finding(OK, "state", f"{path} does not exist: the first login makes it")
    except OSError as error:
        yield Finding(FAULT, "state", f"{path}: {error.strerror}", _STATE_MODE)


def _spool(settings: "Settings") -> "Iterator[Finding]":
    """The spool; that its mode suits dot-locks is a matter of the configuration (host_check)."""
    path = settings.spool
    if settings.home_file:
        yield Finding(OK, "spool", f"mailboxes are {settings.home_file} in home directories")
        return
    try:
        status = os.stat(path)
    except OSError as error:
        yield Finding(FAULT, "spool", f"{path}: {error.strerror}", "make or mount it: root:mail, mode 2775, as Debian has it")
        return
    mode = stat.S_IMODE(status.st_mode)
    text = f"{path} has mode {mode:04o}, group {status.st_gid}; locks = {list(settings.locks)}".replace("'", '"')
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        advice = "users can remove each other's mailboxes: chmod 2775 (with group mail) or 1777"
        yield Finding(FAULT, "spool", text, advice, mode=mode)
    elif os.statvfs(path).f_flag & os.ST_RDONLY:
        yield Finding(
            FAULT, "spool", f"{text}; it can only be read", "mount it read-write: else no message can be deleted", mode=mode
        )
    else:
        yield Finding(OK, "spool", text, mode=mode)


def _tls(settings: "Settings") -> "Iterator[Finding]":
    if not settings.certificate:
        yield Finding(
            NOTE, "tls", "there is no certificate: passwords cross the network in the clear", "see [tls] in popa3d.toml(5)"
        )
        return
    from .. import certificate

    try:
        certificate.context(settings)
        begins, ends = certificate.dates(settings)
    except Failure as failure:
        yield Finding(FAULT, "tls", failure.reason, _PAIR)
        return
    status = os.stat(settings.key)
    mode = stat.S_IMODE(status.st_mode)
    readers = f"root and group {status.st_gid}" if mode & stat.S_IRGRP and status.st_gid else "root alone"
    yield Finding(OK, "tls", f"{settings.certificate} and {settings.key} fit; {readers} can read the key", mode=mode)
    now = time.time()
    if now < begins:
        yield Finding(FAULT, "tls", f"the certificate is not valid before {_date(begins)}", "is the host's clock right?")
    elif now >= ends:
        yield Finding(FAULT, "tls", f"the certificate has expired on {_date(ends)}", "renew it, then reload popa3d")
    else:
        level = NOTE if ends - now < _SOON_DAYS * _DAY_S else OK
        yield Finding(level, "tls", f"the certificate is valid until {_date(ends)}", "renew it soon, then reload popa3d")


def _sandbox(settings: "Settings") -> "Iterator[Finding]":
    """What holds processes back here besides their users."""
    missing = sandbox.missing()
    if not missing:
        yield Finding(OK, "sandbox", f"in force: {sandbox.offered()}")
    elif settings.require:
        advice = "popa3d serves nobody: another kernel, or require = false in popa3d.toml(5)"
        yield Finding(FAULT, "sandbox", f"the host has no {missing}, and sandbox.require is set", advice)
    else:
        advice = "popa3d works without; its processes then have only the limits of their users"
        yield Finding(NOTE, "sandbox", f"the host has no {missing}; in force: {sandbox.offered()}", advice)


def _log(settings: "Settings") -> "Iterator[Finding]":
    if settings.to == "stderr":
        text = 'log.to is "stderr": of popa3d -F, or a super-server that keeps it apart from the client'
        yield Finding(NOTE, "log", text, "see [log] in popa3d.toml(5) for where lines go in each way of starting")
    elif log_target.has_system_log():
        yield Finding(OK, "log", f"somebody listens on {LOG_SOCKET}; the facility is {settings.facility}")
    else:
        advice = "start a log daemon, or popa3d with -F, which then logs to standard error"
        yield Finding(NOTE, "log", f"nobody listens on {LOG_SOCKET}", advice)


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))


# Each returns findings. What else a host needs is one more row.
CHECKS: "tuple[Callable[[Settings], Iterator[Finding]], ...]" = (
    service.look,
    _users,
    _chroot,
    _state,
    _spool,
    _tls,
    _sandbox,
    _log,
    ports.look,
    delivery.look,
)
