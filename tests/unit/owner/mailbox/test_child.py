"""Work in a child: both results, or none and the caller does it all; no child and no descriptor stays behind."""

from __future__ import annotations

import subprocess

import pytest

from tests.host import CHECKOUT

# In an interpreter of its own: a session has one thread, and so may fork.
PROGRAM = """
import os, sys
sys.path.insert(0, sys.argv[1])
from popa3d.owner.mailbox import child

child.os.sched_getaffinity = lambda _: set(range(PROCESSORS))
descriptors = os.listdir("/proc/self/fd")
CODE
assert os.listdir("/proc/self/fd") == descriptors
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    pass
else:
    raise AssertionError("a child is left")
"""
BOTH = """
import os
own = os.getpid()
large = memoryview(b"x" * 3_000_000)
result = child.run_with_child(os.getpid, lambda: [b"%d " % os.getpid(), large], lambda read: read(4_000_000))
number, _, rest = result[1].partition(b" ")
assert result[0] == own != int(number) and rest == large
"""
FAILS = """
def fails():
    yield b"some"
    raise MemoryError
assert child.run_with_child(lambda: 1, fails, lambda read: read(10)) == (1, b"some")
"""
OWN_FAILS = """
try:
    child.run_with_child(lambda: 1 // 0, lambda: [bytes(10_000_000)], lambda read: read(1))
except ZeroDivisionError:
    pass
else:
    raise AssertionError
"""
NOT_READ = """
assert child.run_with_child(lambda: 1, lambda: [bytes(10_000_000)], lambda read: read(1)) == (1, b"\\0")
"""
NONE = """
assert child.run_with_child(lambda: 1, lambda: [b"x"], lambda read: read(1)) is None
"""
NO_FORK = (
    """
def refuse():
    raise BlockingIOError
child.os.fork = refuse
"""
    + NONE
)
NO_PIPE = (
    """
def refuse():
    raise OSError
child.os.pipe = refuse
"""
    + NONE
)


def run(code: str, processors: int = 2) -> None:
    """Run the code with `child` imported, on a machine that has so many processors."""
    program = PROGRAM.replace("CODE", code).replace("PROCESSORS", str(processors))
    command = ["/usr/bin/python3", "-IBS", "-c", program, str(CHECKOUT / "lib")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_both() -> None:
    """Each part runs in a process of its own, and more than a pipe holds comes through."""
    run(BOTH)


@pytest.mark.parametrize("code", [FAILS, NOT_READ, OWN_FAILS], ids=["the child fails", "it is not read", "this process fails"])
def test_failures(code: str) -> None:
    """The octets of a child that fails end early; one that writes for nobody ends; exceptions here are raised."""
    run(code)


@pytest.mark.parametrize("code", [NO_FORK, NO_PIPE], ids=["no process", "no pipe"])
def test_no_child(code: str) -> None:
    """Without resources there is no child, and none is needed."""
    run(code)


def test_one_processor() -> None:
    """On one processor a child would only take time."""
    run(NONE, 1)
