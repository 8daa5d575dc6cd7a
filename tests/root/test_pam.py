"""The PAM adapter over both versions of python-pam, and over a python-pam or a PAM stack that misbehaves."""

from __future__ import annotations

import os
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared import replies
from tests.host import HOME, Host, bind, tmpfs, unmount
from tests.talk import POPA3D, Talk, becoming, descriptors, wait_until

INSTALLED = Path("/usr/lib/python3/dist-packages/pam")  # Debian's python3-pampy, 2.0.2
NEWER = Path(sys.prefix) / f"lib/python3.{sys.version_info.minor}/site-packages/pam"  # python-pam 2.1.0
FAILED = b"-ERR [AUTH] Authentication failed (bad password?)\r\n"


@pytest.fixture(params=["2.0.2", "2.1.0"])
def version(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each version of python-pam in turn, where the system's one is."""
    if request.param == "2.1.0":
        bind(NEWER, INSTALLED)
    text = (INSTALLED / "__internals.py").read_text()
    assert ("import threading" in text) is (request.param == "2.1.0")
    yield request.param
    if request.param == "2.1.0":
        unmount(INSTALLED)


def logged_in(name: str = "alice", password: str | None = None) -> bytes:
    """The reply to PASS."""
    with Talk() as talk:
        return talk.login(name, password)


def program(host: Host, text: str) -> Path:
    """A program for pam_exec."""
    path = host.base / "program"
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_what_pam_is_told(host: Host, version: str) -> None:
    """Service, user, remote host and a terminal's name reach PAM; account management is done; no session, no credentials."""
    seen = host.base / "seen"
    seen.unlink(missing_ok=True)
    dump = program(host, f"#!/bin/sh\n/usr/bin/env | /bin/grep ^PAM_ | /usr/bin/sort >> {seen}; echo >> {seen}\n")
    line = f"pam_exec.so quiet {dump}\n"
    host.pam_stack("".join(f"{kind} required {line}" for kind in ("auth", "account", "session", "password")))
    assert logged_in("bob", "anything") == b"+OK\r\n"
    blocks = [block.splitlines() for block in seen.read_text().split("\n\n") if block]
    common = ["PAM_RHOST=127.0.0.1", "PAM_SERVICE=popa3d", "PAM_TTY=popa3d"]
    assert blocks == [[*common, f"PAM_TYPE={kind}", "PAM_USER=bob"] for kind in ("auth", "account")]


def test_accounts(host: Host, version: str) -> None:
    """Right, wrong, locked, and empty passwords, root, and accounts that have expired, under both versions."""
    host.pam_stack("auth required pam_unix.so nullok nodelay\naccount required pam_unix.so\n")
    assert logged_in() == b"+OK\r\n"
    for name, password in (("alice", "x"), ("carol", "x"), ("dave", "locked-1"), ("nopass", "x"), ("toor", None)):
        assert logged_in(name, password) == FAILED
    assert logged_in("carol") == replies.ACCOUNT_EXPIRED


@pytest.mark.parametrize(
    ("stack", "reply"),
    [
        ("auth required pam_deny.so\naccount required pam_permit.so\n", FAILED),
        ("auth required pam_permit.so\naccount required pam_deny.so\n", replies.CLOSED),
        ("auth required pam_no_such_module.so\naccount required pam_permit.so\n", replies.UNAVAILABLE),
        ("auth required pam_permit.so\naccount required\nAccount complete nonsense\n", replies.CLOSED),
        ("auth sufficient pam_permit.so\naccount [success=ignore default=ignore] pam_permit.so\n", replies.CLOSED),
    ],
)
def test_stacks_that_do_not_say_yes(host: Host, version: str, stack: str, reply: bytes) -> None:
    """Anything but success of both authentication and account management is a refusal."""
    (host.pam_d / "other").write_text("auth required pam_deny.so\naccount required pam_deny.so\n")
    host.pam_stack(stack)
    assert logged_in(password="x") == reply


def includes(host: Host, name: str, text: str) -> str:
    """A line that includes a file of this name with this text."""
    (host.pam_d / name).write_text(text)
    return f"@include {name}\n"


@pytest.mark.parametrize(
    ("stack", "missing"),
    [
        ("", "account and auth"),
        ("# auth required pam_permit.so\n# account required pam_permit.so\n", "account and auth"),
        ("auth required pam_permit.so\n", "account"),
        ("account required pam_permit.so\n", "auth"),
        ("auth required pam_permit.so\npassword required pam_permit.so\nsession required pam_permit.so\n", "account"),
        ("auth required\naccount\n", "account and auth"),
        ("complete nonsense\n", "account and auth"),
        ("@include mail-auth\n", "account"),
        ("@include nowhere\n@include mail-auth\n", "account"),
        ("@include popa3d\n", "account and auth"),
        ("auth required pam_permit.so\naccount include mail-none\n", "account"),
        ("auth substack mail-none\naccount include mail-auth\n", "account and auth"),
        ("# All of it is a comment\rauth required pam_permit.so\raccount required pam_permit.so\r", "account and auth"),
        ("auth required pam_permit.so\nsession optional \\\naccount required pam_permit.so\n", "account"),
        ("auth required pam_permit.so\naccount required pam_permit.so \\\n", "account"),
    ],
)
def test_service_files_that_leave_it_to_other(host: Host, stack: str, missing: str) -> None:
    """What Linux-PAM would take from "other" is not the administrator's word for mail: nobody gets in, and the log says why."""
    (host.pam_d / "other").write_text("auth required pam_permit.so\naccount required pam_permit.so\n")
    includes(host, "mail-auth", "auth required pam_permit.so\n")
    includes(host, "mail-none", "# auth and account were here\n")
    host.pam_stack(stack)
    assert logged_in(password="x").startswith(b"-ERR [SYS/PERM] service unavailable")
    host.syslog.wait(f"/etc/pam.d/popa3d has no line for {missing}")


@pytest.mark.parametrize(
    "stack",
    [
        "auth required pam_permit.so # so\n-account required pam_permit.so\n",
        "AUTH required pam_permit.so\nAccount \\\n required pam_permit.so\n",
        "auth [default=ignore success=ok] pam_permit.so\naccount include mail-account\n",
        "@include mail-auth\n@include mail-account\n",
        "@include mail-all\n",
        "@include {}/mail-all\n",
        "-@include mail-all # and\n",
        "auth substack mail-all\naccount Include {}/mail-all\n",
        "# A comment does not go on \\\nauth required pam_permit.so # nor does this \\\naccount required pam_permit.so\n",
    ],
)
def test_service_files_that_are_enough(host: Host, stack: str) -> None:
    """Lines of its own, included ones, substacks: whatever Linux-PAM has both of, in any of its spellings."""
    text = includes(host, "mail-auth", "auth required pam_permit.so\n")
    text += includes(host, "mail-account", "account required pam_permit.so\n")
    includes(host, "mail-all", text)
    host.pam_stack(stack.format(host.pam_d))
    assert logged_in(password="x") == b"+OK\r\n"


def test_information_is_no_prompt(host: Host, version: str) -> None:
    """Messages of PAM modules, of any octets, neither disturb the login nor reach the client."""
    (host.base / "message").write_bytes(b"welcome \xff\xfe\n")
    host.pam_stack(
        f"auth optional pam_echo.so file={host.base}/message\nauth required pam_unix.so nodelay\n"
        f"account optional pam_echo.so file={host.base}/message\naccount required pam_unix.so\n"
    )
    assert logged_in() == b"+OK\r\n"
    assert logged_in(password="x") == FAILED


def test_two_modules_may_ask(host: Host, version: str) -> None:
    """Each module that asks for a password gets the one there is."""
    host.pam_stack("auth required pam_unix.so nodelay\nauth required pam_unix.so nodelay\naccount required pam_unix.so\n")
    assert logged_in() == b"+OK\r\n"
    assert logged_in(password="x") == FAILED


# A python-pam in front of the real one, so that the real libpam runs behind each fault.
FRONT = """
import sys
sys.path.insert(0, {place!r})
mine = {{name: sys.modules.pop(name) for name in ("pam", "pam.__internals")}}
import importlib
real = importlib.import_module("pam.__internals")
sys.modules.update(mine)
sys.path.pop(0)
for name in dir(real):
    if not name.startswith("__"):
        globals()[name] = getattr(real, name)
import ctypes
libpam = ctypes.CDLL("libpam.so.0")

class PamAuthenticator(real.PamAuthenticator):
    def __init__(self):
        super().__init__()
        self.real_start, self.real_authenticate = self.pam_start, self.pam_authenticate
        self.pam_start, self.pam_authenticate = self.start, self.authentication
    def start(self, service, name, conv, handle):
        self.conv = ctypes.cast(conv, ctypes.POINTER(real.PamConv)).contents
        return self.real_start(service, name, conv, handle)
    def authentication(self, handle, flags):
        {authentication}
    def authenticate(self, *a, **k):
        {authenticate}
"""
CONVERSE = """
        messages = [real.PamMessage(style, b"?") for style in {styles}]
        pointers = (ctypes.POINTER(real.PamMessage) * len(messages))(*map(ctypes.pointer, messages))
        answers = ctypes.POINTER(real.PamResponse)()
        return self.conv.conv({count}, pointers, ctypes.pointer(answers), None)
"""
AS_IT_IS = "return self.real_authenticate(handle, flags)"
PASS_ON = "return super().authenticate(*a, **k)"
RENAME = "result = self.real_authenticate(handle, flags); libpam.pam_set_item(handle, 2, {name!r}); return result"


@pytest.fixture
def front(host: Host) -> Iterator[Path]:
    """A place where a front for python-pam can be put, in the stead of the installed one."""
    real, fake = host.base / "real", host.base / "fake"
    for place in (real / "pam", fake):
        place.mkdir(parents=True, exist_ok=True)
    bind(INSTALLED, real / "pam")
    (fake / "__init__.py").write_text("")
    bind(fake, INSTALLED)
    yield fake
    unmount(INSTALLED)
    unmount(real / "pam")


def with_front(
    host: Host, front: Path, authentication: str = AS_IT_IS, authenticate: str = PASS_ON, password: str | None = None
) -> bytes:
    """The reply to a password, or else to the right one, through such a front."""
    text = FRONT.format(place=str(host.base / "real"), authentication=authentication, authenticate=authenticate)
    (front / "__internals.py").write_text(text)
    host.pam_stack("auth required pam_unix.so nodelay\naccount required pam_permit.so\n")
    return logged_in(password=password)


def test_front_works(host: Host, front: Path) -> None:
    """Without a fault the front lets alice in: what the tests below see is the fault."""
    assert with_front(host, front) == b"+OK\r\n"


WANTS_MORE = """
import os
import os.path
from typing import *
from types import SimpleNamespace
from typing import NamedTuple, TypeVar
assert os.path.join("a", "b") == os.fspath("a/b")
assert SimpleNamespace(a=1).a == 1
T = TypeVar("T")
class Pair(NamedTuple):
    one: int
    other: T
assert Pair(1, 2).other == 2
"""


def test_one_that_wants_more(host: Host, front: Path) -> None:
    """A python-pam that needs what the stand-ins do not have gets it from the real modules."""
    with_front(host, front)
    inner = front / "__internals.py"
    inner.write_text(WANTS_MORE + inner.read_text())
    assert logged_in() == b"+OK\r\n"


def on_a_nameless_terminal() -> bytes:
    """What a client gets that says QUIT after a login, on a terminal that has no name here (as nsenter(1) leaves one)."""
    master, slave = os.openpty()
    tty.setraw(slave)
    tmpfs("/dev/pts")
    try:
        with pytest.raises(OSError, match="No such"):
            os.ttyname(slave)
        os.write(master, b"USER alice\nPASS sesame-1\nQUIT\n")
        with subprocess.Popen(POPA3D, stdin=slave, stdout=slave, env={}) as process:
            os.close(slave)
            assert process.wait(60) == 0
            return os.read(master, 4096)
    finally:
        unmount("/dev/pts")
        os.close(master)


def test_terminal_without_a_name(host: Host, version: str) -> None:
    """python-pam does not look at descriptor 0: not whether it is a terminal, nor for its name."""
    host.pam_stack("auth required pam_unix.so nodelay\naccount required pam_unix.so\n")
    assert on_a_nameless_terminal().endswith(b"+OK\r\n+OK\r\n+OK\r\n")


def test_terminal_without_a_name_and_one_that_wants_more(host: Host, front: Path) -> None:
    """Nor does one that needs the real module os."""
    with_front(host, front)
    inner = front / "__internals.py"
    inner.write_text(WANTS_MORE + inner.read_text())
    assert on_a_nameless_terminal().endswith(b"+OK\r\n+OK\r\n+OK\r\n")


def test_what_is_loaded_with_it() -> None:
    """python-pam comes with ctypes, and with nothing that takes long and is not needed."""
    code = f"import sys; sys.path.insert(0, {str(HOME / 'lib')!r}); from popa3d.root.pam.adapter import Pam; Pam()"
    code += "; print(*sys.modules)"
    done = subprocess.run(["/usr/bin/python3", "-IBS", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"pam.__internals", "ctypes"} <= loaded
    assert not loaded & {"typing", "six", "ctypes.util", "os", "types", "re", "enum", "subprocess"}
    assert not loaded & {"struct", "ctypes._endian", "pam"}


def test_renamed_user(host: Host, front: Path) -> None:
    """The mailbox is that of the user whom PAM names in the end."""
    host.deliver("bob", b"From a\nSubject: bob's\n\nbody\n\n")
    assert with_front(host, front, RENAME.format(name=b"bob")) == b"+OK\r\n"
    host.syslog.wait("Authentication passed for bob")
    host.syslog.wait("1 message (")


@pytest.mark.parametrize("name", [b"root", b"toor", b"nobody-here", b"", b"../bob"])
def test_renamed_to_nobody(host: Host, front: Path, name: bytes) -> None:
    """A user whom PAM renames to root, or to no account, is refused."""
    assert with_front(host, front, RENAME.format(name=name)) == FAILED


@pytest.mark.parametrize(
    "authenticate",
    ["raise ValueError('sesame-1')", "return 1", "return None", "return 'yes'", "super().authenticate(*a, **k); return 1"]
    + [
        "return True",
        "super().authenticate(*a, **k); raise SystemError('late')",
        "raise UnicodeDecodeError('utf-8', b'sesame-1', 0, 1, 'x')",
    ],
)
def test_odd_python_pam(host: Host, front: Path, authenticate: str) -> None:
    """An exception, or anything but a True that both steps of PAM stand behind, is a fault, and never logged as it is."""
    assert with_front(host, front, authenticate=authenticate) == replies.UNAVAILABLE
    host.syslog.wait("PAM cannot decide about alice from 127.0.0.1: python-pam")
    assert "sesame" not in host.syslog.text


@pytest.mark.parametrize("password", ["wrong", None])
def test_python_pam_that_always_says_yes(host: Host, front: Path, password: str | None) -> None:
    """What counts is what PAM's two steps have returned, not what python-pam makes of it."""
    reply = with_front(host, front, authenticate="super().authenticate(*a, **k); return True", password=password)
    assert reply == (b"+OK\r\n" if password is None else FAILED)


ENDS_EARLY = """
        result = self.real_authenticate(handle, flags)
        self.pam_acct_mgmt = lambda handle, flags: 0
        return result
"""


NO_ENVIRONMENT = """
        entries = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
        return 7 if entries and entries[0] else self.real_authenticate(handle, flags)
"""


def test_modules_see_no_environment(host: Host, front: Path) -> None:
    """What whoever has started popa3d had in the environment is not there for PAM's modules to go by."""
    assert with_front(host, front, authentication=NO_ENVIRONMENT) == b"+OK\r\n"
    with Talk(preexec_fn=becoming(POPA3D, {"LD_DEBUG_OUTPUT": "/x", "": "y=z"})) as talk:
        assert talk.login() == b"+OK\r\n"


LEAKS = "import posix; posix.set_inheritable(posix.open('/etc/shadow', 0), True); return self.real_authenticate(handle, flags)"


def test_what_pam_leaves_open(host: Host, front: Path) -> None:
    """A descriptor that a PAM module forgets to close, and would let other programs have, is not there after the login."""
    assert with_front(host, front, authentication=LEAKS) == b"+OK\r\n"
    with Talk() as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"NOOP") == b"+OK\r\n"
        assert "/etc/shadow" not in descriptors(talk.process.pid).values()


def test_account_management_is_not_left_out(host: Host, front: Path) -> None:
    """A python-pam that does not ask for account management, but says yes, lets nobody in."""
    assert with_front(host, front, authentication=ENDS_EARLY) == replies.UNAVAILABLE


@pytest.mark.parametrize(
    ("styles", "count", "passed"),
    [
        ([1], 1, True),
        ([4, 1, 3], 3, True),
        ([2], 1, False),
        ([1, 2], 2, False),
        ([7], 1, False),
        ([1], 0, False),
        ([1], -1, False),
    ]
    + [([1] * 33, 33, False)],
)
def test_prompts(host: Host, front: Path, styles: list[int], count: int, passed: bool) -> None:
    """Only hidden prompts (1), errors (3) and information (4) can be answered; any other prompt refuses the login."""
    reply = with_front(host, front, CONVERSE.format(styles=styles, count=count))
    assert reply == (b"+OK\r\n" if passed else FAILED)


def test_no_python_pam(host: Host, front: Path) -> None:
    """Without a working python-pam the log says so, and the client is told to come back."""
    (front / "__internals.py").write_text("import a_module_that_is_missing\n")
    assert logged_in().startswith(b"-ERR [SYS/PERM] service unavailable")
    host.syslog.wait("python-pam cannot be used: No module named 'a_module_that_is_missing'")


def test_a_hanging_stack_ends(host: Host) -> None:
    """A PAM stack that never answers is ended by SIGALRM: the alarm is set whenever PAM runs."""
    pidfile = host.base / "pid"
    slow = program(host, f"#!/bin/sh\necho $PPID > {pidfile}.new; mv {pidfile}.new {pidfile}; exec /bin/sleep 20\n")
    host.pam_stack(f"auth required pam_exec.so quiet {slow}\naccount required pam_permit.so\n")
    with Talk() as talk:
        talk.send(b"USER alice\r\nPASS x\r\n")
        talk.line()
        talk.line()
        wait_until(pidfile.exists)
        talk.process.send_signal(14)  # what alarm(2) will send
        assert talk.rest() == b""
        assert talk.status() == -14
