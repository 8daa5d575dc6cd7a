"""popa3d-check: each fault of the host and of a user's mail is found, and told with what is to be done about it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from popa3d.owner.mailbox.state_directory import State
from tests.host import HOME, PAM_QUICK, STATE, Host, tmpfs, unmount
from tests.talk import children, descriptors, ids, script, wait_until

CHECK = str(HOME / "bin/popa3d-check")
MBOX = b"From bob Mon Nov 23 06:00:00 2026\nSubject: hello\n\nhello\n\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """popa3d-check as an administrator starts it."""
    return subprocess.run([CHECK, *arguments], capture_output=True, text=True, timeout=120, env={}, check=False)


def found(*arguments: str) -> dict[str, list[dict[str, Any]]]:
    """The findings of --json by subject. The exit status says whether there is a fault."""
    done = run("--json", *arguments)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    faulty = any(each["level"] == "fault" for each in told["findings"])
    assert (done.returncode, told["ok"]) == (int(faulty), not faulty)
    result: dict[str, list[dict[str, Any]]] = {}
    for each in told["findings"]:
        assert each["advice"] or each["level"] == "ok" or each["subject"] == "port"
        result.setdefault(each["subject"], []).append(each)
    return result


def faults(*arguments: str) -> dict[str, str]:
    """What must be done something about: subject -> text."""
    return {subject: each["text"] for subject, rows in found(*arguments).items() for each in rows if each["level"] == "fault"}


# --- The host ---


def test_a_good_host(host: Host) -> None:
    """Where nothing is wrong there is no fault, and people read one line about each thing."""
    assert faults() == {}
    done = run()
    assert done.returncode == 0 and "FAULT" not in done.stdout
    assert "user popa3d has uid 20100" in done.stdout and "/etc/pam.d/popa3d decides" in done.stdout


def test_every_mistake_of_the_configuration(host: Host) -> None:
    """Each mistake has its line, and says what would be right; unknown names come with the one that was meant."""
    text = (
        "# nothing\n[listen]\nprot = 1110\nsessions = 0\n\n[mailbox]\nlocks = [\n  'lockf'\n]\nspool = 'var/mail'\n"
        "home_file = '~/mbox' # home\n[sesion]\ntimeout_s = 5\n[tls]\nkey = '/etc/key.pem'\n[login]\nlower_case = 1\n"
    )
    file = host.configuration(text)
    rows = found("-c", file)["configuration"]
    told = [(each["line"], each["text"].removeprefix(f"{file}:{each['line']}: ")) for each in rows]
    assert told == [
        (3, "unknown key listen.prot"),
        (4, "listen.sessions must be a number from 1 to 100000"),
        (7, "mailbox.locks must be one or several of fcntl, flock, dotlock, in the order to take them"),
        (10, "mailbox.spool must be an absolute path"),
        (11, "mailbox.home_file is in the home directory anyway; write it without ~"),
        (12, "unknown table or key sesion"),
        (15, "tls.key needs tls.certificate"),
        (15, "tls.key needs tls.certificate and tls.key"),
        (17, "login.lower_case must be true or false"),
    ]
    assert [rows[0]["advice"], rows[5]["advice"]] == ["did you mean listen.port?", "did you mean session?"]


def test_what_is_no_toml(host: Host) -> None:
    """Each statement that is no TOML is told, and mistakes in the others too."""
    file = host.configuration(
        "[listen]\nport = 01\nsessions = 0\naddresses = [\n  '::1'\n\n[session]\ntimeout_s == 600\n[listen]\n"
    )
    told = [(each["line"], each["text"].partition(": ")[2]) for each in found("-c", file)["configuration"]]
    assert [line for line, _ in told] == [2, 3, 4, 8], told
    assert ["not TOML" in text for _, text in told] == [True, False, True, True]
    assert told[1][1] == "listen.sessions must be a number from 1 to 100000"


def test_a_broken_head(host: Host) -> None:
    """The head of a table without its bracket is told with its line; what is above and below it is looked at all the same."""
    told = found("-c", host.configuration("[mailbox]\nlock = 3\n[listen\nport = 1\nsessions = 0\n"))["configuration"]
    texts = [each["text"].partition(": ")[2] for each in told]
    assert [each["line"] for each in told] == [2, 3, 5], told
    assert texts[0] == "unknown key mailbox.lock" and texts[1].startswith("not TOML: ") and "listen.sessions" in texts[2]
    fine = "[listen]\naddresses = [\n'::1', # [an\n'127.0.0.1'\n]\n"
    assert "configuration" not in faults("-c", host.configuration(fine))


def test_a_key_twice(host: Host) -> None:
    """What is right line by line and wrong as a whole is told as well."""
    (told,) = found("-c", host.configuration("[listen]\nport = 1\n[listen]\nport = 2\n"))["configuration"]
    assert (told["level"], told["line"]) == ("fault", 3)


def test_a_configuration_of_others(host: Host) -> None:
    """A file that others can write is not read."""
    file = Path(host.configuration("[listen]\nport = 0\n"))
    file.chmod(0o666)
    assert "must belong to root" in faults("-c", str(file))["configuration"]
    file.chmod(0o644)
    assert "No such file" in faults("-c", "/nonexistent")["configuration"]


def test_what_the_host_does_not_have(host: Host) -> None:
    """A setting that does not suit the host has its line, too: dot-locks in a spool that only root can write."""
    host.spool.chmod(0o755)
    told = found("-c", host.configuration("[mailbox]\nlocks = ['dotlock']\n"))["configuration"]
    assert [(each["level"], each["line"]) for each in told] == [("fault", 2)]
    assert "nobody but root can make a dot-lock" in told[0]["text"]


@pytest.mark.parametrize(
    ("stack", "text"),
    [
        ("", "/etc/pam.d/popa3d has no line for account and auth"),
        ("auth required pam_permit.so\n", "/etc/pam.d/popa3d has no line for account"),
        (None, "No PAM service file /etc/pam.d/popa3d"),
    ],
    ids=["empty", "half", "missing"],
)
def test_pam_service_file(host: Host, stack: str | None, text: str) -> None:
    """A service file that Linux-PAM would complete from "other" is a fault."""
    if stack is None:
        (host.pam_d / "popa3d").unlink()
    else:
        host.pam_stack(stack)
    assert faults() == {"pam": text}


def edited(path: str, change: Callable[[str], str]) -> Iterator[None]:
    """A file of the private /etc with other text, for a while."""
    file = Path(path)
    before = file.read_text()
    file.write_text(change(before))
    yield
    file.write_text(before)


@pytest.mark.parametrize(
    ("line", "text"),
    [("", "there is no user popa3d"), ("popa3d:x:20100:0::/nonexistent:/bin/false\n", "user popa3d has uid 0 or group 0")],
    ids=["missing", "group 0"],
)
def test_user(host: Host, line: str, text: str) -> None:
    """The user of the pre-auth child."""
    old = "popa3d:x:20100:20100::/nonexistent:/usr/sbin/nologin\n"
    for _ in edited("/etc/passwd", lambda passwd: passwd.replace(old, line)):
        assert faults() == {"user": text}


def test_directories(host: Host) -> None:
    """The chroot directory and that of state directories, by owner, mode and content; and the spool's mode."""
    (host.chroot / "file").touch()
    STATE.mkdir()
    STATE.chmod(0o777)
    host.spool.chmod(0o777)
    try:
        told = faults()
    finally:
        (host.chroot / "file").unlink()
    assert told.pop("chroot") == "/var/lib/popa3d must be empty"
    assert told.pop("state") == f"{STATE}: not a directory of user 0 that nobody else can write"
    assert "mode 0777" in told.pop("spool") and told == {}


