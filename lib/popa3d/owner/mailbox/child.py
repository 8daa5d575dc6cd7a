"""Work that is divided between this process and a child, which hands its result over through a pipe and ends.

Runs as: the mailbox owner.
Trusts: the child to be of this program, but not to succeed: it may be killed, or run out of memory.
"""

import posix as os  # as os, without its start-up time

_READ_OCTETS = 1024 * 1024

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn, TypeVar

    Own = TypeVar("Own")
    Childs = TypeVar("Childs")
    Read = Callable[[int], bytes]


def run_with_child(
    own: "Callable[[], Own]", childs: "Callable[[], Iterable[bytes | memoryview]]", receive: "Callable[[Read], Childs]"
) -> "tuple[Own, Childs] | None":
    """Run `childs` in a child process, and `own` in this one. Returns (own(), receive(read)), where `read` reads from the child.

    read: returns the next octets, as many as it is asked for; fewer if the child has failed or has no more. Returns None if
    there is only one processor, or no child can be had. Raises what `own` and `receive` raise.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return None
    try:
        reading, writing = os.pipe()
    except OSError:
        return None
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None
    if not pid:
        os.close(reading)  # otherwise it never sees that the parent does not read any more
        _be_the_child(childs, writing)
    os.close(writing)
    try:
        return own(), receive(lambda octets: _read(reading, octets))
    finally:
        os.close(reading)  # a child that has more to write ends
        os.waitpid(pid, 0)


def _be_the_child(childs: "Callable[[], Iterable[bytes | memoryview]]", writing: int) -> "NoReturn":
    status = 1
    try:
        for block in childs():
            left = memoryview(block).cast("B")
            while left:
                left = left[os.write(writing, left) :]
        status = 0
    finally:
        os._exit(status)  # also when an exception is raised: the parent sees that octets are missing


def _read(reading: int, octets: int) -> bytes:
    data = bytearray()
    while len(data) < octets and (block := os.read(reading, min(octets - len(data), _READ_OCTETS))):
        data += block
    return bytes(data)
