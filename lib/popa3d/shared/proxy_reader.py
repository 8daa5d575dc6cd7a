"""Reading a proxy's header from the client's connection, and telling root what it says.

Runs as: popa3d or popa3d-tls, chrooted to an empty directory, unable to start a process or to open a descriptor.
Trusts: nobody.
"""

import posix as os  # as os, without its start-up time
import select
import time

from . import proxy_header, proxy_report
from .limits import READ_OCTETS


def meet(fd: int, report: int, limit_s: float) -> bytes | None:
    """Read the header from `fd` for at most limit_s, and write a report into the descriptor `report`.

    The octets behind the header, which are the client's; None if there is no session. Nothing of these was looked at when
    root has the report.
    """
    told, ahead = _read(fd, time.monotonic() + limit_s)
    os.write(report, told)
    return ahead


def _read(fd: int, deadline: float) -> tuple[bytes, bytes | None]:
    """The report, and what `meet` returns. deadline: by time.monotonic."""
    data = b""
    try:
        while (header := proxy_header.parse(data)) is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([fd], [], [], left_s)[0]:
                return proxy_report.encode(proxy_report.LATE), None
            more = _received(fd)
            if not more and not data:
                return proxy_report.encode(proxy_report.GONE), None
            if not more:
                raise proxy_header.Malformed(proxy_header.CUT_SHORT)
            data += more
    except proxy_header.Malformed as malformed:
        return proxy_report.encode(proxy_report.BAD, malformed.number), None
    outcome = proxy_report.CLIENT if header.address else proxy_report.PEER
    return proxy_report.encode(outcome, header.tls, header.address), data[header.octets :]


def _received(fd: int) -> bytes:
    try:
        return os.read(fd, READ_OCTETS)
    except OSError:
        return b""  # it was reset