def test_ports(host: Host) -> None:
    """Who listens is named; nobody is worth a note, and another program too."""
    (told,) = found()["port"]
    assert (told["level"], told["text"]) == ("note", "nobody listens on port 110")
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((address, 1110), family=family):
            (told,) = found("-c", host.configuration("[listen]\nport = 1110\n"))["port"]
        assert told["level"] == "note" and f"(process {os.getpid()}) listens on port 1110" in told["text"]


def test_sandbox(host: Host) -> None:
    """What holds processes back is told; a host without it must not be configured to require it."""
    (told,) = found()["sandbox"]
    assert told["level"] in ("ok", "note") and "in force: " in told["text"]
    file = host.configuration("[sandbox]\nrequire = true\n")
    (required,) = found("-c", file)["sandbox"]
    assert required["level"] == ("ok" if told["level"] == "ok" else "fault")


def test_log(host: Host) -> None:
    """Where nobody takes log lines, that is worth a note."""
    assert found()["log"][0]["level"] == "ok"
    os.rename("/dev/log", "/dev/away")
    try:
        assert found()["log"][0]["level"] == "note"
    finally:
        os.rename("/dev/away", "/dev/log")


def test_delivery_agents(host: Host) -> None:
    """An agent without a lock in common with popa3d is a fault, and only those that are installed are looked at."""
    assert found()["delivery"][0]["level"] == "note"
    tmpfs("/usr/libexec")
    try:
        Path("/usr/libexec/postfix").mkdir()
        Path("/usr/libexec/postfix/local").touch()
        assert [each["level"] for each in found()["delivery"]] == ["ok"]
        file = host.configuration("[mailbox]\nlocks = ['flock']\n")
        assert (
            "Postfix is installed, and takes fcntl and dotlock by default; popa3d takes flock" in faults("-c", file)["delivery"]
        )
        Path("/usr/libexec/opensmtpd").mkdir()
        Path("/usr/libexec/opensmtpd/mail.local").touch()
        assert [each["level"] for each in found()["delivery"]] == ["ok", "fault"]
    finally:
        unmount("/usr/libexec")


