"""A disk that loses power: what UPDATE and recovery do to their files, call by call, and what may be left of it.

The calls are recorded at the lowest level there is, the functions of `os` that the owner's modules call, while these work on
real files. Then every prefix of the calls is a moment at which the machine can stop. What was synced by then is on the disk;
of the rest any part can be, torn anywhere.
"""

from __future__ import annotations

import contextlib
import copy
import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from popa3d.owner.mailbox import file, state_directory
from popa3d.owner.update import file_journal

_FIRST = 1  # the number of the first file in the state directory


class Call(NamedTuple):
    """One call that changes a disk, or makes it durable. `file`: a number, 0 for the mailbox, -1 for the state directory."""

    what: str  # write, cut, sync, link, rename, unlink
    file: int
    place: int = 0
    data: bytes = b""
    name: str = ""
    new: str = ""

    def __str__(self) -> str:
        file = {0: "the mailbox", -1: "the state directory"}.get(self.file, f"file {self.file}")
        return {
            "write": f"write {file}, {self.place} to {self.place + len(self.data)}",
            "cut": f"cut {file} to {self.place}",
            "sync": f"sync {file}",
            "link": f"create {self.name}, {file}",
            "rename": f"rename {self.name} to {self.new}",
            "unlink": f"unlink {self.name}",
        }[self.what]


class Recorder:
    """Stands for `os` in the modules that write: does what is asked for, and notes it.

    fail: called before each call that changes something, with its number, and may raise OSError. short: writes take at most
    that many octets. meanwhile: called after each.
    """

    def __init__(self, fail: Callable[[int, Call], None] | None = None, short: int = 0) -> None:
        self.calls: list[Call] = []
        self.meanwhile: Callable[[int], None] = lambda number: None
        self._fail = fail
        self._short = short
        self._files: dict[int, int] = {}  # inode -> number

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def __str__(self) -> str:
        """The calls, numbered from 1."""
        return f"{len(self.calls)} calls" + "".join(f"\n    {number}. {call}" for number, call in enumerate(self.calls, 1))

    def number(self, fd: int) -> int:
        """The number of an open file."""
        status = os.fstat(fd)
        return -1 if stat.S_ISDIR(status.st_mode) else self._files[status.st_ino]

    def know(self, mailbox: Path, directory: Path) -> None:
        """Number the files that are there."""
        self._files = {path.stat().st_ino: number for number, path in enumerate(sorted(directory.iterdir()), _FIRST)}
        self._files[mailbox.stat().st_ino] = 0

    def _note(self, call: Call) -> None:
        if self._fail is not None:
            self._fail(len(self.calls), call)
        self.calls.append(call)

    def _done(self) -> None:
        self.meanwhile(len(self.calls))

    def pwrite(self, fd: int, data: bytes | memoryview, place: int) -> int:
        octets = bytes(data)[: self._short or None]
        self._note(Call("write", self.number(fd), place, octets))
        done = os.pwrite(fd, octets, place)
        self._done()
        return done

    def ftruncate(self, fd: int, size: int) -> None:
        self._note(Call("cut", self.number(fd), size))
        os.ftruncate(fd, size)
        self._done()

    def fsync(self, fd: int) -> None:
        self._note(Call("sync", self.number(fd)))
        self._done()

    fdatasync = fsync

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if not flags & os.O_CREAT:
            return os.open(path, flags, mode, dir_fd=dir_fd)
        call = Call("link", 0, name=os.fsdecode(path))
        if self._fail is not None:
            self._fail(len(self.calls), call)
        fd = os.open(path, flags, mode, dir_fd=dir_fd)
        # A number of its own, whatever inode it got: a name may have been removed from that one.
        self._files[os.fstat(fd).st_ino] = number = 1 + max([_FIRST + 1000, *self._files.values()])
        self.calls.append(call._replace(file=number))
        self._done()
        return fd

    def rename(self, old: bytes, new: bytes, **places: int) -> None:
        self._note(Call("rename", -1, name=os.fsdecode(old), new=os.fsdecode(new)))
        os.rename(old, new, **places)
        self._done()

    def unlink(self, name: bytes, *, dir_fd: int) -> None:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)  # a name that is not there changes nothing
        self._note(Call("unlink", -1, name=os.fsdecode(name)))
        os.unlink(name, dir_fd=dir_fd)
        self._done()


