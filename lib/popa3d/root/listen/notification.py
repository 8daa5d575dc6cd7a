"""Telling a service manager that popa3d listens: sd_notify(3).

Runs as: root, only with -D.
Trusts: the administrator.
"""

import contextlib
import os
import socket


class Notification:
    """The message to the service manager, if there is one. Its variable leaves the environment: it is no session's business."""

    def __init__(self) -> None:
        self._socket = os.environ.pop("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        """Say that the sockets listen."""
        if not self._socket:
            return
        name = "\0" + self._socket[1:] if self._socket.startswith("@") else self._socket
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"READY=1", name)
