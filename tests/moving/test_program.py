"""popa3d-migrate, started as an administrator starts it: who does what, and what it says."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d import version_line
from popa3d.root.migrate_command import _USAGE, HELP
from tests.host import ALICE, BOB, HOME, NOPASS, PAM_OPEN, STATE, Host, bind, unmount
from tests.moving import MIGRATE, migrate
from tests.root.recovering import limited
from tests.talk import POPA3D, Talk, children, descriptors, ids, wait_until

BASE = b"X-IMAPbase: 1795546443 0000000009\n"
OLD = ["000000016b05dd4b", "000000026b05dd4b", "000000036b05dd4b"]


def messages(*numbers: int) -> bytes:
    """A mailbox with Dovecot's numbers, 0 for none; OLD has the unique-ids of the first three."""
    fields = [BASE if i == 0 else b"" for i in range(len(numbers))]
    parts = [
        b"From a@b Mon Jan  5 10:00:00 2026\nMessage-ID: <%d>\n%s%s\nbody\n\n" % (i, field, b"X-UID: %d\n" % n if n else b"")
        for i, (n, field) in enumerate(zip(numbers, fields, strict=True))
    ]
    return b"".join(parts)


def listed(name: str = "alice", *options: str) -> list[str]:
    """What UIDL shows to this user of a popa3d with these options."""
    with Talk([*POPA3D, *options]) as talk:
        assert talk.login(name, "x") == b"+OK\r\n"
        talk.send(b"UIDL\r\nQUIT\r\n")
        return re.findall(r"(?m)^\d+ (\S+)\r$", talk.rest().decode())


@pytest.fixture(autouse=True)
def _everybody(host: Host) -> None:
    """Logs in."""
    host.pam_stack(PAM_OPEN)


def maps(uid: int = ALICE.uid) -> list[str]:
    """The files in a user's state directory."""
    return sorted(name.partition(".")[2] for name in os.listdir(STATE / str(uid)))


