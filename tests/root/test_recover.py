"""popa3d-recover: what sessions that were killed in UPDATE have left is finished, by the owner's program, for nobody else."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.root.recover_command import HELP
from tests.host import ALICE, BOB, HOME, NOPASS, PAM_OPEN, Host
from tests.root.interrupted import AFTER, BEFORE, interrupt
from tests.root.recovering import RECOVER, limited, recover
from tests.talk import Talk, children, descriptors, ids, wait_until

USAGE = "usage: popa3d-recover [-c file] --all | user ...\n       popa3d-recover -h | -V\n"
FORGED = "-0123456789abcdef.journal"


def journals(state: Path, uid: int = ALICE.uid) -> list[str]:
    """What is in a user's state directory."""
    return os.listdir(state / str(uid))


@contextlib.contextmanager
def locked(mailbox: Path) -> Iterator[None]:
    """Another program's lock on the mailbox."""
    with mailbox.open("rb+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def impatient(host: Host) -> Iterator[None]:
    """Locks are waited for one second only."""
    with limited(host, LOCK_TIMEOUT_S=1):
        yield


@pytest.mark.parametrize("who", ["alice", "--all"])
@pytest.mark.parametrize(("call", "number"), [("pwrite64", 2), ("pwrite64", 5), ("pwrite64", 8), ("ftruncate", 1)])
def test_an_interrupted_update(host: Host, state: Path, call: str, number: int, who: str) -> None:
    """A mailbox in pieces becomes what the deletions make of it; one that was not yet touched stays what it was."""
    mailbox = interrupt(host, call, number)
    found = mailbox.read_bytes()
    assert (found == BEFORE) == (number == 2) and found != AFTER
    assert recover(who) == (0, "")
    assert mailbox.read_bytes() == (BEFORE if number == 2 else AFTER)
    if number != 2:
        assert journals(state) == []
        host.syslog.wait("/var/mail/alice: An unfinished update was completed")
    assert recover(who) == (0, "")
    assert mailbox.read_bytes() == (BEFORE if number == 2 else AFTER)


def test_interrupted_itself(host: Host, state: Path) -> None:
    """popa3d-recover that is killed at its work leaves what the next one finishes."""
    mailbox = interrupt(host, "pwrite64", 5)
    inject = ["-e", "trace=pwrite64", "-e", "inject=pwrite64:signal=KILL:when=3"]
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *inject, RECOVER, "alice"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "popa3d-recover: alice: signal 9 has ended popa3d-session\n")
    assert mailbox.read_bytes() != AFTER and journals(state)
    assert recover("alice") == (0, "")
    assert mailbox.read_bytes() == AFTER


def test_several_users(host: Host, state: Path) -> None:
    """--all finishes each mailbox, and passes over those whose users have nothing unfinished."""
    host.pam_stack(PAM_OPEN)
    mailboxes = [interrupt(host, name=name) for name in ("alice", "bob")]
    with Talk() as talk:
        assert talk.login("nopass", "x") == b"+OK\r\n"
    host.syslog.clear()
    assert recover("--all") == (0, "")
    assert [mailbox.read_bytes() for mailbox in mailboxes] == [AFTER, AFTER]
    assert [journals(state, uid) for uid in (ALICE.uid, BOB.uid, NOPASS.uid)] == [[], [], []]
    assert len(host.syslog.lines) == 2


def test_nothing_to_do(host: Host, state: Path) -> None:
    """Where no update was interrupted nothing is made, opened or said, be the mailbox readable or not."""
    mailbox = host.deliver("alice", b"this is no mailbox")
    assert recover("--all") == (0, "")
    assert recover("alice", "bob") == (0, "")
    assert not state.exists()
    host.pam_stack(PAM_OPEN)
    with Talk() as talk:
        assert talk.login("bob") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    host.syslog.clear()
    with locked(mailbox):
        assert recover("--all") == (0, "")
        assert recover("alice", "bob") == (0, "")
    assert host.syslog.lines == [] and os.listdir(state) == [str(BOB.uid)]


def test_a_busy_mailbox(host: Host, state: Path, impatient: None) -> None:
    """A mailbox that another program keeps locked is left alone, with one line and status 1; the others are finished."""
    busy, other = interrupt(host), interrupt(host, name="bob")
    found = busy.read_bytes()
    with locked(busy):
        assert recover("--all") == (1, "popa3d-recover: alice: not finished; the system log says why\n")
    assert (busy.read_bytes(), other.read_bytes()) == (found, AFTER)
    host.syslog.wait("Failed or refused to recover /var/mail/alice: locked by another program")
    assert recover("--all") == (0, "")
    assert busy.read_bytes() == AFTER


