"""The mailbox file is read as a whole: to make its index, or to compare it with one.

Runs as: the mailbox owner, with the mailbox locked.
Trusts: nobody.
"""

from ...shared.limits import COPY_OCTETS, PARSE_OCTETS, SCAN_BOTH_OCTETS
from ..index import FROM
from ..index.index import Index
from ..index.parser import Parser
from .file import MboxFile
from .ranges import parse_range, range_checksum

_COMPARED = 128 * 1024  # messages whose unique-ids are compared here; copies.py has a way to compare more
_EMPTY_LINE_OCTETS = len(b"\n\r\n")  # with the LF before it, the longest one

# What follows the messages of an index in the file: at most empty lines; another message; or other text, which belongs to the
# last message, or is a "From " line that is still being written.
NOTHING, NEXT_MESSAGE, OTHER_TEXT = range(3)


def build_index(file: MboxFile, size: int, max_messages: int) -> Index:
    """The index of the first `size` octets. Raises Refused, also for too many messages, or OSError."""
    index = _parse(file, Parser(max_messages), 0, size, max_messages)
    if index is None:
        index = parse_range(file, Parser(max_messages), 0, size)
    return _with_unique_ids(file, index, {})


def extend_index(file: MboxFile, size: int, max_messages: int, known: Index) -> Index | None:
    """The same, where `known` is the index of the first part, and is emptied. Only what follows is parsed, and its last message.

    Returns None if the file does not begin with what `known` was made of, or a process that parsed a part has failed.
    Raises Refused or OSError.
    """
    last = known.start[len(known) - 1]
    check = checksum(file, 0, last)
    if checksum(file, last, known.size, check) != known.check:
        return None
    digests = {}
    if known.copy_digests:
        from ..index.copies import known_digests

        digests = known_digests(known, len(known) - 1)
    parser = Parser(max_messages)
    parser.resume(known, check)
    if known.crlf:  # it could not be divided
        index: Index | None = parse_range(file, parser, last, size)
    else:
        index = _parse(file, parser, last, size, max_messages)
    return None if index is None else _with_unique_ids(file, index, digests)


def _parse(file: MboxFile, parser: Parser, start: int, size: int, max_messages: int) -> Index | None:
    """As ranges.parse_range, by two processes if there is much. Returns None if it must be done anew, by a new parser."""
    if size - start >= SCAN_BOTH_OCTETS:
        from . import halves  # for large mailboxes

        middle = halves.find_middle(file, start, size)
        if middle:
            return halves.parse_halves(file, parser, start, middle, size, max_messages)
    return parse_range(file, parser, start, size)


def checksum(file: MboxFile, start: int, end: int, check: int = 0) -> int:
    """The CRC-32 of the octets from `start` to `end`, added to `check`; another number if the file ends before."""
    if end - start >= SCAN_BOTH_OCTETS:
        from . import halves  # loaded by `build_index` or kept_index.load: a session never loads it later

        both = halves.checksum_halves(file, start, end, check)
        if both is not None:
            return both
    return range_checksum(file, start, end, check)


def what_follows(file: MboxFile, index: Index) -> int:
    """What follows the messages of the index: NOTHING, NEXT_MESSAGE or OTHER_TEXT. Raises OSError."""
    offset = max(0, index.size - _EMPTY_LINE_OCTETS)
    before = file.read(index.size - offset, offset)
    offset = index.size
    text = b""
    while not text and (block := file.read(PARSE_OCTETS, offset)):
        text = block.lstrip(b"\r\n")
        before = (before + block)[: len(before) + len(block) - len(text)][-_EMPTY_LINE_OCTETS:]
        offset += len(block)
    if not text:
        return NOTHING
    if len(text) < len(FROM):
        text += file.read(len(FROM), offset)
    is_first = not (len(index) or index.hidden)
    after_empty_line = before.endswith(b"\n\n") or (index.crlf and before.endswith(b"\n\r\n"))
    return NEXT_MESSAGE if (is_first or after_empty_line) and text.startswith(FROM) else OTHER_TEXT


def _with_unique_ids(file: MboxFile, index: Index, digests: dict[int, bytes]) -> Index:
    """The index, with unique-ids that are all different. digests: copies.content_digest of some messages."""
    if digests or len(index) > _COMPARED or len(set(memoryview(index.ids).cast("Q"))) < len(index):
        from ..index import copies  # few mailboxes have any

        def content_digest(number: int) -> bytes:
            start, octets = index.content[number], index.end[number] - index.content[number]
            return copies.content_digest(file.read(min(COPY_OCTETS, octets), start), octets, index.crlf)

        copies.make_unique(index, digests, content_digest)
    return index