@contextlib.contextmanager
def locked(mailbox: Path) -> Iterator[None]:
    """Another program's lock on the mailbox."""
    with mailbox.open("rb+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def test_there_and_back(host: Host) -> None:
    """--dry-run says what would be; then it is; again it is not done twice; --undo gives popa3d's unique-ids back."""
    mailbox = host.deliver("alice", messages(1, 2, 3, 0))
    own = listed()
    words = ("--from", "dovecot", "alice")
    assert migrate("-n", *words) == ("alice: 3 of 4 messages would keep their unique-ids, 1 had none\n", "")
    assert listed() == own and maps() == []
    assert migrate(*words) == ("alice: 3 of 4 messages keep their unique-ids, 1 had none\n", "")
    assert listed() == [*OLD, own[3]] and maps() == ["ids"]
    assert mailbox.read_bytes() == messages(1, 2, 3, 0)
    mailbox.write_bytes(messages(1, 2, 3, 4))
    os.utime(mailbox, (1, 1))
    assert migrate(*words) == ("alice: there is a map of unique-ids already; --undo removes it\n", "")
    assert listed() == [*OLD, own[3]]
    assert migrate("--dry-run", "--undo", "alice") == ("alice: the map of unique-ids would be removed\n", "")
    assert listed() == [*OLD, own[3]]
    assert migrate("--undo", "alice") == ("alice: the map of unique-ids is removed\n", "")
    assert listed() == own and maps() == []
    assert migrate("--undo", "alice") == ("alice: there is no map of unique-ids\n", "")


def test_copies(host: Host) -> None:
    """As docs/MIGRATION.md has it: a copy of a mailbox elsewhere, with a map of its own, shows what users will see later."""
    copies = host.base / "copies"
    copies.mkdir()
    (copies / "alice").write_bytes(messages(1, 2))
    os.chown(copies / "alice", ALICE.uid, ALICE.uid)
    file = host.configuration(f"[mailbox]\nspool = '{copies}'\nstate = '{host.base / 'states'}'\n")
    try:
        migrate("-c", file, "--from", "dovecot", "--all")
        assert listed("alice", "-c", file) == OLD[:2]
        assert not STATE.exists()
    finally:
        for name in ("copies", "states"):
            shutil.rmtree(host.base / name)


def test_what_is_not_kept(host: Host) -> None:
    """It is said which messages cannot keep theirs, and why, twenty of them; the others do; the status is 1."""
    host.deliver("alice", messages(1, 2, *[2] * 25))
    out, err = migrate("--from", "dovecot", "alice", status=1)
    assert out == "alice: 2 of 27 messages keep their unique-ids, 0 had none\n"
    said = err.splitlines()
    assert said[:2] == [
        "popa3d-migrate: alice: message 3: its X-UID does not count",
        "popa3d-migrate: alice: message 4: its X-UID does not count, as that of message 3",
    ]
    assert said[-1] == "popa3d-migrate: alice: and 5 messages more" and len(said) == 21
    assert listed()[:2] == OLD[:2]


def test_equal_ones_are_refused(host: Host) -> None:
    """A unique-id of two messages, or of another message's in popa3d, is kept by none."""
    host.deliver("alice", messages(0, 0, 0))
    own = listed()
    mail = messages(0, 0, 0).replace(b"<0>\n", b"<0>\nX-UIDL: 0123456789ab\n").replace(b"<1>\n", b"<1>\nX-UIDL: 0123456789ab\n")
    host.deliver("alice", mail.replace(b"<2>\n", b"<2>\nX-UIDL: %s\n" % own[0].encode()))
    out, err = migrate("--from", "qpopper", "alice", status=1)
    assert out == "alice: 0 of 3 messages keep their unique-ids, 0 had none\n"
    assert err.splitlines() == [
        "popa3d-migrate: alice: message 1: another message has its unique-id, 0123456789ab",
        "popa3d-migrate: alice: message 2: another message has its unique-id, 0123456789ab",
        f"popa3d-migrate: alice: message 3: another message has its unique-id, {own[0]}",
    ]
    assert listed() == own and maps() == []


def test_all(host: Host) -> None:
    """--all is for the accounts with a mailbox that popa3d serves, whatever else is in the spool."""
    for name, numbers in (("alice", (1, 2)), ("bob", (3,)), ("toor", (1,)), ("nopass", (0,))):
        host.deliver(name, messages(*numbers))
    for name in ("alice.lock~", ".alice.pop", "no-account", "ALICE", "-x"):
        (host.spool / name).write_bytes(messages(1))
    out, err = migrate("--from", "dovecot", "--all")
    assert err == "" and sorted(out.splitlines()) == [
        "alice: 2 of 2 messages keep their unique-ids, 0 had none",
        "bob: 1 of 1 messages keep their unique-ids, 0 had none",
        "nopass: 0 of 1 messages keep their unique-ids, 1 had none",
    ]
    assert (listed(), listed("bob")) == (OLD[:2], [OLD[2]])
    assert [maps(account.uid) for account in (ALICE, BOB, NOPASS)] == [["ids"], ["ids"], []]


def test_all_with_mailboxes_at_home(host: Host) -> None:
    """Where mailboxes are in home directories, --all looks there."""
    passwd = Path("/etc/passwd").read_text()
    home = host.base / "alice-home"
    home.mkdir()
    (home / "Mail").write_bytes(messages(1))
    for path in (home, home / "Mail"):
        os.chown(path, ALICE.uid, ALICE.uid)
    other = host.base / "passwd"
    other.write_text(re.sub(r"(?m)^(alice:.*):/nonexistent:", rf"\1:{home}:", passwd))
    bind(other, "/etc/passwd")
    try:
        file = host.configuration('[mailbox]\nhome_file = "Mail"\n')
        assert migrate("-c", file, "--from", "dovecot", "--all") == (
            "alice: 1 of 1 messages keep their unique-ids, 0 had none\n",
            "",
        )
    finally:
        unmount("/etc/passwd")


def test_a_list(host: Host) -> None:
    """--from-list: what the old server has said, which only root can read; octets let new mail be there."""
    mailbox = host.deliver("alice", messages(0, 0))
    file = host.base / "list"
    file.write_bytes(b"+OK\r\n1 UID1-17\r\n2 x\r\n.\r\n")
    file.chmod(0o600)
    words = ("--from-list", str(file), "alice")
    assert migrate(*words) == ("alice: 2 of 2 messages keep their unique-ids, 0 had none\n", "")
    assert listed() == ["UID1-17", "x"]
    migrate("--undo", "alice")
    with mailbox.open("ab") as more:
        more.write(messages(0).replace(b"<0>", b"<9>"))
    refused = "popa3d-migrate: alice: the list has 2 messages, the mailbox has 3\n"
    assert migrate(*words, status=1) == ("", refused)
    assert maps() == []
    with Talk() as talk:
        talk.login("alice", "x")
        talk.send(b"LIST\r\nQUIT\r\n")
        octets = re.findall(r"(?m)^\d (\d+)\r$", talk.rest().decode())
    file.write_text(f"1 UID1-17\n2 x\n1 {octets[0]}\n2 {octets[1]}\n")
    assert migrate(*words) == ("alice: 2 of 3 messages keep their unique-ids, 1 had none\n", "")
    assert listed()[:2] == ["UID1-17", "x"]
    migrate("--undo", "alice")
    file.write_text(f"1 UID1-17\n2 x\n1 {octets[0]}\n2 {int(octets[1]) + 3}\n")
    said = f"message 2 has {int(octets[1]) + 3} octets in the list, and {octets[1]} in the mailbox"
    assert migrate(*words, status=1) == ("", f"popa3d-migrate: alice: {said}\n")


def test_other_files(host: Host) -> None:
    """A file that is no such list is refused by root; nothing of it reaches the user."""
    host.deliver("alice", messages(0))
    link = host.base / "link"
    link.symlink_to("/etc/shadow")
    for name, why in (
        ("/etc/shadow", "line 1: not a message's number and its unique-id"),
        (str(link), "line 1: not a message's number and its unique-id"),
        ("/nonexistent/x", "No such file or directory"),
        ("/etc", "Is a directory"),
        ("/dev/null", "it has no message"),
        ("/dev/zero", "larger than 16777216 octets"),
    ):
        assert migrate("--from-list", name, "alice", status=2) == ("", f"popa3d-migrate: {name}: {why}\n")
    assert not STATE.exists()


def test_busy_and_missing(host: Host) -> None:
    """A mailbox that is locked, missing or none is said to be; the others are done."""
    with limited(host, LOCK_TIMEOUT_S=1):
        busy = host.deliver("alice", messages(1))
        host.deliver("bob", messages(1))
        host.deliver("carol", b"no mailbox")
        with locked(busy):
            out, err = migrate("--from", "dovecot", "alice", "bob", "carol", "dave", "toor", "nobody-at-all", status=1)
    assert sorted(out.splitlines()) == [
        "bob: 1 of 1 messages keep their unique-ids, 0 had none",
        "dave: there are no messages",
    ]
    assert sorted(err.splitlines()) == [
        "popa3d-migrate: alice: locked by another program",
        'popa3d-migrate: carol: does not start with "From "',
        "popa3d-migrate: nobody-at-all: no such account",
        "popa3d-migrate: toor: popa3d does not serve this account",
    ]


def test_who_does_what(host: Host) -> None:
    """The mailbox is read by its owner's program alone, with the owner's ids, and no descriptor or terminal of root's."""
    mailbox = host.deliver("alice", messages(1))
    file = host.base / "list"
    file.write_text("1 x\n")
    with locked(mailbox):
        secret = os.open("/etc/shadow", os.O_RDONLY)
        words = [MIGRATE, "--from-list", str(file), "alice"]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=[secret]) as process:
            os.close(secret)
            wait_until(lambda: children(process.pid))
            (worker,) = children(process.pid)
            wait_until(lambda: b"popa3d-session" in Path(f"/proc/{worker}/cmdline").read_bytes())
            wait_until(lambda: "/var/mail/alice" in descriptors(worker).values())
            found = ids(worker)
            assert found["Uid"].split() == found["Gid"].split() == [str(ALICE.uid)] * 4 and not found["Groups"].strip()
            assert found["NoNewPrivs"].strip() == "1" and os.getsid(worker) == worker
            open_now = descriptors(worker)
            assert open_now.pop(0).startswith("/memfd:list") and open_now.pop(1).startswith("pipe:")
            assert open_now.pop(2) == "/dev/null"
            others = sorted(what for what in open_now.values() if not what.startswith("socket:"))
            assert others == [f"{STATE}/{ALICE.uid}", "/var/mail/alice"]
            assert "/var/mail/alice" not in descriptors(process.pid).values()
            process.kill()
    wait_until(lambda: maps() == ["ids"])


