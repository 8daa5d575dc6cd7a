"""What popa3d-migrate has the mailbox owner's program do, with the mailbox locked: take the map of old unique-ids, or remove it.

What there is to say goes to descriptor 1, in lines, which popa3d-migrate prints.

Runs as: the mailbox owner.
Trusts: root's record, and the list on descriptor 0 if there is to be one; nothing in the mailbox.
"""

import posix as os  # as os, without its start-up time

from ..shared import Failure, record, uidl_list
from ..shared.migration_limits import FAULT, FAULTS, HEADER_OCTETS, LIST_OCTETS, REPORT_OCTETS, RESULT
from .index.id_map import doubles, make_map
from .loading import load, open_file
from .mailbox import InUse, Refused, kept_map
from .mailbox.file import MboxFile
from .mailbox.state_directory import State
from .moving import listing
from .moving.header_fields import header_of
from .moving.servers import SERVERS

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .mailbox.maildrop import Maildrop
    from .moving.servers import OldIds


class _Report:
    """What is said. status: the exit status, 1 if something that was to be kept is not."""

    def __init__(self) -> None:
        self.status = 0
        self._lines: list[str] = []

    def say(self, line: str) -> None:
        """One line more, about what is done."""
        self._lines.append(f"{RESULT}{line}")

    def fail(self, line: str) -> None:
        """One line more, about what is not done."""
        self.status = 1
        self._lines.append(f"{FAULT}{line}")

    def text(self) -> bytes:
        """All lines, at most REPORT_OCTETS."""
        return "".join(f"{line}\n" for line in self._lines).encode("ascii", "replace")[:REPORT_OCTETS]


def migrate(handover: record.Handover) -> int:
    """Do what the record asks for, and report it. Returns the exit status: 1 if something that was to be kept is not."""
    report = _Report()
    try:
        state = State(handover.state, handover.owner, handover.path)
        if state.is_missing:
            raise Refused("there is no state directory to keep a map in")
        file = open_file(handover)
        try:
            if handover.migration == record.UNDO:
                _undo(file, state, handover.dry_run, report)
            else:
                _take(file, state, handover, report)
        finally:
            file.close()
    except OSError as error:
        report.fail(error.strerror or "")
    except Failure as failure:
        report.fail(failure.reason)
    os.write(1, report.text())
    return report.status


def _undo(file: MboxFile, state: State, dry_run: bool, report: _Report) -> None:
    """Remove the map. Raises Refused or OSError."""
    if not file.absent:
        file.lock(exclusive=not file.read_only)
    state.has_journal()
    if not state.has_id_map:
        report.say("there is no map of unique-ids")
    elif dry_run:
        report.say("the map of unique-ids would be removed")
    else:
        kept_map.drop(state)
        report.say("the map of unique-ids is removed")


def _take(file: MboxFile, state: State, handover: record.Handover, report: _Report) -> None:
    """Make the map, unless there is one. Raises Failure or OSError."""
    maildrop = load(file, state, handover.max_messages, handover.max_octets)
    if maildrop.shown_ids is not None:
        report.say("there is a map of unique-ids already; --undo removes it")
        return
    if not len(maildrop.index):
        report.say("there are no messages")
        return
    file.lock(exclusive=False)
    if state.has_journal() or state.has_id_map or not maildrop.is_untouched():
        raise InUse("the mailbox changes; try again when nobody uses it")
    found = _found(maildrop, handover)
    _refuse_doubles(maildrop.index.ids, found)
    id_map = make_map(maildrop.index.ids, found.ids)
    if id_map.count() and not handover.dry_run:
        kept_map.save(file, state, id_map)
    _summarize(found, len(maildrop.index), id_map.count(), handover.dry_run, report)


def _found(maildrop: "Maildrop", handover: record.Handover) -> "OldIds":
    """The old unique-ids. Raises Failure or OSError."""
    index = maildrop.index
    if handover.migration == record.FROM_LIST:
        ids, octets = uidl_list.parse(_given())
        return listing.compare(ids, octets, index.octets, _headers(maildrop))
    hidden = b""
    if index.hidden:
        hidden = header_of(maildrop.file.read(HEADER_OCTETS, index.hidden), index.crlf)
    return SERVERS[handover.migration](hidden, _headers(maildrop))


def _headers(maildrop: "Maildrop") -> "Iterator[bytes]":
    """The header of each message. Raises Failure (the mailbox has changed) or OSError."""
    for i in range(len(maildrop.index)):
        yield header_of(maildrop.content(i), maildrop.index.crlf)


def _given() -> bytes:
    """What root gave on descriptor 0."""
    data = b""
    while len(data) < LIST_OCTETS and (more := os.read(0, LIST_OCTETS - len(data))):
        data += more
    return data


def _refuse_doubles(ids: bytes, found: "OldIds") -> None:
    """Take out what would give two messages one unique-id."""
    for number in sorted(doubles(ids, found.ids)):
        found.faults.append((number, f"another message has its unique-id, {found.ids[number].decode('ascii')}"))
        found.ids[number] = b""


def _summarize(found: "OldIds", messages: int, kept: int, dry_run: bool, report: _Report) -> None:
    new = messages - kept - len(found.faults)
    would = "would keep" if dry_run else "keep"
    report.say(f"{kept} of {messages} messages {would} their unique-ids, {new} had none")
    for number, reason in sorted(found.faults)[:FAULTS]:
        report.fail(f"message {number + 1}: {reason}")
    if len(found.faults) > FAULTS:
        report.fail(f"and {len(found.faults) - FAULTS} messages more")
