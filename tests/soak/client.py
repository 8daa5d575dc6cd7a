"""A POP3 client: session after session on the mailbox until the time is up, each different, some killed at any moment.

Runs as: root, which starts the sessions.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

from tests.session import handover, state_directory, worker
from tests.soak import OWNER, UID, Told, Visit, as_delivered, name_of
from tests.talk import POPA3D, Talk

STATE_DIRECTORY = state_directory(UID)
_KILL_WITHIN_S = 0.5


class Client:
    """What one client does, by its own dice."""

    def __init__(self, told: Told) -> None:
        self.told = told

    def once(self) -> Visit | None:
        """One session."""
        dice = self.told.random
        time.sleep(dice.random() * 0.05)
        login = time.monotonic()
        with self._started() as talk:
            session = Session(talk, self.told)
            timer = threading.Timer(dice.random() * _KILL_WITHIN_S, session.kill)
            if dice.random() < 0.15:
                timer.start()
            with contextlib.suppress(EOFError, OSError):
                session.run()
            timer.cancel()
            if not session.said:
                session.said = "killed" if session.killed else "ended by the server"
            talk.client.close()
            status = talk.process.wait(60)
            if status == -signal.SIGKILL:
                session.said = "killed"
            elif session.outcome == "unknown" and status == 1:
                session.outcome = "kept"  # it gave up: "Another MUA active"
        return Visit(
            login, session.inside, time.monotonic(), session.listed, session.seen, session.fetched, session.damaged,
            session.deleted, session.quit, session.outcome, session.said,
        )  # fmt: skip

    def _started(self) -> Talk:
        """Mostly the owner's program alone, which is where the mailbox is; sometimes the whole server."""
        if self.told.random.random() < 0.8:
            return worker(handover(OWNER, locks=self.told.locks).encode())
        talk = Talk([*POPA3D, "-c", self.told.configuration])
        talk.send(b"USER %s\r\nPASS x\r\n" % OWNER.encode())
        for _ in range(2):
            talk.line()
        return talk


class Session:
    """One session; run raises EOFError or OSError when it is over before its time."""

    def __init__(self, talk: Talk, told: Told) -> None:
        self.talk = talk
        self.told = told
        self.killed = self.listed = False
        self.inside = self.quit = 0.0
        self.seen: list[str] = []
        self.fetched: list[str] = []
        self.damaged: list[str] = []
        self.deleted: list[str] = []
        self.outcome = "kept"
        self.said = ""

    def kill(self) -> None:
        """SIGKILL, now."""
        self.killed = True
        self.talk.process.kill()

    def _kill_in_update(self, later_s: float) -> None:
        """SIGKILL when there is a journal, this session's or another's; or when there was none for long enough."""
        end = time.monotonic() + 1
        while time.monotonic() < end and not any(b".journal" in name for name in os.listdir(STATE_DIRECTORY)):
            pass
        time.sleep(later_s)
        self.kill()

    def run(self) -> None:
        """Log in, look, fetch, delete; and one of the ends a session can have."""
        dice = self.told.random
        reply = self._line()
        if not reply.startswith(b"+OK"):
            self.said = reply.decode().strip()
            return
        self.inside = time.monotonic()
        self._ask(b"UIDL")
        self.seen = [line.split()[1].decode() for line in self._lines()]
        self.listed = True
        self._ask(b"LIST")
        sizes = [int(line.split()[1]) for line in self._lines()]
        some = sorted(dice.sample(range(len(self.seen)), min(len(self.seen), dice.choice((0, 1, 3, 10, 30)))))
        if dice.random() < 0.3:
            some = list(range(len(self.seen) - dice.choice((0, 3, 3))))[:40]  # as most clients do: from the first on
        for i in some:
            self._fetch(i, sizes[i])
        for i in some:
            if dice.random() < 0.8:
                self._ask(b"DELE %d" % (i + 1))
                self.deleted.append(self.seen[i])
        end = dice.random()
        if end < 0.1:
            self.said = "dropped"
            return
        if end < 0.15:
            self.kill()
            return
        self.quit = time.monotonic()
        self.outcome = "unknown"
        if end < 0.25:
            threading.Timer(dice.random() ** 2 * 0.06, self.kill).start()
        elif end < 0.4:
            threading.Thread(target=self._kill_in_update, args=(dice.random() * 0.003,)).start()
        self.talk.send(b"QUIT\r\n")
        reply = self._line()
        self.said = reply.decode().strip()
        if reply.startswith(b"+OK"):
            self.outcome = "deleted"
        elif b"IN-USE" in reply:
            self.outcome = "kept"

    def _fetch(self, i: int, size: int) -> None:
        reply = self.talk.ask(b"RETR %d" % (i + 1))
        if reply.startswith(b"-ERR [IN-USE]"):
            raise EOFError  # as good as any reason to leave
        if reply != b"+OK\r\n":
            raise EOFError
        lines = [line.removeprefix(b".") for line in self._lines()]
        message = b"".join(line.removesuffix(b"\r\n") + b"\n" for line in lines)
        self.fetched.append(self.seen[i])
        if not as_delivered(self.told.seed, self.told.locks, message) or sum(map(len, lines)) != size:
            self.damaged.append(f"{self.seen[i]} {name_of(message)} {len(message)} {size}")

    def _line(self) -> bytes:
        line = self.talk.line()
        if not line.endswith(b"\r\n"):
            raise EOFError
        return line

    def _ask(self, command: bytes) -> None:
        self.talk.send(command + b"\r\n")
        if self._line() != b"+OK\r\n":
            raise EOFError

    def _lines(self) -> list[bytes]:
        lines = []
        while (line := self._line()) != b".\r\n":
            lines.append(line)
        return lines


if __name__ == "__main__":
    what = Told(sys.argv[1:])
    what.repeat(Client(what).once)