def test_what_a_hostile_program_says(host: Host) -> None:
    """Of what the user's program says, 4096 octets are printed, as lines of that user in printable letters.

    What it does not say to be a result is none.
    """
    host.deliver("alice", messages(1))
    session = host.base / "says"
    session.write_text(
        "#!/usr/bin/python3 -IBS\nimport posix\nposix.write(1, b'+\\33[2Jbob: all well\\nbob: \\xe4\\n+' + b'x' * 5000)\n"
    )
    session.chmod(0o755)
    bind(session, HOME / "bin/popa3d-session")
    try:
        out, err = migrate("--from", "dovecot", "alice", status=1)
    finally:
        unmount(HOME / "bin/popa3d-session")
    assert out.splitlines()[0] == "alice: ?[2Jbob: all well" and err == "popa3d-migrate: alice: bob: ?\n"
    assert len(out) < 4200 and all(line.startswith("alice: ") for line in out.splitlines())


def test_killed(host: Host) -> None:
    """A program that is ended says nothing; popa3d-migrate does."""
    host.deliver("alice", messages(1))
    inject = ["-e", "trace=fsync", "-e", "inject=fsync:signal=KILL:when=1"]
    words = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, MIGRATE, "--from", "dovecot", "alice"]
    (STATE / str(ALICE.uid)).mkdir(parents=True, mode=0o700)
    os.chown(STATE / str(ALICE.uid), ALICE.uid, ALICE.uid)
    STATE.chmod(0o711)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "popa3d-migrate: alice: signal 9 has ended popa3d-session\n")
    assert maps() == ["ids-new"]
    assert migrate("--from", "dovecot", "alice")[1] == ""
    assert listed() == OLD[:1]


