"""A large mailbox, or a large part of one, in two halves: two processes read them at the same time, if there are two processors.

A "From " line after an empty one starts a message, whatever was before, so the file can be divided there. If the second process
fails in any way, the caller reads all of the file itself.

Runs as: the mailbox owner, with the mailbox locked.
Trusts: nobody.
"""

from ...shared.limits import PARSE_OCTETS
from ..index import LF_SEPARATOR
from ..index.crc import combined
from ..index.index import COLUMNS, EMPTY_COLUMN, Index
from ..index.packing import packed, unpacked
from ..index.parser import Parser
from .child import run_with_child
from .file import MboxFile
from .ranges import parse_range, range_checksum

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable

_CHECK_OCTETS = 4
_SEARCH_OCTETS = 4 * 1024 * 1024  # if the message in the middle is longer, the file is not divided


def find_middle(file: MboxFile, start: int, size: int) -> int:
    """Where to divide the octets from `start` to `size`: where a message starts; 0 if that is nowhere near the middle."""
    return _find_message(file, (start + size) // 2, size)


def parse_halves(file: MboxFile, parser: Parser, start: int, middle: int, size: int, max_messages: int) -> Index | None:
    """The same as ranges.parse_range of the octets from `start` to `size`; another process parses those from `middle` on.

    Returns None if it has failed, or they cannot be divided after all; the parser has been used then. Only LF mailboxes are
    divided. The unique-ids are those that the digests give. Raises Refused or OSError.
    """

    def second_half() -> "Iterable[bytes | memoryview]":
        second_parser = Parser(max_messages)
        second_parser.begin_at(middle)
        return packed(parse_range(file, second_parser, middle, size))

    halves = run_with_child(
        lambda: parse_range(file, parser, start, middle), second_half, lambda read: unpacked(read, max_messages)
    )
    if halves is None:
        return parse_range(file, parser, start, size)
    first, second = halves
    if second is None or second.size != size or not len(first) or first.crlf or len(first) + len(second) > max_messages:
        return None
    return _joined(first, second, middle)


def checksum_halves(file: MboxFile, start: int, end: int, check: int) -> int | None:
    """The same as ranges.range_checksum; None if two processes cannot do it. Raises OSError."""
    middle = (start + end) // 2
    checks = run_with_child(
        lambda: range_checksum(file, start, middle, check),
        lambda: [range_checksum(file, middle, end, 0).to_bytes(_CHECK_OCTETS, "big")],
        lambda read: read(_CHECK_OCTETS),
    )
    if checks is None or len(checks[1]) < _CHECK_OCTETS:
        return None
    return combined(checks[0], int.from_bytes(checks[1], "big"), end - middle)


def _find_message(file: MboxFile, start: int, size: int) -> int:
    """Where the first message after `start` starts; 0 if there is none nearby."""
    offset = start
    while offset < min(size, start + _SEARCH_OCTETS):
        block = file.read(PARSE_OCTETS + len(LF_SEPARATOR), offset)
        separator = block.find(LF_SEPARATOR)
        if separator >= 0:
            return offset + separator + 2
        offset += PARSE_OCTETS
    return 0


def _joined(first: Index, second: Index, middle: int) -> Index:
    """The index of both halves; they are emptied, column by column, so that the whole is not in memory twice."""
    index = Index()
    for name in COLUMNS:
        setattr(index, name, memoryview(b"".join((getattr(first, name), getattr(second, name)))).cast("q"))
        setattr(first, name, EMPTY_COLUMN)
        setattr(second, name, EMPTY_COLUMN)
    index.ids = first.ids + second.ids
    index.size = second.size
    index.hidden = first.hidden
    index.check = combined(first.check, second.check, second.size - middle)
    return index