# --- A user ---


def test_a_good_user(host: Host) -> None:
    """Her account, PAM's word, her mailbox and what is in it; nothing is changed, nor written."""
    path = host.deliver("alice", MBOX + MBOX)
    before = path.stat()
    told = found("alice")
    assert not faults("alice")
    (messages,) = told["messages"]
    assert (messages["messages"], messages["equal_ids"]) == (2, 1)
    assert told["mailbox"][0]["octets"] == 2 * len(MBOX) and told["mailbox"][0]["mode"] == 0o660
    assert told["pam"][0]["level"] == "ok"
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns, path.read_bytes()) == (before.st_mtime_ns, before.st_ctime_ns, MBOX + MBOX)
    assert not STATE.exists()


def test_names(host: Host) -> None:
    """The user may be named as clients name her."""
    file = host.configuration("[login]\ndomains = ['example.org']\nlower_case = true\n")
    assert "alice has uid 20001" in found("-c", file, "Alice@example.org")["account"][0]["text"]
    assert faults("Alice@example.org") == {"account": "there is no account Alice@example.org"}


@pytest.mark.parametrize(("name", "part"), [("toor", "uid 0"), ("nobody-at-all", "there is no account")])
def test_accounts_without_sessions(host: Host, name: str, part: str) -> None:
    """For these popa3d goes no further, and neither does popa3d-check."""
    assert part in faults(name)["account"]
    assert set(found(name)) == {"configuration", "account"}


def test_group_zero(host: Host) -> None:
    """Group 0 is refused, as popa3d does."""
    for _ in edited("/etc/passwd", lambda text: text.replace("bob:x:20002:20002:", "bob:x:20002:0:")):
        assert "group 0" in faults("bob")["account"]


def test_account_management(host: Host) -> None:
    """PAM is asked without a password, and its code told: an account that has expired, and a host that is closed."""
    host.pam_stack(PAM_QUICK)
    assert faults("carol") == {"pam": "account management refuses the account: PAM_ACCT_EXPIRED"}
    assert faults("alice") == {}
    host.pam_stack(PAM_QUICK + "account required pam_deny.so\n")
    assert "PAM_" in faults("alice")["pam"]
    assert "chage" in found("alice")["pam"][0]["advice"]
    host.pam_stack("auth required pam_nonexistent.so\naccount required pam_nonexistent.so\n")
    assert "missing or broken" in found("alice")["pam"][0]["advice"]
    assert "authentication failure" not in host.syslog.text


def test_passwords(host: Host) -> None:
    """An empty password is a fault, since popa3d refuses it; a locked one is a note, since PAM may ask others."""
    assert faults("nopass")["password"] == "it is empty in /etc/shadow"
    assert found("dave")["password"][0]["level"] == "note"
    assert "password" not in found("alice")


def test_no_mailbox(host: Host) -> None:
    """A user without mail has none, and that is all."""
    assert found("alice")["mailbox"][0]["text"] == "/var/mail/alice does not exist: the user has no mail"
    assert faults("alice") == {}


