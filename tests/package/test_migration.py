"""What docs/MIGRATION.md says about coming from Dovecot, on a host with Debian's dovecot-pop3d."""

from __future__ import annotations

import re
from pathlib import Path

from tests.clients import Home
from tests.host import ALICE, Host
from tests.package.machine import Machine
from tests.package.sessions import MAIL, fetched, ids, wait_for_the_port
from tests.package.test_upgrade import home, old, people, upgrade

__all__ = ["home", "people"]  # fixtures

AT_HOME = f"mkdir /home/alice && chown {ALICE.uid} /home/alice && sed -i '/^alice:/s,/nonexistent,/home/alice,' /etc/passwd"
# Of Debian's Dovecot, 2.3 in Debian 12 and 2.4 in Debian 13; the page rests on them.
DEFAULTS = {
    "2.3": {
        "mail_location": "mbox:~/mail:INBOX=/var/mail/%u",
        "mbox_read_locks": "fcntl",
        "mbox_write_locks": "fcntl dotlock",
        "pop3_uidl_format": "%08Xu%08Xv",
    },
    "2.4": {
        "mail_driver": "mbox",
        "mail_inbox_path": "/var/mail/%{user}",
        "pop3_uidl_format": "%{uid | hex(8)}%{uidvalidity | hex(8)}",
    },
}


def test_from_dovecot(host: Host, machine: Machine, package: Path, people: Home) -> None:
    """Installing popa3d removes dovecot-pop3d; clients that leave mail fetch each message once more, and then no more.

    Dovecot's marks in the mailbox change no unique-id: they are what C popa3d has given before.
    """
    given = old(machine)
    machine.run("dpkg", "-P", "popa3d")
    machine.run("sh", "-c", AT_HOME)
    machine.install("dovecot-pop3d")
    for name, value in DEFAULTS[machine.run("dovecot", "--version")[:3]].items():
        assert machine.run("doveconf", "-h", name) == f"{value}\n"
    mailbox = machine.deliver("alice", ALICE.uid, MAIL)
    machine.run("service", "dovecot", "start")
    wait_for_the_port()
    people.run("mpop")
    assert len(people.mail()) == 2
    assert re.search(rb"^1 00000001[0-9a-f]{8}\r$", fetched(), re.M), "the uid and its validity"
    marked = mailbox.read_bytes()
    assert b"\nX-IMAPbase: " in marked and marked.count(b"\nX-UID: ") == marked.count(b"\nStatus: RO\n") == 2

    upgrade(machine, package)
    assert machine.status("dovecot-pop3d") == "rc" and machine.status("dovecot-core") == "ii"
    machine.run("update-rc.d", "popa3d", "enable")
    machine.run("service", "popa3d", "start")
    assert ids(fetched()) == given
    for _ in range(2):
        people.run("mpop")
        assert len(people.mail()) == 4
    assert mailbox.read_bytes() == marked
