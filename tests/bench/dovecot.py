"""Dovecot as the benchmark has it: mboxes in /var/mail, indexes apart, fcntl(2) locks, and as little else as possible.

Runs as: root, in the private namespaces of tests/host.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import host
from tests.host import Account, Host
from tests.sockets import listens
from tests.super.tree import kill_tree
from tests.talk import children, wait_until

HOMES = Path("/var/lib/dovecot-home")

_PERSISTENT = ("  service_count = 0\n", "  restart_request_count = unlimited\n")  # login processes serve many; of 2.3, and of 2.4

# Debian 12 has 2.3, Debian 13 has 2.4, whose settings have other names. What is between two @ is filled in.
COMMON = """listen = 127.0.0.1
base_dir = /run/dovecot
state_dir = /run/dovecot-state
log_path = /run/dovecot.log
ssl = yes
auth_mechanisms = plain
auth_failure_delay = 0
default_vsz_limit = 8 G
mbox_read_locks = fcntl
mbox_write_locks = fcntl
protocol pop3 {
  mail_max_userip_connections = 1000
}
service pop3-login {
  process_min_avail = 2
  inet_listener pop3 {
    port = @PORT@
  }
  inet_listener pop3s {
    port = @TLS_PORT@
    ssl = yes
  }
}
"""
CONFIGURATIONS = {
    "2.3": """protocols = pop3
disable_plaintext_auth = no
ssl_cert = <@TLS@/certificate
ssl_key = <@TLS@/key
mail_location = mbox:@HOMES@/%u/mail:INBOX=/var/mail/%u:INDEX=@HOMES@/%u/index
passdb {
  driver = pam
  args = dovecot
}
userdb {
  driver = passwd
  override_fields = home=@HOMES@/%u
}
service pop3-login {
  service_count = 0
}
""",
    "2.4": """dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = pop3
auth_allow_cleartext = yes
ssl_server_cert_file = @TLS@/certificate
ssl_server_key_file = @TLS@/key
mail_driver = mbox
mail_path = @HOMES@/%{user}/mail
mail_inbox_path = /var/mail/%{user}
mail_index_path = @HOMES@/%{user}/index
passdb pam {
  service_name = dovecot
}
userdb passwd {
  fields {
    home = @HOMES@/%{user}
  }
}
service pop3-login {
  restart_request_count = unlimited
}
""",
}


def dovecot_home(account: Account) -> Path:
    """Where Dovecot keeps what it knows of this account's mailbox."""
    return HOMES / account.name


def make_home(account: Account) -> None:
    """The directory for that, which is the account's."""
    home = dovecot_home(account)
    home.mkdir(parents=True)
    os.chown(home, account.uid, account.uid)


def _configuration(port: int, tls_port: int, pair: Path) -> str:
    """For the version that is there; OSError if it is neither of the two."""
    done = subprocess.run(["/usr/sbin/dovecot", "--version"], capture_output=True, text=True, check=True)
    if done.stdout[:3] not in CONFIGURATIONS:
        raise OSError(f"no configuration for Dovecot {done.stdout.strip()}")
    text = CONFIGURATIONS[done.stdout[:3]] + COMMON  # 2.4 wants its version first
    values = {"@HOMES@": HOMES, "@PORT@": port, "@TLS_PORT@": tls_port, "@TLS@": pair}
    for name, value in values.items():
        text = text.replace(name, str(value))
    return text


@contextlib.contextmanager
def default_logins(here: Host) -> Iterator[None]:
    """Meanwhile Dovecot's login processes are as they are by default: each serves one connection, and ends."""
    configuration = here.base / "dovecot.conf"
    usual = configuration.read_text()
    changed = usual
    for line in _PERSISTENT:
        changed = changed.replace(line, "")
    _reload(configuration, changed)
    try:
        yield
    finally:
        _reload(configuration, usual)


def _reload(configuration: Path, text: str) -> None:
    """Let Dovecot go on with another configuration, and wait until no login process has the old one."""
    configuration.write_text(text)
    master = int(Path("/run/dovecot/master.pid").read_text())
    before = _logins(master)
    os.kill(master, signal.SIGHUP)
    wait_until(lambda: not before & _logins(master), 20)


def _logins(master: int) -> set[int]:
    return {pid for pid in children(master) if b"pop3-login" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@contextlib.contextmanager
def running(here: Host, port: int, tls_port: int, accounts: Sequence[Account]) -> Iterator[None]:
    """Dovecot at the places its programs have compiled in: /usr shows its packages too, for this namespace only.

    Its certificate is that of tests.tls. Raises OSError if it is missing or ends, AssertionError if it does not listen.
    """
    unpacked = [here.base / "copy/build/peers" / package / "usr" for package in ("dovecot-core", "dovecot-pop3d")]
    for path in unpacked:
        if not path.exists():
            raise FileNotFoundError(f"{path}: fetch it with: make bench")
    layers = ":".join(map(str, [*unpacked, "/usr"]))
    host._mount("overlay", "/usr", "overlay", data=f"lowerdir={layers}")
    for account in accounts:
        make_home(account)
    configuration = here.base / "dovecot.conf"
    configuration.write_text(_configuration(port, tls_port, here.base / "tls"))
    master = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", str(configuration)], cwd="/", env={"PATH": "/usr/sbin:/usr/bin"})
    try:
        wait_until(lambda: master.poll() is not None or listens(port), 20)
        if master.poll() is not None:
            log = Path("/run/dovecot.log")
            raise OSError(f"dovecot ended with status {master.returncode}: {log.read_text()[-500:] if log.exists() else ''}")
        yield
    finally:
        if master.poll() is None:
            kill_tree(master.pid)
        master.wait(20)
