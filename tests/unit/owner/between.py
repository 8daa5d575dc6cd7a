"""The system's calls, with something that happens behind one of them: what others may do between two calls of ours."""

from __future__ import annotations

import os
import posix
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock


class System:
    """posix, with a call behind some of its own: `after` has names and what happens once, when that one has returned."""

    def __init__(self, **after: Callable[[], object]) -> None:
        self._after = after
        self.opened: list[int] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(posix, name)
        if name not in self._after:
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return real(*arguments, **named)
            finally:
                self._after.pop(name, lambda: None)()

        return call

    def open(self, path: bytes, flags: int, *mode: int) -> int:
        """open(2), but where it would wait for ever."""
        if not flags & os.O_EXCL and os.path.lexists(path) and stat.S_ISFIFO(os.lstat(path).st_mode):
            assert flags & os.O_NONBLOCK, "it would wait for a FIFO's other end"
        fd = posix.open(path, flags, *mode)
        self.opened.append(fd)
        return fd


def calling(module: ModuleType, system: System) -> Any:
    """Let the module call that system."""
    return mock.patch.object(module, "os", system)


def instead(path: Path, make: Callable[[Path], object]) -> Callable[[], None]:
    """Something that takes the place of what has that path."""

    def act() -> None:
        path.unlink()
        make(path)

    return act
