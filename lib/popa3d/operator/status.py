"""popa3d-status(8): the table of live sessions, once or repeatedly, for people or as JSON.

Runs as: the operator (root sees all sessions, others their own).
Trusts: the kernel; names and addresses are made fit for a terminal.
"""

import argparse
import errno
import json
import os
import sys
import time

from .. import version_line
from ..shared import Failure
from ..shared.census import processes
from . import sessions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .sessions import Session

COLUMNS = 80
_TITLES = ("PID", "STATE", "ACCOUNT", "PEER", "AGE", "IDLE", "MEMORY", "CPU", "DOOR", "TLS")
_RIGHT = frozenset(("PID", "AGE", "IDLE", "MEMORY", "CPU"))
_ACCOUNT, _PEER = 2, 3
_ACCOUNT_LEAST = 10  # what a long name keeps beside a long address
_DOOR_MOST = 9
_STATES = {"authenticating": "login", "transaction": "trans"}
_WATCH_LEAST_S, _WATCH_MOST_S = 0.1, 86400
_CLEAR = "\33[H\33[2J"


class _Unwritable(Failure):
    """Standard output cannot be written. The reason is empty if its reader has closed it."""


def main() -> int:
    """Do what the command line says; the exit status. Wrong usage exits 2 by itself."""
    options = _options()
    if options.listeners is not None:
        _write("".join(f"{pid}\n" for pid in processes.listeners(options.listeners)))
        return 0
    try:
        while True:
            _write(_shown(options.json, options.watch is not None))
            if options.watch is None:
                return 0
            time.sleep(options.watch)
    except ImportError as error:
        sys.stderr.write(f"popa3d-status: psutil cannot be used ({error}): install the package python3-psutil\n")
    except _Unwritable as unwritable:
        if not unwritable.reason:
            return 0
        sys.stderr.write(f"popa3d-status: standard output: {unwritable.reason}\n")
    except KeyboardInterrupt:
        return 0 if options.watch is not None else 130
    return 1


def table(live: "list[Session]") -> str:
    """The table, a title line first. No line has more than COLUMNS characters; what is cut has a ~ there."""
    rows = [_row(session) for session in live]
    widths = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    room = COLUMNS - (sum(widths) + len(widths) - 1) + widths[_ACCOUNT] + widths[_PEER]
    widths[_ACCOUNT] = min(widths[_ACCOUNT], max(_ACCOUNT_LEAST, room - widths[_PEER]))
    widths[_PEER] = min(widths[_PEER], room - widths[_ACCOUNT])
    return "".join(_line(row, widths) for row in [_TITLES, *rows])


def duration(seconds: float | None) -> str:
    """Seconds as 12s, 3m12s, 5h07m or 2d03h; "-" for None."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    if whole < 100 * 86400:
        return f"{whole // 86400}d{whole % 86400 // 3600:02}h"
    return f"{whole // 86400}d"


def size(octets: int | None) -> str:
    """Octets as 512B, 9.1M or 120M; "-" for None."""
    if octets is None:
        return "-"
    amount, unit = float(octets), 0
    while amount >= 1000 and unit < 5:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f}{'BKMGTP'[unit]}" if unit and amount < 99.95 else f"{amount:.0f}{'BKMGTP'[unit]}"


def _row(session: "Session") -> tuple[str, ...]:
    cpu = f"{session.cpu_s:.2f}s" if session.cpu_s < 100 else duration(session.cpu_s)
    return (
        str(session.pid),
        _STATES[session.state],
        _plain(session.account) or "-",
        _plain(session.peer) or "-",
        duration(session.age_s),
        duration(session.idle_s),
        size(session.memory),
        cpu,
        _plain(session.door)[:_DOOR_MOST] or "-",
        session.tls or "-",
    )


def _plain(text: str) -> str:
    """Printable ASCII: a process's name may contain what controls a terminal."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    """One line; long names lose their end, long addresses their middle."""
    words = []
    for i, (word, width) in enumerate(zip(row, widths, strict=True)):
        cut = _cut(word, width, (width - 1) // 2 if i == _PEER else 0)
        words.append(cut.rjust(width) if _TITLES[i] in _RIGHT else cut.ljust(width))
    return " ".join(words).rstrip() + "\n"


def _cut(word: str, width: int, tail: int) -> str:
    """`word` in at most `width` characters, of which the last `tail` are its own last ones."""
    return word if len(word) <= width else word[: width - 1 - tail] + "~" + word[len(word) - tail :]


def _shown(as_json: bool, again: bool) -> str:
    """The sessions as a table or as JSON. again: it is shown again and again, so each time replaces the last."""
    live = sessions.live()
    if as_json:
        return json.dumps([vars(session) for session in live], indent=None if again else 2) + "\n"
    return (_CLEAR if again and os.isatty(1) else "") + table(live)


def _write(text: str) -> None:
    """Write on descriptor 1, whatever it is. Raises _Unwritable."""
    data = text.encode()
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError as error:
        raise _Unwritable("" if error.errno == errno.EPIPE else str(error.strerror)) from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="popa3d-status",
        description="Show the live sessions of popa3d: root sees all of them, others their own.",
        epilog="The manual: popa3d-status(8)",
    )
    parser.add_argument("--json", action="store_true", help="a JSON array instead of a table")
    parser.add_argument("--watch", metavar="N", type=_seconds, help="show it again every N seconds, until Ctrl-C")
    parser.add_argument("--listeners", metavar="PROGRAM", help="only the process ids of those that listen with this popa3d")
    parser.add_argument("-V", "--version", action="version", version=version_line("popa3d-status"))
    return parser.parse_args()


def _seconds(word: str) -> float:
    """argparse's type for --watch."""
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0
    if not _WATCH_LEAST_S <= seconds <= _WATCH_MOST_S:
        raise argparse.ArgumentTypeError(f"must be a number from {_WATCH_LEAST_S} to {_WATCH_MOST_S}")
    return seconds