def test_who_does_what(host: Host, state: Path) -> None:
    """The owner's program has the owner's ids, no privilege, terminal or descriptor of root's, and outlives popa3d-recover."""
    mailbox = interrupt(host)
    with locked(mailbox):
        secret = os.open("/etc/shadow", os.O_RDONLY)
        with subprocess.Popen([RECOVER, "alice"], stdin=subprocess.DEVNULL, pass_fds=[secret]) as process:
            os.close(secret)
            wait_until(lambda: children(process.pid))
            (worker,) = children(process.pid)
            wait_until(lambda: b"popa3d-session" in Path(f"/proc/{worker}/cmdline").read_bytes())
            wait_until(lambda: "/var/mail/alice" in descriptors(worker).values())
            found = ids(worker)
            assert found["Uid"].split() == found["Gid"].split() == [str(ALICE.uid)] * 4 and not found["Groups"].strip()
            assert [found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == ["0" * 16] * 4
            assert found["NoNewPrivs"].strip() == "1" and int(found["SigBlk"], 16) == 0
            assert os.getsid(worker) == worker
            assert Path(f"/proc/{worker}/environ").read_bytes() == b""
            open_now = descriptors(worker)
            assert [open_now.pop(fd) for fd in (0, 1, 2)] == ["/dev/null"] * 3
            others = sorted(what for what in open_now.values() if not what.startswith("socket:"))
            assert others == [f"{state}/{ALICE.uid}", "/var/mail/alice"] and len(open_now) == 3
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == -signal.SIGINT
    wait_until(lambda: not journals(state))
    assert mailbox.read_bytes() == AFTER


def test_users_that_cannot_be(host: Host, state: Path) -> None:
    """Names that are no accounts, or accounts that popa3d does not serve, get a line each; the others are still done."""
    mailbox = interrupt(host)
    status, said = recover("nobody-at-all", "toor", "alice", "\x1b[2J\u20ac")
    assert (status, said.splitlines()) == (1, [
        "popa3d-recover: nobody-at-all: no such account",
        "popa3d-recover: toor: popa3d does not serve this account",
        "popa3d-recover: ?[2J?: no such account",
    ])  # fmt: skip
    assert mailbox.read_bytes() == AFTER


@pytest.mark.parametrize("words", ["", "--all alice", "alice --all", "-c /dev/null", "alice -c x", "alice -x"])
def test_usage(host: Host, words: str) -> None:
    """A wrong command line gives the usage line and status 2."""
    assert recover(*words.split()) == (2, USAGE)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("-x", "unknown option -x"),
        ("-xyz alice", "unknown option -x"),
        ("--every", "unknown option --every"),
        ("-c /dev/null -all", "unknown option -a"),
        ("-", "unknown option -"),
        ("--all -\33[2J", "unknown option -?"),
        ("-c", "option -c needs a file"),
    ],
)
def test_wrong_options(host: Host, words: str, why: str) -> None:
    """A wrong option is named, before the usage line."""
    assert recover(*words.split()) == (2, f"popa3d-recover: {why}\n{USAGE}")


@pytest.mark.parametrize("user", [0, ALICE.uid])
def test_help_and_version(host: Host, user: int) -> None:
    """-h and --help print the options and where the manual is, -V what popa3d -V prints first; anybody may ask."""
    version = subprocess.run([str(HOME / "bin/popa3d"), "-V"], capture_output=True, text=True, check=True).stdout.splitlines(
        True
    )[0]
    assert HELP.startswith(USAGE) and HELP.endswith("\nThe manual: popa3d-recover(8)")
    for word, text in (("-h", f"{HELP}\n"), ("--help", f"{HELP}\n"), ("-V", version)):
        done = subprocess.run(
            [RECOVER, word], capture_output=True, text=True, check=False, user=user, group=user, extra_groups=[]
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, text, "")


def test_not_root(host: Host, state: Path) -> None:
    """Started by anybody else, popa3d-recover says so, and does nothing."""
    interrupt(host)
    for user in (ALICE.uid, BOB.uid):
        said = recover("alice", user=user, group=user, extra_groups=[])
        assert said == (2, "popa3d-recover: must be started by root\n")
    assert journals(state)


@pytest.mark.parametrize("option", [["-c"], []], ids=["-c FILE", "-cFILE"])
def test_configuration(host: Host, state: Path, option: list[str]) -> None:
    """The file of -c says where mailboxes and state are, and is refused like a session's."""
    elsewhere = host.base / "state"
    path = host.configuration(f'[mailbox]\nstate = "{elsewhere}"\n')
    mailbox = interrupt(host)
    shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.copytree(state, elsewhere)
    shutil.rmtree(state)
    for file in (elsewhere / str(ALICE.uid), *(elsewhere / str(ALICE.uid)).iterdir()):
        os.chown(file, ALICE.uid, ALICE.uid)
    assert recover("alice") == recover("--all") == (0, "")
    assert mailbox.read_bytes() != AFTER
    words = [*option, path] if option else [f"-c{path}"]
    assert recover(*words, "--all") == (0, "")
    assert mailbox.read_bytes() == AFTER and not state.exists()
    shutil.rmtree(elsewhere)
    host.configuration("[mailbox]\nstat = 1\n")
    assert recover(*words, "--all") == (2, f"popa3d-recover: {path}: unknown key mailbox.stat\n")
    os.chmod(path, 0o666)
    assert recover(*words, "alice") == (2, f"popa3d-recover: {path}: must belong to root and be writable by root alone\n")
    os.unlink(path)
    assert recover(*words, "alice") == (2, f"popa3d-recover: {path}: No such file or directory\n")


