"""A program that adds mail and takes no lock: python3 -m tests.session.writer MAILBOX, until its standard input ends.

A message each tenth of a second, in pieces. None ends where a message could, or right behind an empty line of a body: there
nothing tells that the writer is at work. But one ends before a line "From " of a body.
"""

from __future__ import annotations

import os
import select
import sys
import time

EVERY_S = 0.1
_PAUSE_S = 0.003
_PIECES = (
    b"From ", b"w@example.org Mon Jan  5 10:00:00 2026\n", b"Subject: written\nMess", b"age-ID: <written-%d@example.org>\n\n",
    b"a line\n", b"From here on it is as before", b"\n\nFrom", b"age\n", b"the end\n", b"\n",
)  # fmt: skip


def message(number: int) -> bytes:
    """A message as it is sent, its line ends LF."""
    return (b"".join(_PIECES[2:-1])) % number


def main() -> None:
    """Write."""
    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
    number = 0
    while not select.select([0], [], [], EVERY_S)[0]:
        for piece in _PIECES:
            os.write(fd, piece % number if b"%d" in piece else piece)
            time.sleep(_PAUSE_S)
        number += 1


if __name__ == "__main__":
    main()