def test_log(host: Host) -> None:
    """What the programs log goes where the configuration says, root's lines and the user's."""
    host.deliver("alice", messages(1))
    migrate("--from", "dovecot", "alice")
    (file,) = (STATE / str(ALICE.uid)).iterdir()
    file.write_bytes(b"no map")
    configuration = host.configuration("[log]\nto = 'stderr'\n")
    out, err = migrate("-c", configuration, "--from", "dovecot", "alice")
    assert out == "alice: 1 of 1 messages keep their unique-ids, 0 had none\n"
    assert re.fullmatch(r"\S+Z popa3d\[\d+\]: /var/mail/alice: the map of unique-ids is not used: damaged\n", err)
    passwd = host.base / "passwd"
    passwd.write_text(re.sub(r"(?m)^(alice:.*):/nonexistent:", r"\1:relative:", Path("/etc/passwd").read_text()))
    bind(passwd, "/etc/passwd")
    try:
        configuration = host.configuration("[mailbox]\nhome_file = 'mbox'\n[log]\nfacility = 'local5'\n")
        migrate("-c", configuration, "--from", "dovecot", "alice", status=1)
    finally:
        unmount("/etc/passwd")
    line = host.syslog.wait("No usable mailbox path for alice")
    assert line.startswith(f"<{21 << 3 | 3}>")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", ""),
        ("alice", ""),
        ("--from dovecot", ""),
        ("--from dovecot --all alice", ""),
        ("--from dovecot --undo alice", ""),
        ("--from-list x --all", ""),
        ("--from-list x alice bob", ""),
        ("--from dovecot alice -n", ""),
        ("--from", "option --from needs a server"),
        ("--from cyrus alice", "unknown server cyrus"),
        ("--from-list", "option --from-list needs a file"),
        ("-c", "option -c needs a file"),
        ("-x", "unknown option -x"),
        ("--every", "unknown option --every"),
    ],
)
def test_usage(host: Host, words: str, why: str) -> None:
    """A wrong command line gives the usage, after what is wrong, and status 2."""
    assert migrate(*words.split(), status=2) == ("", (f"popa3d-migrate: {why}\n" if why else "") + f"{_USAGE}\n")


def test_help_version_and_not_root(host: Host) -> None:
    """Anybody may ask for help and version; the rest is root's."""
    version = f"{version_line('popa3d')}\n"
    for user in (0, ALICE.uid):
        for word in ("-h", "--help"):
            said = migrate(word, user=user, group=user, extra_groups=[])
            assert said == (f"{HELP}\n", "") and said[0].endswith("\nThe manual: popa3d-migrate(8)\n")
        assert migrate("-V", user=user, group=user, extra_groups=[]) == (version, "")
    said = migrate("--from", "dovecot", "alice", status=2, user=ALICE.uid, group=ALICE.uid, extra_groups=[])
    assert said == ("", "popa3d-migrate: must be started by root\n")