@pytest.mark.parametrize("kind", ["link", "directory", "of root", "of a group"])
def test_mailboxes_that_are_refused(host: Host, kind: str) -> None:
    """Why a session would refuse the mailbox, in the words of its log line, and what to do."""
    path = host.deliver("alice", MBOX)
    if kind == "of root":
        os.chown(path, 0, 0)
        path.chmod(0o600)
    elif kind == "of a group":
        os.chown(path, 0, 8)
    else:
        path.rename(host.spool / "other")
        path.symlink_to("other") if kind == "link" else path.mkdir()
    expected = {
        "link": "not a regular file but a symbolic link",
        "directory": "not a regular file but a directory",
        "of root": "Permission denied",
        "of a group": "only its group, 8, may read it, which is not the user's primary one",
    }
    assert faults("alice") == {"mailbox": f"/var/mail/alice: {expected[kind]}"}


def test_what_root_may_read_and_the_owner_not(host: Host, tmp_path: Path) -> None:
    """The mailbox is opened by its owner: a link to a file of root's shows nothing of that."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"sesame-of-root")
    (host.spool / "alice").symlink_to(secret)
    done = run("alice")
    assert done.returncode == 1 and "sesame" not in done.stdout


@pytest.mark.parametrize(
    ("mbox", "reason", "offset", "line"),
    [
        (b"hello\n", 'does not start with "From "', 0, 1),
        (b"\n\n\nhello\n", 'does not start with "From "', 3, 4),
        (MBOX + b"From x\nFrom y\n\nz\n", "has a message without content", len(MBOX) + 7, 7),
        (MBOX + b"From x\n", "has a message without content", len(MBOX) + 7, 7),
        (MBOX * 30_000 + b"From \xff\x1b[2J\nFrom y\n\nz\n", "has a message without content", len(MBOX) * 30_000 + 11, 150_002),
    ],
    ids=["no mailbox", "empty lines first", "two From lines", "nothing behind one", "large"],
)
def test_mailboxes_that_are_none(host: Host, mbox: bytes, reason: str, offset: int, line: int) -> None:
    """Where the file is no mailbox any more: the octet, the line, and 80 octets around it in printable form."""
    host.deliver("alice", mbox)
    (told,) = found("alice")["messages"]
    assert (told["level"], told["offset"], told["line"]) == ("fault", offset, line)
    assert told["advice"].startswith("remove what is before" if "start" in reason else 'the "From " line before that place')
    assert told["text"].startswith(f"{reason}, at octet {offset}, line {line}: ")
    before, after = mbox[max(0, offset - 40) : offset], mbox[offset:][:80]
    shown = told["text"].partition(f"line {line}: ")[2]
    letters = {10: "\\n", 13: "\\r", 0x22: '\\"', 0x5C: "\\\\"}
    quoted = [
        "".join(letters.get(octet) or (chr(octet) if 32 <= octet <= 126 else f"\\x{octet:02x}") for octet in part)
        for part in (before, after[: 80 - len(before)])
    ]
    assert shown == f'"{quoted[0]}" | "{quoted[1]}"'


def test_limits(host: Host) -> None:
    """A mailbox with too many messages, or too large."""
    host.deliver("alice", MBOX * 3)
    many = host.configuration("[mailbox]\nmax_messages = 2\n")
    (told,) = found("-c", many, "alice")["messages"]
    assert told["text"].startswith(f"has more than 2 messages, at octet {2 * len(MBOX)}, line 11")
    assert "max_messages" in told["advice"]
    large = host.configuration(f"[mailbox]\nmax_octets = {2 * len(MBOX)}\n")
    assert faults("-c", large, "alice") == {"messages": f"larger than {2 * len(MBOX)} octets"}


@pytest.mark.parametrize("kind", ["fcntl", "flock", "dot-lock"])
def test_locks(host: Host, kind: str) -> None:
    """Who holds a lock is named, and the mailbox is read all the same."""
    path = host.deliver("alice", MBOX)
    with path.open("rb+") as file:
        if kind == "fcntl":
            fcntl.lockf(file, fcntl.LOCK_EX)
        elif kind == "flock":
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            Path(f"{path}.lock").write_text(f"{os.getpid()}\n")
        configuration = host.configuration("[mailbox]\nlocks = ['fcntl', 'flock', 'dotlock']\n")
        told = found("-c", configuration, "alice")
    (lock,) = told["lock"]
    assert (lock["level"], lock["pid"]) == ("note", os.getpid())
    assert lock["text"].startswith(f"{kind} is held by ")
    assert told["messages"][0]["messages"] == 1
    assert ("read while another program has its lock" in told["messages"][0]["text"]) == (kind != "dot-lock")
    assert kind != "dot-lock" or Path(f"{path}.lock").exists()
    assert lock["advice"].startswith("a session waits 20 seconds")


def test_locks_that_do_not_matter(host: Host) -> None:
    """A dot-lock of a process that has ended, and a lock of a kind that popa3d does not take: no session waits for them."""
    path = host.deliver("alice", MBOX)
    ended = subprocess.Popen(["true"])
    ended.wait()
    Path(f"{path}.lock").write_text(f"{ended.pid}\n")
    (lock,) = found("-c", host.configuration("[mailbox]\nlocks = ['dotlock']\n"), "alice")["lock"]
    assert lock["text"] == f"there is a dot-lock of process {ended.pid}, which has ended"
    assert lock["advice"].startswith("popa3d removes it")
    (lock,) = found("alice")["lock"]
    assert lock["advice"].startswith("popa3d does not look at this kind")
    Path(f"{path}.lock").write_text(f"{ended.pid} another.example\n")
    assert found("alice")["lock"][0]["pid"] == ended.pid
    Path(f"{path}.lock").write_text("9" * 20)
    assert "names no process" in found("alice")["lock"][0]["text"]


def test_journal(host: Host) -> None:
    """A journal is told of, and the user's state directory if others can write it."""
    host.deliver("alice", MBOX)
    subprocess.run([str(HOME / "bin/popa3d")], input=script(b"QUIT\r\n"), env={}, check=True, capture_output=True)
    directory = STATE / "20001"
    (directory / State(b"", b"alice", b"/var/mail/alice").name(b".journal").decode()).touch()
    assert "interrupted" in found("alice")["journal"][0]["text"]
    directory.chmod(0o777)
    told = faults("alice")
    assert set(told) == {"state", "journal"}


