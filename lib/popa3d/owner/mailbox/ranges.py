"""A range of the mailbox file, read block by block: parsed, or summed up.

Runs as: the mailbox owner.
Trusts: nobody.
"""

from zlib import crc32

from ...shared.limits import PARSE_OCTETS
from ..index.index import Index
from ..index.parser import Parser, Truncated, Unreadable
from . import Refused, Unfinished
from .file import MboxFile


def parse_range(file: MboxFile, parser: Parser, start: int, end: int) -> Index:
    """The index that the parser makes of the octets from `start` to `end`. Raises Refused, Unfinished or OSError."""
    offset = start
    try:
        while offset < end:
            block = file.read(min(PARSE_OCTETS, end - offset), offset)
            if not block:
                raise Unfinished("became shorter while it was read")
            parser.feed(block)
            offset += len(block)
        return parser.finish()
    except Unreadable as failure:
        raise Refused(failure.reason, failure.fault, failure.offset) from None
    except Truncated as failure:
        raise Unfinished(failure.reason, failure.fault, failure.offset) from None


def range_checksum(file: MboxFile, start: int, end: int, check: int) -> int:
    """The CRC-32 of the octets from `start` to `end`, or to the file's end, added to `check`. Raises OSError."""
    offset = start
    while offset < end and (block := file.read(min(PARSE_OCTETS, end - offset), offset)):
        check = crc32(block, check)
        offset += len(block)
    return check