@contextlib.contextmanager
def recorded(recorder: Recorder) -> Iterator[Recorder]:
    """Let the owner's modules call `recorder` in the place of `os`."""
    modules = (file, file_journal, state_directory)
    for module in modules:
        module.os = recorder  # type: ignore[attr-defined]
    try:
        yield recorder
    finally:
        for module in modules:
            module.os = os  # type: ignore[attr-defined]


class Disk:
    """The mailbox and the state directory: what is durable, and what is not yet."""

    def __init__(self, mailbox: bytes, names: dict[str, bytes]) -> None:
        self.files: dict[int, bytes] = {0: mailbox}
        self.names: dict[str, int] = {}
        for number, (name, content) in enumerate(sorted(names.items()), _FIRST):
            self.files[number] = content
            self.names[name] = number
        self._pending: list[Call] = []

    def do(self, call: Call) -> None:
        """What `call` does."""
        if call.what != "sync":
            self._pending.append(call)
            return
        mine = [c for c in self._pending if _belongs(c, call.file)]
        self._pending = [c for c in self._pending if not _belongs(c, call.file)]
        for c in mine:
            self._apply(c)

    def _apply(self, call: Call) -> None:
        old = self.files.get(call.file, b"")
        if call.what == "write":
            old = old.ljust(call.place, b"\0")
            self.files[call.file] = old[: call.place] + call.data + old[call.place + len(call.data) :]
        elif call.what == "cut":
            self.files[call.file] = old[: call.place].ljust(call.place, b"\0")
        elif call.what == "link":
            self.names[call.name] = call.file
        elif call.what == "unlink":
            self.names.pop(call.name, None)
        elif call.what == "rename" and call.name in self.names:
            self.names[call.new] = self.names.pop(call.name)

    def numbered_anew(self) -> Disk:
        """The same with the numbers that a new recorder gives the files, in the order of their names as they show now."""
        seen = copy.deepcopy(self)
        seen.killed()
        new = {number: i for i, (_, number) in enumerate(sorted(seen.names.items()), _FIRST)}
        for number in self.files.keys() | set(self.names.values()) | {call.file for call in self._pending if call.file > 0}:
            new.setdefault(number, number if number == 0 else number + 10_000)  # nothing shows it any more
        found = Disk(self.files[0], {})
        found.files = {new[number]: content for number, content in self.files.items()}
        found.names = {name: new[number] for name, number in self.names.items()}
        found._pending = [call if call.file < 0 else call._replace(file=new[call.file]) for call in self._pending]
        return found

    def waits(self, file: int) -> bool:
        """Whether something of a file is not durable yet."""
        return any(_belongs(call, file) for call in self._pending)

    def killed(self) -> None:
        """The process dies, the machine goes on: all that was written is there."""
        for call in self._pending:
            self._apply(call)
        self._pending = []

    def lose_power(self, chance: random.Random) -> list[Call]:
        """Only what was synced is there, and any part of the rest. Which calls are not there as they were made."""
        style = chance.choice(["none", "one", "all but one", "some", "torn", "torn"])
        pick = chance.randrange(len(self._pending)) if self._pending else 0
        lost = []
        for i, call in enumerate(self._pending):
            if style == "none" or (style == "one" and i != pick) or (style == "all but one" and i == pick):
                lost.append(call)
                continue
            if style in ("some", "torn") and chance.random() < 0.5:
                lost.append(call)
                if call.what == "write" and chance.random() < 0.3:  # the size came through, the octets did not
                    old = self.files.get(call.file, b"")
                    self.files[call.file] = old.ljust(min(call.place + len(call.data), 1 << 24), b"\0")
                continue
            if style == "torn" and call.what == "write":
                lost.append(call)
                step = chance.choice([1, 7, 64, 512, 512, 4096])
                for at in range(0, len(call.data), step):
                    if chance.random() < 0.5:
                        self._apply(call._replace(place=call.place + at, data=call.data[at : at + step]))
                continue
            self._apply(call)
        self._pending = []
        return lost

    def put(self, mailbox: Path, directory: Path) -> None:
        """Make the real files what is on this disk. The mailbox keeps its inode."""
        with open(mailbox, "r+b") as file:
            file.truncate(0)
            file.write(self.files[0])
        for path in directory.iterdir():
            path.unlink()
        for name, number in self.names.items():
            path = directory / name
            path.write_bytes(self.files.get(number, b""))
            path.chmod(0o600)


def _belongs(call: Call, file: int) -> bool:
    """Whether a sync of `file` makes `call` durable."""
    return call.what in ("link", "rename", "unlink") if file == -1 else call.file == file and call.what in ("write", "cut")