def test_the_owners_process(host: Host) -> None:
    """What looks at the mailbox has nothing of root's; if its user ends it, that is a fault, and the rest is still told."""
    path = host.deliver("alice", b"From bob Mon Nov 23 06:00:00 2026\n\n")
    os.truncate(path, 2**30)  # zeros that take no room, and seconds to read
    with (
        subprocess.Popen([CHECK, "--json", "alice"], stdout=subprocess.PIPE, env={"SOMETHING": "else"}) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)  # if something fails below
        wait_until(lambda: any(ids(pid)["Uid"].split() == ["20001"] * 4 for pid in children(process.pid)))
        (pid,) = children(process.pid)
        wait_until(lambda: ids(pid)["NoNewPrivs"] == "1")
        said = ids(pid)
        assert (said["Gid"].split(), said["Groups"].strip(), said["CapEff"]) == (["20001"] * 4, "", "0" * 16)
        assert os.getsid(pid) == pid
        wait_until(lambda: str(path) in descriptors(pid).values())
        opened = descriptors(pid)
        assert [opened.pop(fd) for fd in (0, 1, 2)] == ["/dev/null"] * 3
        assert {what.partition(":")[0] for what in opened.values()} <= {
            "pipe",
            "socket",
            str(path),
            "/proc/locks",
        }
        assert sum(what.startswith("pipe:") for what in opened.values()) == 1
        os.kill(pid, signal.SIGKILL)
        assert process.stdout is not None
        told = json.loads(process.stdout.read())
        assert process.wait(60) == 1
    texts = {each["subject"]: each["text"] for each in told["findings"]}
    assert texts["mailbox"] == "the process that looks at it as its owner gave no report"
    assert "pam" in texts


# --- The program ---


def test_usage(host: Host) -> None:
    """Wrong usage exits 2 and names what is wrong; -h says where the manual is; others than root are sent away."""
    done = run("--frobnicate")
    assert done.returncode == 2 and "--frobnicate" in done.stderr
    assert "popa3d-check(8)" in run("-h").stdout and run("-h").returncode == 0
    done = subprocess.run([CHECK], capture_output=True, text=True, env={}, check=False, user=20001, group=20001)
    assert (done.returncode, done.stderr) == (2, "popa3d-check: must be started by root\n")


def test_output_fits_a_terminal(host: Host) -> None:
    """Lines are at most 100 characters, printable ASCII, whatever the mailbox has."""
    host.deliver("alice", b"\x1b[2J\xff" * 100)
    output = run("alice").stdout
    assert output.isascii() and output.replace("\n", "").isprintable()
    assert max(map(len, output.splitlines())) <= 100
