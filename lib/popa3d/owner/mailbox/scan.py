"""A mailbox file becomes an index, or is compared with one: block by block, and a large one on two processors.

The second half is read by a process of its own, which is forked, tells what it found through a pipe, and ends. A line
"From " behind an empty one starts a message whatever was before it, so the file can be divided there. If anything is odd
about the second process, this one does it all.

Runs as: the mailbox owner, with the mailbox locked.
Trusts: nobody.
"""

import posix as os  # as os, without its start-up time
from zlib import crc32

from ...shared.limits import COPY_OCTETS, PARSE_OCTETS, SCAN_BOTH_OCTETS
from ..index.index import COLUMNS, NONE, Index, decode
from ..index.parser import Parser
from .file import MboxFile, Refused, Unfinished

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    T = TypeVar("T")
    U = TypeVar("U")
    Take = Callable[[int], bytes]

_CHECK_OCTETS = 4
_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_COMPARED = 128 * 1024  # messages that are compared here; see copies.py for more
_SEARCH_OCTETS = 4 * 1024 * 1024  # a message that is longer than this in the middle: then one process does it all


def scan(file: MboxFile, size: int, most: int) -> Index:
    """The index of the first `size` octets of the file. Raises Refused, also for more than `most` messages, or OSError."""
    middle = _border(file, size // 2, size) if size >= SCAN_BOTH_OCTETS else 0
    if middle:
        index = _halves(file, middle, size, most)
        if index is not None:
            return _distinct(file, index)
    return _distinct(file, _part(file, Parser(most), 0, size))


def scan_rest(file: MboxFile, size: int, most: int, known: Index) -> Index | None:
    """The same, where `known` is the index of a part; None if the file does not begin with what that was made of."""
    last = known.start[len(known) - 1]
    check = checked(file, 0, last)
    if checked(file, last, known.size, check) != known.check:
        return None
    parser = Parser(most)
    contents = {}
    if known.contents:
        from ..index.copies import known as known_contents

        contents = known_contents(known, len(known) - 1)
    parser.go_on(known, check)
    return _distinct(file, _part(file, parser, last, size), contents)


def _distinct(file: MboxFile, index: Index, contents: "dict[int, bytes] | None" = None) -> Index:
    """The same with unique-ids that are all different."""
    if contents or len(index) > _COMPARED or len(set(memoryview(index.ids).cast("Q"))) < len(index):
        from ..index import copies  # few mailboxes have any

        def content(number: int) -> bytes:
            start, octets = index.content[number], index.end[number] - index.content[number]
            return copies.digest(file.read(min(COPY_OCTETS, octets), start), octets, index.crlf)

        copies.resolve(index, contents or {}, content)
    return index


def checked(file: MboxFile, place: int, end: int, check: int = 0) -> int:
    """The CRC-32 of the octets from `place` to `end`, behind `check`; another if the file ends before."""
    if end - place >= SCAN_BOTH_OCTETS:
        middle = (place + end) // 2
        both = _beside(
            lambda: _checked(file, place, middle, check),
            lambda: [_checked(file, middle, end, 0).to_bytes(_CHECK_OCTETS, "big")],
            lambda take: take(_CHECK_OCTETS),
        )
        if both is not None and len(both[1]) == _CHECK_OCTETS:
            return _joined(both[0], int.from_bytes(both[1], "big"), end - middle)
    return _checked(file, place, end, check)


def _checked(file: MboxFile, place: int, end: int, check: int) -> int:
    while place < end and (block := file.read(min(PARSE_OCTETS, end - place), place)):
        check = crc32(block, check)
        place += len(block)
    return check


def next_begins(file: MboxFile, index: Index) -> bool | None:
    """Whether another message begins behind those of the index; None if there are but empty lines, or nothing.

    False: what is there belongs to the last one; or it is a line "From " that is not there as a whole.
    """
    place = max(0, index.size - len(b"\n\r\n"))
    before = file.read(index.size - place, place)
    place = index.size
    text = b""
    while not text and (block := file.read(PARSE_OCTETS, place)):
        text = block.lstrip(b"\r\n")
        before = (before + block)[: len(before) + len(block) - len(text)][-len(b"\n\r\n") :]
        place += len(block)
    if not text:
        return None
    if len(text) < len(b"From "):
        text += file.read(len(b"From "), place)
    is_behind = before.endswith(b"\n\n") or (index.crlf and before.endswith(b"\n\r\n")) or not (len(index) or index.hidden)
    return is_behind and text.startswith(b"From ")


def _part(file: MboxFile, parser: Parser, place: int, end: int) -> Index:
    while place < end and not parser.refused:
        block = file.read(min(PARSE_OCTETS, end - place), place)
        if not block:
            raise Unfinished("became shorter while it was read")
        parser.feed(block)
        place += len(block)
    if parser.refused:
        raise Refused(parser.refused)
    parser.finish()
    if parser.refused:
        raise Unfinished(parser.refused)
    return parser.index


def _border(file: MboxFile, place: int, size: int) -> int:
    """Where a message starts behind `place`; 0 if none does soon."""
    end = min(size, place + _SEARCH_OCTETS)
    separator = b"\n\nFrom "
    while place < end:
        block = file.read(PARSE_OCTETS + len(separator), place)
        found = block.find(separator)
        if found >= 0:
            return place + found + 2
        place += PARSE_OCTETS
    return 0


def _halves(file: MboxFile, middle: int, size: int, most: int) -> Index | None:
    """The index, made by two processes; None if that cannot be, or if the lines end in CRLF."""

    def second_part() -> "Iterable[bytes | memoryview]":
        parser = Parser(most)
        parser.begin_at(middle)
        return _part(file, parser, middle, size).parts()

    both = _beside(lambda: _part(file, Parser(most), 0, middle), second_part, lambda take: decode(take, most))
    if both is None:
        return None
    first, second = both
    if second is None or second.size != size or not len(first) or first.crlf or len(first) + len(second) > most:
        return None
    index = Index()
    for name in COLUMNS:
        setattr(index, name, memoryview(b"".join((getattr(first, name), getattr(second, name)))).cast("q"))
        setattr(first, name, NONE)  # one of the two is enough
        setattr(second, name, NONE)
    index.ids = first.ids + second.ids
    index.size = size
    index.hidden = first.hidden
    index.check = _joined(first.check, second.check, size - middle)
    return index


def _beside(
    here: "Callable[[], T]", there: "Callable[[], Iterable[bytes | memoryview]]", heard: "Callable[[Take], U]"
) -> "tuple[T, U] | None":
    """What `here` returns, and what `heard` makes of what `there` returns in a process of its own. None without such a process.

    heard: is given what gives so many octets, or fewer at their end: for instance if that process fails.
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
        _tell(there, writing)
    os.close(writing)
    try:
        return here(), heard(lambda octets: _taken(reading, octets))
    finally:
        os.close(reading)  # it ends if it has more to say
        os.waitpid(pid, 0)


def _tell(there: "Callable[[], Iterable[bytes | memoryview]]", writing: int) -> None:
    """The second process: write what it finds to the pipe, end."""
    status = 1
    try:
        for part in there():
            left = memoryview(part).cast("B")
            while left:
                left = left[os.write(writing, left) :]
        status = 0
    finally:
        os._exit(status)


def _taken(pipe: int, octets: int) -> bytes:
    found = bytearray()
    while len(found) < octets and (block := os.read(pipe, min(octets - len(found), 1 << 20))):
        found += block
    return bytes(found)


def _joined(one: int, other: int, octets: int) -> int:
    """The CRC-32 of two parts, the second of which has `octets`; zlib's crc32_combine, which Python does not show.

    A CRC is what is left of a polynomial over GF(2): an octet of zeros behind the first part multiplies it by x^8.
    """
    power, shift = _ONE, _ONE >> 8
    while octets:
        if octets & 1:
            power = _times(power, shift)
        shift = _times(shift, shift)
        octets >>= 1
    return _times(power, one) ^ other


def _times(a: int, b: int) -> int:
    """The product of two polynomials, modulo the CRC's. The highest bit is x^0, the one below it x^1, and so on."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product
