"""Being a service: leaving the terminal that started us, and telling a service manager (sd_notify(3)) that we listen.

Runs as: root, only with -D.
Trusts: the administrator.
"""

import contextlib
import os
import socket


def detach() -> None:
    """Become a process of no terminal and no parent; the one that was started exits 0, since the sockets listen."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


class Service:
    """The service manager, if there is one. It takes itself out of the environment, which is no session's business."""

    def __init__(self) -> None:
        self._socket = os.environ.pop("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        """Say that we listen."""
        if not self._socket:
            return
        name = "\0" + self._socket[1:] if self._socket.startswith("@") else self._socket
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.sendto(b"READY=1", name)
