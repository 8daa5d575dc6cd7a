"""Clients that come through a proxy of the administrator's: who they are, by the report of the process that read the header.

Few sessions load it.

Runs as: root.
Trusts: the proxies that the administrator has named; of a report nothing that was not checked.
"""

import posix as os  # as os, without its start-up time
import select

from ..shared import log, proxy_report
from ..shared.limits import RECORD_GRACE_S
from ..shared.proxy_header import REASONS
from ..shared.proxy_limits import PROXY_HEADER_S
from .ending import End
from .peer import Peer

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..shared.settings import Settings


def header_s(settings: "Settings") -> int:
    """How long a proxy has for its header."""
    return int(min(PROXY_HEADER_S, settings.login_timeout_s))


def read_report(pipe: int, header_s: int) -> bytes:
    """What the process that reads the header for at most header_s has written into its pipe; see `client`."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    if not poll.poll((header_s + RECORD_GRACE_S) * 1000):
        return b""
    try:
        return os.read(pipe, proxy_report.OCTETS)
    except OSError:
        return b""


def client(data: bytes, proxy: Peer, settings: "Settings") -> Peer:
    """The client of a connection of `proxy`, as a report says. Raises End if there is none."""
    report = proxy_report.decode(data, len(REASONS))
    if report is None:
        raise End(f"The process that reads the header of proxy {proxy.address} has failed")
    if report.outcome == proxy_report.GONE:
        raise End()  # a proxy that looks whether somebody listens, every few seconds
    if report.outcome == proxy_report.LATE:
        raise End(f"No PROXY header from {proxy.address} in time", priority=log.WARNING)
    if report.outcome == proxy_report.BAD:
        raise End(f"Bad PROXY header from {proxy.address}: {REASONS[report.number]}", priority=log.WARNING)
    return Peer.through(proxy.address, report.address or proxy.address, report.number == 1 or settings.proxies_tls)
