"""What an update keeps of a mailbox behind the first deleted message, read as one stream; and the checksum of the result.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: nobody; the file may end early.
"""

from zlib import crc32

from ...shared.limits import PARSE_OCTETS
from ..mailbox import Refused
from .plan import Plan

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..mailbox.file import MboxFile


class KeptStream:
    """The octets that go to offset `done` and behind it, in their order."""

    def __init__(self, file: "MboxFile", plan: Plan, done: int) -> None:
        self._file = file
        self._plan = plan
        self._offset = plan.source(done)  # of the next window
        self._rest = memoryview(b"")

    def read(self, count: int) -> bytes:
        """The next `count` octets, fewer at the end. Raises OSError, and Refused if the file has become shorter."""
        blocks = []
        while count and (self._rest or self._offset < self._plan.size):
            if not self._rest:
                window = self._file.read(min(PARSE_OCTETS, self._plan.size - self._offset), self._offset)
                if not window:
                    raise Refused("the mailbox ended early")
                self._rest = memoryview(b"".join(self._plan.kept_parts(window, self._offset)))
                self._offset += len(window)
            blocks.append(self._rest[:count])
            self._rest = self._rest[count:]
            count -= len(blocks[-1])
        return bytes(blocks[0]) if len(blocks) == 1 else b"".join(blocks)


def result_check(file: "MboxFile", plan: Plan, done: int, data: bytes, count: int) -> int:
    """A CRC-32 of the first `count` octets that will be behind `plan.start` when the update is done.

    Up to `done` they are in the file already; then come `data`, and what is still to be moved. Raises as KeptStream.read.
    """
    check = 0
    offset = plan.start
    stream = KeptStream(file, plan, done + len(data))
    while count:
        most = min(count, PARSE_OCTETS)
        if offset < done:
            block = file.read(min(most, done - offset), offset)
        elif data:
            block, data = data[:most], data[most:]
        else:
            block = stream.read(most)
        if not block:
            raise Refused("the mailbox ended early")
        check = crc32(block, check)
        offset += len(block)
        count -= len(block)
    return check
