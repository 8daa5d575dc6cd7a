"""Many short sessions over TLS, some at a time, with one popa3d -D, which must not become more by it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from tests.host import PAM_QUICK, Host
from tests.super.daemon import Daemon
from tests.talk import children, wait_until
from tests.tls import install
from tests.tls.test_daemon import LOOPBACK, keeper, logged_in

AT_ONCE = 16
COUNT = 1000


def sessions(host: Host, count: int = COUNT) -> list[str]:
    """Have so many, in turn by POP3S and by STLS. What is wrong then: sessions that failed, or processes and descriptors left."""
    host.pam_stack(PAM_QUICK)
    faults: list[str] = []
    with Daemon(host, install(host) + LOOPBACK + "min_delay_s = 0\n") as daemon:
        keeping = keeper(daemon)
        logged_in()  # what is opened once is open
        wait_until(daemon.idle_but_for_the_keeper)
        before = {pid: _descriptors(pid) for pid in (daemon.pid, keeping)}

        def one(number: int) -> str:
            try:
                logged_in((995, 110)[number % 2])
            except (OSError, AssertionError) as error:
                return f"session {number}: {error!r}"
            return ""

        with ThreadPoolExecutor(AT_ONCE) as clients:
            faults += filter(None, clients.map(one, range(count)))
        try:
            wait_until(daemon.idle_but_for_the_keeper)
            wait_until(lambda: all(_descriptors(pid) <= before[pid] for pid in before))
        except AssertionError:
            faults.append(f"left: {children(daemon.pid)}, descriptors {[_descriptors(pid) for pid in before]}, before {before}")
        if keeper(daemon) != keeping:
            faults.append("another keeper")
    passed = host.syslog.text.count("Authentication passed for alice")
    if passed != count + 1:
        faults.append(f"{passed} logins in the log")
    return faults + [line for line in host.syslog.lines if "nternal error" in line or "keeper" in line]


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
