"""Updates for the fault tests: random mailboxes, random deletions, and what must be there in the end."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from popa3d.owner import loading
from popa3d.owner.mailbox import changes, maildrop
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.maildrop import Maildrop
from popa3d.owner.mailbox.state_directory import State
from popa3d.owner.update import full_disk, kept_stream, removal, steps
from tests.faults.disk import Disk, Recorder, recorded

NEW = b"From new@x Mon Jan  5 11:00:00 2026\nSubject: delivered later\n\n%s\n\n"


class Case:
    """A mailbox (as messages), which of them are deleted, and the files where it happens.

    It remembers what happened to it since `set`, for whoever has to find out why a test failed.
    """

    def __init__(self, seed: int, place: Path) -> None:
        self.seed = seed
        self._history: list[tuple[object, ...]] = []
        chance = random.Random(seed)
        count = chance.randint(1, 9)
        most = chance.choice([0, 1, 10, 300, 300, 3000])
        self.messages = []
        for i in range(count):
            body = bytes(chance.choices(b"abc \n.\r\0\xff", k=chance.randint(0, most)))
            short = b"From \n%d\n\n" % i  # as short as they come
            self.messages.append(short if chance.random() < 0.2 else b"From a@b\nX: %d\n\n%s\n\n" % (i, body))
        self.deleted = bytearray(chance.random() < 0.5 for _ in range(count))
        self.deleted[chance.randrange(count)] = 1
        self.before = b"".join(self.messages)
        self.after = b"".join(m for m, gone in zip(self.messages, self.deleted, strict=True) if not gone)
        self.mailbox = place / "mailbox"
        self.mailbox.touch()
        self.directory = place / "state"
        self.directory.mkdir(mode=0o700, exist_ok=True)
        # Small steps: each of what a large mailbox has.
        self.data = chance.choice([64, 200, 1000, 1 << 20])
        self.block = chance.choice([50, 1000, 1 << 20])

    def set(self) -> Disk:
        """Make the real files what they are before the update."""
        self._history.clear()
        disk = Disk(self.before, {})
        disk.put(self.mailbox, self.directory)
        return disk

    @contextlib.contextmanager
    def small_steps(self) -> Iterator[None]:
        """Let the update go in steps of a few octets."""
        with contextlib.ExitStack() as stack:
            for module, name, value in (
                (full_disk, "JOURNAL_DATA_OCTETS", self.data),
                (steps, "PARSE_OCTETS", self.block),
                (steps, "REST_OCTETS", self.block),
                (kept_stream, "PARSE_OCTETS", self.block),
                (changes, "CLOCK_TICK_NS", 0),  # no waiting: nobody else writes here
                *((module, "QUIET_S", 0) for module in (changes, loading, maildrop)),
            ):
                stack.enter_context(mock.patch.object(module, name, value))
            yield

    def load(self) -> Maildrop:
        """A session's maildrop. Raises what that raises."""
        state = State(os.fsencode(self.directory), b"alice", os.fsencode(self.mailbox))
        assert not state.is_missing
        file = MboxFile(os.fsencode(self.mailbox), ("fcntl",))
        try:
            return loading.load(file, state, 10_000, 1 << 40)
        except BaseException:
            file.close()
            close(state)
            raise

    def update(self, recorder: Recorder) -> None:
        """Load, delete and update; the recorder sees UPDATE only."""
        with self.small_steps():
            loaded = self.load()
            try:
                recorder.know(self.mailbox, self.directory)
                with recorded(recorder):
                    removal.remove(loaded, self.deleted)
            finally:
                self.note("UPDATE: ", recorder)
                loaded.file.close()
                close(loaded.state)

    def recover(self, recorder: Recorder) -> Maildrop:
        """Load only, which finishes an update; the recorder sees it."""
        recorder.know(self.mailbox, self.directory)
        try:
            with self.small_steps(), recorded(recorder):
                loaded = self.load()
        finally:
            self.note("The recovery at login: ", recorder)
        loaded.file.close()
        close(loaded.state)
        return loaded

    def deliver(self, message: bytes) -> None:
        """Append a message, as a delivery agent does."""
        self.note(f"Delivered: {len(message)} octets")
        with open(self.mailbox, "ab") as file:
            file.write(message)

    def check(self, mail: bytes = b"", done: bool = False) -> None:
        """Claim that the mailbox is what it was, or (if `done`, only) what it is to be, with `mail` behind; and no journal."""
        content = self.mailbox.read_bytes()
        assert content == self.after + mail or (content == self.before + mail and not done)
        assert self.left() == []

    def crash(self, disk: Disk, chance: random.Random | None = None) -> Disk:
        """The process is killed; or the power fails, as `chance` has it. Make the real files what is left on `disk`.

        Returns the same with the numbers that the next recorder gives. What was not synced there can still be lost later.
        """
        if chance is None:
            self.note("Then the process was killed; nothing is lost")
        else:
            lost = disk.lose_power(chance)
            self.note("Then the power failed; lost, or torn, is:", *(part for call in lost for part in ("\n    ", call)))
        there = disk.numbered_anew()
        disk.killed()
        disk.put(self.mailbox, self.directory)
        return there

    def begin(self, *event: object) -> None:
        """Forget what happened before this event."""
        self._history[:] = [event]

    def note(self, *event: object) -> None:
        """Remember an event: the parts of what is printed if the test fails."""
        self._history.append(event)

    def explain(self, error: BaseException) -> None:
        """Note the case and its history in an exception; pytest, and Python itself, print the notes of one."""
        messages = [f"{len(message)}{' (deleted)' * gone}" for message, gone in zip(self.messages, self.deleted, strict=True)]
        error.add_note(f"Seed {self.seed}: messages of {', '.join(messages)} octets")
        error.add_note(f"The journal is written in steps of {self.data} octets, the mailbox is read in steps of {self.block}")
        for event in self._history:
            error.add_note("".join(map(str, event)))
        sizes = f"{self.mailbox.stat().st_size} octets ({len(self.before)} before, {len(self.after)} after the update)"
        error.add_note(f"There is now: a mailbox of {sizes}; in the state directory {self.left() or 'nothing'}")

    def mail(self, chance: random.Random) -> bytes:
        """What is delivered after a crash: nothing, or a message that may be longer than all that was deleted."""
        if chance.random() < 0.4:
            return b""
        return NEW % (b"x" * chance.choice([1, 100, len(self.before) + 100]))

    def left(self) -> list[str]:
        """The names of what an update left behind."""
        return [path.name for path in self.directory.iterdir() if ".new" not in path.name]


def close(state: State) -> None:
    """Let go of a state directory (a session's end does that)."""
    if state._fd >= 0:
        os.close(state._fd)
