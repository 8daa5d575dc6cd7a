"""Delivery agents that are installed, and whether popa3d has a lock in common with each: see LOCKS in popa3d.toml(5).

The table is what strace(1) has shown of Debian 12's packages as they deliver by default: postfix 3.7.11-0+deb12u1
(mailbox_delivery_lock in postconf(5)), exim4-daemon-light 4.96-15+deb12u10 (use_lockfile and use_fcntl_lock in spec.txt, chapter
26), dovecot-core 2.3.19.1+dfsg1-2.1 (mbox_write_locks), procmail 3.22-27 (procmail -v says it too), maildrop 2.9.3-2.1,
sendmail-bin 8.17.1.9-2, dma 0.13-1, opensmtpd 6.8.0p2-4, mailutils-mda 3.15-4.

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

_POSTFIX = "Postfix"
_MAIN_CF = "/etc/postfix/main.cf"


class Agent:
    """A row of AGENTS. files: one of these is there where it is installed (glob(3)). locks: what it takes by default."""

    __slots__ = ("files", "locks", "name")

    def __init__(self, name: str, files: tuple[str, ...], locks: tuple[str, ...]) -> None:
        self.name = name
        self.files = files
        self.locks = locks


# By the files of Debian 12's and 13's packages; the second of two is where others have it.
AGENTS = (
    Agent(_POSTFIX, ("/usr/lib/postfix/sbin/local", "/usr/libexec/postfix/local"), ("dotlock", "fcntl")),
    Agent("Exim", ("/usr/sbin/exim4", "/usr/sbin/exim"), ("dotlock", "fcntl")),
    Agent("Dovecot", ("/usr/lib/dovecot/dovecot-lda", "/usr/libexec/dovecot/dovecot-lda"), ("fcntl", "dotlock")),
    Agent("procmail", ("/usr/bin/procmail",), ("dotlock", "fcntl")),
    Agent("maildrop", ("/usr/bin/maildrop",), ("dotlock", "fcntl")),
    Agent("sendmail's mail.local", ("/usr/libexec/sendmail/mail.local",), ("fcntl", "dotlock")),
    Agent("dma", ("/usr/sbin/dma",), ("flock",)),
    Agent("OpenSMTPD's mail.local", ("/usr/libexec/opensmtpd/mail.local",), ("dotlock",)),
    Agent("GNU mailutils' mda", ("/usr/sbin/mda",), ("dotlock",)),
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
