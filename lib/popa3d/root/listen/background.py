"""Leaving the terminal and the process that started the daemon.

Runs as: root, only with -D.
Trusts: the administrator.
"""

import os

from ..process import send_to_null


def detach() -> None:
    """Go on as a child in a session of its own, without a terminal. The process that was started exits 0: the sockets listen."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    send_to_null(0, 1, 2)
