"""popa3d for a look, on any Debian machine: python3 -B -m tests.demo, as root (or: make run).

It serves a made-up account's mailbox on 127.0.0.1 through the real inetd and the real PAM, and shows what is logged.
The machine keeps its accounts, mail, PAM files and log: the server runs in mount and process namespaces of its own, all its
files are on a tmpfs in there, and all of it ends with this program, however that is ended.

Runs as: root. The first process only waits; the second is "init" of the namespaces, so nothing in them outlives it.
"""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from tests import host, peers
from tests.super.inetd import Inetd

ADDRESS, PORT = "127.0.0.1", 1110
NAME = "demo"
MAIL = Path(__file__).with_name("demo.mbox")
PYTHON = "/usr/bin/python3"  # popa3d's own, whatever runs this
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1
NO_NAMESPACES = "no private namespaces here ({}): in a container, allow CAP_SYS_ADMIN"
ENDINGS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class Impossible(Exception):
    """The demonstration cannot run here; the text is one line that says what to do."""


def _check() -> None:
    """Raise Impossible for what can be told before anything is done."""
    if os.getuid() != 0:
        raise Impossible("needs root, for private namespaces and a server that drops root: run it as root (sudo make run)")
    try:
        peers.program("openbsd-inetd", "usr/sbin/inetd")
    except FileNotFoundError:
        raise Impossible("inetd is missing: fetch it with: python3 -m tests.peers openbsd-inetd (or: make run)") from None
    code = f"import sys; sys.path.insert(0, {str(host.CHECKOUT / 'lib')!r}); from popa3d.root.pam.adapter import Pam; Pam()"
    if subprocess.run([PYTHON, "-IBS", "-c", code], capture_output=True, check=False).returncode:
        raise Impossible("python-pam is missing: install it with: apt-get install python3-pampy (or: make run)")
    with socket.socket() as some:
        some.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or a session that has just ended would be in the way
        try:
            some.bind((ADDRESS, PORT))
        except OSError as error:
            raise Impossible(f"port {PORT} of {ADDRESS} cannot be had ({error.strerror}): stop what listens there") from None


def _unshare(libc: ctypes.CDLL) -> None:
    """Let the next child be the first process of a new process namespace."""
    if libc.unshare(CLONE_NEWPID):
        raise Impossible(NO_NAMESPACES.format(os.strerror(ctypes.get_errno())))


def _serve() -> None:
    """The second process: build the private host, start inetd and print what is logged. Does not end by itself."""
    password = secrets.token_hex(6)
    try:
        host.enter_namespaces(network=False)
        host.mount_proc()
        here = host.Host((host.Account(NAME, password, 20010),))
    except OSError as error:
        raise Impossible(NO_NAMESPACES.format(error)) from None
    here.deliver(NAME, MAIL.read_bytes())
    try:
        inetd = Inetd(PORT, addresses=(ADDRESS,))
    except OSError as error:
        raise Impossible(str(error)) from None
    print(
        f"popa3d serves the mailbox of {NAME} (password {password}) on {ADDRESS}, port {PORT}.\n"
        f"Look at it from another terminal:\n"
        f"\n"
        f"    curl -s pop3://{ADDRESS}:{PORT}/ -u {NAME}:{password}     its messages and their sizes\n"
        f"    curl -s pop3://{ADDRESS}:{PORT}/1 -u {NAME}:{password}    the first message\n"
        f"\n"
        f"What it logs follows. Ctrl-C ends it, and nothing stays behind.",
        flush=True,
    )
    seen = 0
    while not inetd.ended():
        for line in here.syslog.after(seen, 1):
            seen += 1
            print(re.sub(r"^<\d+>", "", line).rstrip("\0\n"), flush=True)
    raise Impossible(f"inetd has ended: see above; is port {PORT} in use?")


def _complain(text: str) -> None:
    print(f"popa3d: {text}", file=sys.stderr, flush=True)


def _second(libc: ctypes.CDLL, lifeline: int, mask: set[int]) -> NoReturn:
    """Be the first process of the new namespace."""
    status = 1
    try:
        os.setsid()  # Ctrl-C is for the first process alone
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.set_blocking(lifeline, False)
        try:
            os.read(lifeline, 1)  # the other end is closed: the first process died before it could have killed this one
        except BlockingIOError:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            _serve()
    except Impossible as error:
        _complain(str(error))
    except BrokenPipeError:
        pass  # nobody reads what is printed
    except Exception as error:
        _complain(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def main() -> int:
    """Run the demonstration until it is ended by a signal; its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDINGS, signal.SIGCHLD})  # for sigwait below
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        _check()
        _unshare(libc)
    except Impossible as error:
        _complain(str(error))
        return 1
    lifeline, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        _second(libc, lifeline, mask)
    while True:
        if signal.sigwait({*ENDINGS, signal.SIGCHLD}) in ENDINGS:
            os.kill(child, signal.SIGKILL)  # the kernel ends all of its namespace before it tells us
            os.waitpid(child, 0)
            return 0
        if os.waitpid(child, os.WNOHANG)[0]:  # not the end of a child that was waited for before
            return 1


if __name__ == "__main__":
    sys.exit(main())
