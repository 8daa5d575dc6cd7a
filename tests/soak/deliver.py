"""A deliverer: appends messages to the mailbox until the time is up. Ours, or one of Debian's.

Runs as: root (ours), the mailbox owner (Debian's).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from tests import peers
from tests.host import BASE
from tests.soak import OWNER, UID, Delivery, Told, content, leaves_unfinished

PLACE = BASE / "deliver"  # what the owner's deliverers need
MAILBOX = Path("/var/mail") / OWNER
_FROM = b"From soak@example.org Mon Jan  5 10:00:00 2026\n"
_WAIT_S = 120

COMMANDS = {
    "procmail": [str(PLACE / "procmail"), "-f", "soak@example.org", str(PLACE / "procmailrc")],
    "maildrop": [str(PLACE / "maildrop"), "-f", "soak@example.org", str(PLACE / "mailfilter")],
}


def prepare() -> None:
    """What Debian's deliverers need: copies without set-group-id, which would make ld.so forget LD_LIBRARY_PATH; their rules."""
    PLACE.mkdir(mode=0o755, exist_ok=True)
    for name in COMMANDS:
        copy = PLACE / name
        copy.write_bytes(peers.program(name, f"usr/bin/{name}").read_bytes())
        copy.chmod(0o755)
    for name, text in (
        ("procmailrc", f"SHELL=/bin/sh\nDEFAULT={MAILBOX}\nLOCKSLEEP=1\n:0:\n{MAILBOX}\n"),
        ("mailfilter", f'LOCKSLEEP=1\nto "{MAILBOX}"\n'),
    ):
        rules = PLACE / name
        rules.write_text(text)
        rules.chmod(0o600)
        os.chown(rules, UID, UID)


def _libraries() -> Path:
    """Where maildrop's libraries are that Debian puts into a package that is no library."""
    found = next(iter(peers.program("courier-authlib", "usr").glob("lib/**/libcourierauth.so.0")), None)
    if found is None:
        raise FileNotFoundError("courier-authlib has no libcourierauth.so.0")
    return found.parent


class Ours:
    """Locks as the server is told to, fcntl before the dot-lock as Debian policy 11.6 has it, and writes in pieces."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.count = 0
        self.unfinished = leaves_unfinished(told.locks)

    def once(self) -> Delivery:
        """One message."""
        dice = self.told.random
        time.sleep(dice.random() * 0.1)
        self.count += 1
        name = f"{self.told.name}-{self.count}"
        message = content(self.told.seed, name)
        with open(MAILBOX, "r+b", buffering=0) as file:
            self._lock(file.fileno())
            try:
                begin = time.monotonic()
                end = file.seek(0, 2)
                last = os.pread(file.fileno(), 2, max(0, end - 2))
                before = b"" if not end or last == b"\n\n" else b"\n" if last.endswith(b"\n") else b"\n\n"
                behind = b"\n" if not self.unfinished else b""
                text = before + _FROM + (message if behind else message[:-1]) + behind
                for piece in self._pieces(text):
                    file.write(piece)
                    time.sleep(dice.choice((0, 0, 0.001, 0.01)))
            finally:
                if "dotlock" in self.told.locks:
                    os.unlink(f"{MAILBOX}.lock")
        return Delivery(name, begin, time.monotonic(), True)

    def _pieces(self, text: bytes) -> list[bytes]:
        places = sorted(self.told.random.randrange(len(text)) for _ in range(self.told.random.randrange(4)))
        return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]

    def _lock(self, fd: int) -> None:
        """Wait for the locks, in their order; one that is taken lets the others go."""
        end = time.monotonic() + _WAIT_S
        while time.monotonic() < end:
            (fcntl.flock if "flock" in self.told.locks else fcntl.lockf)(fd, fcntl.LOCK_EX)
            if "dotlock" not in self.told.locks:
                return
            with contextlib.suppress(FileExistsError):
                lock = os.open(f"{MAILBOX}.lock", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
                os.write(lock, b"%d\n" % os.getpid())
                os.close(lock)
                return
            fcntl.lockf(fd, fcntl.LOCK_UN)
            time.sleep(0.01 + self.told.random.random() * 0.02)
        raise TimeoutError("the mailbox stays locked")


class Debians:
    """One of Debian's programs, started for each message as a mail server starts it."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.count = 0
        self.environment = {"HOME": str(PLACE), "LOGNAME": OWNER, "PATH": "/usr/bin:/bin"}
        self.environment["LD_LIBRARY_PATH"] = str(_libraries())

    def once(self) -> Delivery:
        """One message."""
        # procmail writes one octet and sleeps for a second, with its locks, where the mailbox was read since it was written
        time.sleep(self.told.random.random() * (4 if self.told.kind == "procmail" else 0.2))
        self.count += 1
        name = f"{self.told.name}-{self.count}"
        begin = time.monotonic()
        done = subprocess.run(
            COMMANDS[self.told.kind], input=content(self.told.seed, name), env=self.environment, cwd=PLACE,
            user=UID, group=UID, extra_groups=[], timeout=_WAIT_S, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(self.told.kind, done.returncode, done.stderr[:500], file=sys.stderr, flush=True)
        return Delivery(name, begin, time.monotonic(), done.returncode == 0)


if __name__ == "__main__":
    what = Told(sys.argv[1:])
    what.repeat((Ours(what) if what.kind == "ours" else Debians(what)).once)