def test_forged_names(host: Host, state: Path) -> None:
    """What users write into their directory moves nothing of another's, and root nowhere."""
    mailbox = interrupt(host)
    found = mailbox.read_bytes()
    bob = state / str(BOB.uid)
    bob.mkdir(mode=0o700)
    (real,) = journals(state)
    for name in (real, *(name + FORGED for name in ("toor", "root", "..", "a\nb", "\udcff"))):
        (bob / name).write_bytes(b"x")
    (bob / ("carol" + FORGED)).symlink_to("/etc/shadow")
    (bob / ("dave" + FORGED)).mkdir()
    for path in (bob, *bob.iterdir()):
        os.chown(path, BOB.uid, BOB.uid, follow_symlinks=False)
    here = sorted(os.listdir(bob))
    assert recover("bob") == (0, "")
    assert mailbox.read_bytes() == found
    assert recover("--all") == (0, "")
    assert mailbox.read_bytes() == AFTER and journals(state) == [] and sorted(os.listdir(bob)) == here
    assert len(host.syslog.lines) == 1


def test_own_forged_journal(host: Host, state: Path) -> None:
    """A user's own journal that is none is put aside by that user's program, with a line, and the mailbox stays as it is."""
    mailbox = interrupt(host, "pwrite64", 2)
    (name,) = (name for name in journals(state))
    os.rename(state / str(ALICE.uid) / name, state / str(ALICE.uid) / name.replace(".new", ".journal"))
    assert recover("--all")[0] == 1
    host.syslog.wait("/var/mail/alice: A journal that does not fit the mailbox was put aside: ")
    assert mailbox.read_bytes() == BEFORE
    assert recover("--all") == (0, "")


def link(place: Path, own: Path) -> str:
    own.rename(place / "real")
    own.symlink_to("real")
    return f"{own}: Not a directory"


def foreign(place: Path, own: Path) -> str:
    os.chown(own, BOB.uid, BOB.uid)
    return f"alice: {own}: not a directory of user {ALICE.uid} that nobody else can write"


def writable(place: Path, own: Path) -> str:
    place.chmod(0o777)
    return f"alice: {place}: not a directory of user 0 that nobody else can write"


def crowded(place: Path, own: Path) -> str:
    for number in range(1000):
        (own / str(number)).touch()
    return f"{own}: too many files"


def imaginative(place: Path, own: Path) -> str:
    for number in range(20):
        (own / f"name{number}{FORGED}").touch()
    return f"{own}: too many files"


@pytest.mark.parametrize("spoil", [link, foreign, writable, crowded, imaginative], ids=lambda spoil: spoil.__name__)
def test_directories_that_are_not_used(host: Host, state: Path, spoil: object) -> None:
    """Where a state directory cannot be used, that is a failure, with a line, and not nothing to do."""
    mailbox = interrupt(host)
    found = mailbox.read_bytes()
    why = spoil(state, state / str(ALICE.uid))  # type: ignore[operator]
    assert recover("--all") == (1, f"popa3d-recover: {why}\n")
    status, said = recover("alice")
    assert status == 1 and said.startswith("popa3d-recover: alice: ") and said.count("\n") == 1
    assert mailbox.read_bytes() == found


def test_state_is_no_directory(host: Host, state: Path) -> None:
    """A file where the state directories should be is a failure, too."""
    state.touch()
    assert recover("--all") == (1, f"popa3d-recover: {state}: Not a directory\n")
    assert recover("alice") == (1, f"popa3d-recover: alice: {state}/{ALICE.uid}: Not a directory\n")


@pytest.mark.parametrize("spoilt", ["trap '' CHLD;", "exec <&- >&- 2>&-;", "export LISTEN_FDS=x PATH=/ LD_PRELOAD=;"])
def test_however_it_is_started(host: Host, state: Path, spoilt: str) -> None:
    """Ignored signals, missing descriptors and a strange environment change nothing."""
    mailbox = interrupt(host)
    done = subprocess.run(["/bin/sh", "-c", f"{spoilt} {RECOVER} alice"], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert mailbox.read_bytes() == AFTER


def test_installed(host: Host, state: Path) -> None:
    """`make install` gives a popa3d-recover that finds its library and the owner's program, and `make uninstall` takes it."""
    place = host.base / "usr"
    make = ["make", "-s", "-C", str(HOME), f"PREFIX={place}"]
    subprocess.run([*make, "install"], check=True)
    program = place / "sbin/popa3d-recover"
    assert "HERE" not in program.read_text() and (place / "share/man/man8/popa3d-recover.8").is_file()
    mailbox = interrupt(host)
    assert recover("alice", program=str(program)) == (0, "")
    assert mailbox.read_bytes() == AFTER
    subprocess.run([*make, "uninstall"], check=True)
    assert not [path for path in place.rglob("*") if path.is_file()]
    shutil.rmtree(place)
