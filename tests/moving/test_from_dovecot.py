"""From a real Dovecot, on mboxes, by popa3d-migrate, with clients that leave mail on the server."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import host as private_host
from tests import tls
from tests.bench import dovecot
from tests.clients import MESSAGES, PORT, Home, mbox, received, test_fetchmail, test_getmail, test_mpop
from tests.host import ALICE, BASE, CHECKOUT, PASSWORDS, Host
from tests.moving import migrate
from tests.super.daemon import Daemon
from tests.talk import Talk

TLS_PORT = 1995
COPY = MESSAGES[0]
MAIL = (COPY, MESSAGES[1], COPY, MESSAGES[2])  # the first and the third are equal
# Mail that comes later, and claims to be the second message, or the first of another mailbox.
FORGED = MESSAGES[3].replace(b"Subject:", b"X-UID: 2\nX-IMAPbase: 1 0000000009\nX-UIDL: 0000000000000001\nSubject:", 1)


@pytest.fixture
def dovecots(host: Host) -> Iterator[None]:
    """The accounts and the PAM service of Dovecot, and its programs in /usr, for one test."""
    passwd = Path("/etc/passwd").read_text()
    users = [f"{name}:x:{uid}:{uid}::/nonexistent:/bin/false\n" for name, uid in (("dovecot", 20110), ("dovenull", 20111))]
    Path("/etc/passwd").write_text(passwd + "".join(users))
    groups = Path("/etc/group").read_text()
    Path("/etc/group").write_text(groups + "dovecot:x:20110:\ndovenull:x:20111:\n")
    (host.pam_d / "dovecot").write_text(private_host.PAM_QUICK)
    tls.install(host)
    try:
        yield
    finally:
        Path("/etc/passwd").write_text(passwd)
        Path("/etc/group").write_text(groups)
        (host.pam_d / "dovecot").unlink()
        shutil.rmtree(dovecot.HOMES, ignore_errors=True)
        private_host.unmount("/usr")


def append(mailbox: Path, message: bytes) -> None:
    """Deliver one more."""
    with mailbox.open("ab") as file:
        file.write(mbox((message,)))


def mpop(home: Home) -> Callable[[], object]:
    """A poll by mpop."""
    test_mpop.configure(home, "on", "keep on")
    return lambda: home.run("mpop")


def getmail(home: Home) -> Callable[[], object]:
    """A poll by getmail."""
    test_getmail.configure(home, "read_all = false\ndelete = false")
    return lambda: test_getmail.getmail(home)


def fetchmail(home: Home) -> Callable[[], object]:
    """A poll by fetchmail."""
    test_fetchmail.configure(home, "keep")
    return lambda: home.run("fetchmail", statuses=(0, test_fetchmail.NOTHING_NEW))


@pytest.mark.parametrize("client", [mpop, getmail, fetchmail])
def test_nothing_is_fetched_twice(host: Host, dovecots: None, client: Callable[[Home], Callable[[], object]]) -> None:
    """What a client left with Dovecot is not fetched again, also when a copy of it was deleted; new mail is, whatever it says."""
    mailbox = host.deliver("alice", mbox(MAIL))
    with tempfile.TemporaryDirectory(prefix="home-", dir=BASE) as path:
        home = Home(Path(path))
        poll = client(home)
        with dovecot.running(host, PORT, TLS_PORT, [ALICE]):
            poll()
            assert home.mail() == received(MAIL)
        append(mailbox, MESSAGES[4])  # Dovecot has never seen it
        marked = mailbox.read_bytes()
        assert marked.count(b"\nX-UID: ") == len(MAIL)
        assert migrate("--from", "dovecot", "alice") == ("alice: 4 of 5 messages keep their unique-ids, 1 had none\n", "")
        assert mailbox.read_bytes() == marked
        with Daemon(host, "[listen]\nmin_delay_s = 0\n"):
            poll()
            assert home.mail() == received((*MAIL, MESSAGES[4]))
            append(mailbox, FORGED)
            for _ in range(2):
                poll()
                assert home.mail() == received((*MAIL, MESSAGES[4], FORGED))
            with Talk() as talk:
                assert talk.login("alice") == b"+OK\r\n"
                assert talk.ask(b"DELE 1") == talk.ask(b"QUIT") == b"+OK\r\n"
            append(mailbox, MESSAGES[5])
            poll()
            assert home.mail() == received((*MAIL, MESSAGES[4], FORGED, MESSAGES[5]))


def test_the_list_of_the_manual(host: Host, dovecots: None) -> None:
    """With the answers that popa3d-migrate(8) has curl take, popa3d shows what Dovecot has shown; new mail may be there."""
    mailbox = host.deliver("alice", mbox(MAIL))
    manual = (CHECKOUT / "man/popa3d-migrate.8").read_text()
    (commands,) = re.findall(r"^(\(curl -s.*\n.*) > /root/alice\.list$", manual, re.M)
    words = commands.replace("localhost", f"127.0.0.1:{PORT}").replace("-u alice", f"-u alice:{PASSWORDS['alice']}")
    with dovecot.running(host, PORT, TLS_PORT, [ALICE]):
        answers = subprocess.run(["sh", "-c", words], capture_output=True, check=True, timeout=60).stdout
    file = host.base / "alice.list"
    file.write_bytes(answers)
    append(mailbox, MESSAGES[4])
    assert migrate("--from-list", str(file), "alice") == ("alice: 4 of 5 messages keep their unique-ids, 1 had none\n", "")
    with Talk() as talk:
        assert talk.login("alice") == b"+OK\r\n"
        talk.send(b"UIDL\r\nQUIT\r\n")
        shown = talk.rest().splitlines()[1:5]
    assert shown == answers.splitlines()[:4]
