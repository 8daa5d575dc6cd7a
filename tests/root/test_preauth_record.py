"""A pre-auth child that was taken over: whatever it does with its pipe, root believes nothing and waits for nothing."""

from __future__ import annotations

import pytest

from popa3d.shared import replies
from tests.host import PAM_QUICK, Host
from tests.talk import Talk
from tests.tls import install

PROGRAM = """#!/usr/bin/python3 -IBS
import os, sys, time
sys.path.insert(0, "/opt/popa3d/lib")
from popa3d.root import start
from popa3d.shared import record

def preauth(pipe, timeout_s, login_timeout_s, offer, first, confine, meet):
    os.write(1, b"+OK taken over\\r\\n")
    {code}

start.main("/opt/popa3d/bin/popa3d-session", "", lambda: preauth, None, None, None)
"""

CLAIM = "(b'C' + bytes(11) + bytes([255, 255, 192, 0, 2, 1]))"  # what a proxy's client is reported by
GOOD = 'record.Login(b"alice", b"sesame-1", b"STAT\\r\\nQUIT\\r\\n").encode()'


def taken_over(host: Host, code: str, configuration: str = "") -> tuple[bytes, int]:
    """What the client reads of, and the exit status of, a session whose pre-auth child runs `code`."""
    program = host.base / "taken-over"
    program.write_text(PROGRAM.format(code=code))
    program.chmod(0o755)
    with Talk([str(program), "-c", host.configuration(configuration)]) as talk:
        return talk.rest(), talk.status()


def test_the_seam_works(host: Host) -> None:
    """The same program with an honest record serves: what the other tests see is not an accident."""
    host.pam_stack(PAM_QUICK)
    assert taken_over(host, f"os.write(pipe, {GOOD})")[0] == b"+OK taken over\r\n+OK\r\n+OK 0 0\r\n+OK\r\n"


@pytest.mark.parametrize(
    ("code", "logged"),
    [
        ("pass", "without a record"),
        ("os._exit(9)", "without a record"),
        ("os.kill(os.getpid(), 11)", "without a record"),
        ("raise KeyError(b'sesame-1')", "without a record"),
        (f"os.write(pipe, {GOOD}[:-1])", "malformed record"),
        (f"os.write(pipe, {GOOD} + b'x')", "malformed record"),
        (f"os.write(pipe, {GOOD}[:9])", "malformed record"),
        ("os.write(pipe, b'L')", "malformed record"),
        ("os.write(pipe, b'L' + b'\\xff' * 60000)", "malformed record"),
        ("[os.write(pipe, b'L' * 4096) for _ in range(100000)]", "malformed record"),
        ("os.write(pipe, b'Qx')", "malformed record"),
        (f"os.write(pipe, {CLAIM})", "malformed record"),
        (f"os.write(pipe, {CLAIM} + {GOOD})", "malformed record"),
        ("os.write(pipe, record.Login(b'alice', b'', b'').encode())", "malformed record"),
        ("os.write(pipe, record.Login(b'alice\\0', b'x', b'').encode())", "malformed record"),
        ("os.write(pipe, record.Login(b'alice', b'x' * 513, b'').encode())", "malformed record"),
        ("os.write(pipe, record.Login(b'root', b'x', b'').encode())", "Authentication failed for root"),
        ("os.write(pipe, record.Login(b'-froot', b'x', b'').encode())", "Authentication failed for UNKNOWN USER"),
        ("os.write(pipe, record.Login(b'alice', b'x', b'').encode())", "Authentication failed for alice"),
    ],
)
def test_forged(host: Host, code: str, logged: str) -> None:
    """A missing, truncated, oversized, forged or impossible record ends the session with one log line, never with a login."""
    host.pam_stack(PAM_QUICK)
    said, _ = taken_over(host, code)
    assert said in (b"+OK taken over\r\n", b"+OK taken over\r\n-ERR [AUTH] Authentication failed (bad password?)\r\n")
    host.syslog.wait(logged)
    assert "passed" not in host.syslog.text
    assert "sesame" not in host.syslog.text


@pytest.mark.parametrize(("rule", "passes"), [("never", False), ("always", True)])
def test_a_login_that_needs_tls(host: Host, rule: str, passes: bool) -> None:
    """Root itself refuses a login that was not offered, whatever the child has let pass, and does not ask PAM."""
    host.pam_stack(PAM_QUICK)
    configuration = install(host) + f'plaintext_logins = "{rule}"\n'
    rest = b"+OK\r\n+OK 0 0\r\n+OK\r\n" if passes else replies.TLS_IS_NEEDED
    assert taken_over(host, f"os.write(pipe, {GOOD})", configuration) == (b"+OK taken over\r\n" + rest, 0 if passes else 1)
    host.syslog.wait("Authentication passed" if passes else "The pre-auth child wrote a login that needs TLS")
    assert ("Authentication" in host.syslog.text) == passes


@pytest.mark.parametrize(
    "code",
    ["time.sleep(100)", "os.write(pipe, b'L'); time.sleep(100)", "[time.sleep(0.2) or os.write(pipe, b'L') for _ in range(500)]"],
)
def test_late(host: Host, code: str) -> None:
    """A child that does not finish its record in time is killed."""
    assert taken_over(host, code, "[session]\nlogin_timeout_s = 1\n") == (b"+OK taken over\r\n", 1)
    host.syslog.wait("late with its record")


def test_a_child_that_lingers(host: Host) -> None:
    """A child that has closed its pipe but goes on is not waited for, and does not go on beside the session."""
    host.pam_stack(PAM_QUICK)
    code = f"os.write(pipe, {GOOD}); os.close(pipe); time.sleep(100)"
    assert taken_over(host, code)[0] == b"+OK taken over\r\n+OK\r\n+OK 0 0\r\n+OK\r\n"


@pytest.mark.parametrize(
    "call",
    [
        "os.fork()",
        "os.open('/', 0)",
        "os.setuid(0)",
        "os.chroot('/')",
        "os.listdir('/') and os.open('x', 64)",
        "os.close(0) or os.dup(1)",
        "os.pipe()",
        "os.dup(0)",
    ],
)
def test_what_it_cannot_do(host: Host, call: str) -> None:
    """It can neither fork, nor open or duplicate anything, nor become root, nor leave its empty directory."""
    code = f"""
    try:
        {call}
    except OSError as error:
        os.write(1, b"cannot\\r\\n")
    else:
        os.write(1, b"can\\r\\n")
    os.write(pipe, record.LEFT)"""
    if "listdir" in call:
        code = code.replace("os.listdir('/') and ", "")
    assert taken_over(host, code)[0] == b"+OK taken over\r\ncannot\r\n"
