"""The steps of an update: octets move towards the start of the file, and the journal says how far all is done.

A step either moves octets into room whose content is not needed any more (it was deleted, or has been moved), or its octets
are in the journal. So a step that was interrupted can be done again. docs/UPDATE.md has the whole, with pictures and the reason
for each sync.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: a plan of the mailbox as it is now.
"""

import posix as os  # as os, without its start-up time
from zlib import crc32

from ...shared.limits import PARSE_OCTETS
from ..mailbox import Refused
from . import full_disk
from .journal import try_to_drop
from .kept_stream import KeptStream
from .plan import STAMP_OCTETS, Plan
from .records import REST_OCTETS, Record

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..mailbox.file import MboxFile
    from .journal import Journal


class Update:
    """An update of a mailbox, which `plan` describes. Before the offset `done` the file has its final content."""

    def __init__(self, file: "MboxFile", plan: Plan) -> None:
        self.file = file
        self.plan = plan

    def finish(self, journal: "Journal", done: int, data: bytes) -> None:
        """Do all steps from `done` on, shorten the file, and drop the journal. Raises OSError or Refused.

        The journal's newest record is of `done`, and has `data` for the next step.
        """
        plan = self.plan
        while True:
            done = self._move(done, data)
            size = self.file.status().st_size
            if done == plan.final_size and size == plan.size:
                self._write_stamp(journal, done)
                size = self.file.status().st_size
                if size == plan.size:
                    break
            self.file.sync()  # the next record claims that all this is on the disk, with what was delivered just now
            if size < plan.size:
                raise Refused("the mailbox became shorter")
            if size > plan.size:  # somebody delivers in spite of the lock: that is kept, too
                plan.extend(size)
            journal.write(self.record(done))
            data = full_disk.write_data(self, journal, done)
        self.file.shorten(done)
        try_to_drop(journal.state)

    def record(self, done: int, data: bytes = b"", stamp: bytes = b"") -> Record:
        """The record for `done`. Raises OSError."""
        rest_check = self.rest_check(done, len(data), stamp != b"")
        return Record(done, data, stamp, self.plan.size, rest_check)

    def rest_check(self, done: int, data_length: int, is_stamped: bool) -> int:
        """A CRC-32 of the end of the file that the step from `done` on does not change: REST_OCTETS at most. Raises OSError."""
        writes_at_done = data_length or is_stamped
        unchanged = done + data_length + STAMP_OCTETS if writes_at_done else self.plan.source(done)
        start = max(unchanged, self.plan.size - REST_OCTETS)
        return crc32(self.file.read(max(0, self.plan.size - start), start))

    def data_for_step(self, done: int, data_octets: int) -> bytes:
        """What must be in the journal before it is moved to `done`: at most `data_octets`; nothing if there is room enough.

        Raises OSError or Refused.
        """
        room = self.plan.source(done) - done - STAMP_OCTETS
        if room >= min(self.plan.final_size - done, data_octets // 4):
            return b""
        return KeptStream(self.file, self.plan, done).read(data_octets)

    def _move(self, done: int, data: bytes) -> int:
        """One step: write `data` to `done`, or if there are none, as many octets as there is room for. The new `done`."""
        if data:
            self.file.write(data, done)
            return done + len(data)
        stream = KeptStream(self.file, self.plan, done)
        end = min(self.plan.final_size, self.plan.source(done) - STAMP_OCTETS)
        while done < end:
            block = stream.read(min(PARSE_OCTETS, end - done))
            self.file.write(block, done)
            done += len(block)
        return done

    def _write_stamp(self, journal: "Journal", done: int) -> None:
        """Mark the end of the result before the file is shortened there.

        If the file is shortened and grows again, it may be as long as before. Recovery must not take it for one that was not
        shortened yet: the stamp tells them apart, as no mail can begin with it.
        """
        stamp = b"\xff" + os.urandom(min(STAMP_OCTETS, self.plan.size - done) - 2) + b"\xff"
        self.file.write(stamp, done)
        self.file.sync()
        journal.write(self.record(done, stamp=stamp))
