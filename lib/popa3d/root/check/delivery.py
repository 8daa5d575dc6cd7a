"""Delivery agents that are installed, and whether popa3d has a lock in common with each: see LOCKS in popa3d.toml(5).

Runs as: root.
Trusts: the administrator's files.
"""

import glob
import re

from ...shared.findings import FAULT, NOTE, OK, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...shared.settings import Settings

_POSTFIX, _EXIM = "Postfix", "Exim"
_MAIN_CF = "/etc/postfix/main.cf"


class Agent:
    """A row of AGENTS. files: one of these is there where it is installed (glob(3)). locks: what it takes by default."""

    __slots__ = ("files", "locks", "name")

    def __init__(self, name: str, files: tuple[str, ...], locks: tuple[str, ...]) -> None:
        self.name = name
        self.files = files
        self.locks = locks


# As Debian's packages have them, and others by the name of the program.
AGENTS = (
    Agent(_POSTFIX, ("/usr/lib/postfix/sbin/local", "/usr/libexec/postfix/local"), ("fcntl", "dotlock")),
    Agent(_EXIM, ("/usr/sbin/exim4", "/usr/sbin/exim"), ("dotlock", "fcntl")),
    Agent("procmail", ("/usr/bin/procmail",), ("dotlock", "fcntl")),
    Agent("maildrop", ("/usr/bin/maildrop",), ("dotlock", "fcntl")),
    Agent("sendmail's mail.local", ("/usr/lib/sm.bin/mail.local",), ("fcntl", "dotlock")),
    Agent("dma", ("/usr/sbin/dma", "/usr/lib/dma"), ("flock",)),
    Agent("OpenSMTPD's mail.local", ("/usr/lib/*/opensmtpd/mail.local", "/usr/libexec/opensmtpd/mail.local"), ("dotlock",)),
)


def look(settings: "Settings") -> "Iterator[Finding]":
    """A finding for each agent that is installed."""
    count = 0
    for agent in AGENTS:
        if not any(glob.glob(pattern) for pattern in agent.files):
            continue
        count += 1
        locks, source = _locks(agent)
        theirs, ours = " and ".join(locks) or "no lock", " and ".join(settings.locks)
        text = f"{agent.name} is installed, and takes {theirs} {source}; popa3d takes {ours}"
        if set(locks) & set(settings.locks):
            yield Finding(OK, "delivery", text)
        else:
            advice = f"they have no lock in common: add {' or '.join(repr(lock) for lock in locks)} to locks in popa3d.toml(5)"
            yield Finding(FAULT, "delivery", text, advice.replace("'", '"') if locks else f"configure a lock in {_MAIN_CF}")
    if not count:
        text = "no delivery agent of the table in popa3d.toml(5) is installed"
        yield Finding(NOTE, "delivery", text, "see that what delivers mail takes one of the locks of popa3d.toml(5)")


def _locks(agent: Agent) -> tuple[tuple[str, ...], str]:
    """What an agent takes, and how that is known."""
    if agent.name == _POSTFIX:
        try:
            with open(_MAIN_CF, encoding="utf-8", errors="replace") as file:
                lines = re.findall(r"^mailbox_delivery_lock[ \t]*=(.*(?:\n[ \t].*)*)", file.read(), re.M)
        except OSError:
            lines = []
        if lines:
            return tuple(word for word in re.split(r"[\s,]+", lines[-1]) if word), f"({_MAIN_CF})"
    return agent.locks, "by default"
