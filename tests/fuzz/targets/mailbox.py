"""What is in a mailbox: its messages, however it is read, and what other servers left in their headers."""

from __future__ import annotations

import random
import re
from itertools import pairwise

from popa3d.owner.index.index import Index
from popa3d.owner.index.parser import NoMailbox, Parser
from popa3d.owner.moving import servers
from popa3d.owner.moving.header_fields import header_of
from popa3d.owner.pop3.sending import Sender
from popa3d.shared import uidl_list
from popa3d.shared.migration_limits import UNIQUE_ID_OCTETS
from tests.fuzz.engine import Target
from tests.fuzz.targets.conversation import divided
from tests.golden.cases import Case
from tests.unit.owner import plain

_FIRST = re.compile(rb"(?:\r?\n)*From [^\n]*\r\n")
_MOST_MESSAGES = 1000
_SINGLY = 200  # octets of a mailbox that are fed one by one
_HEADERS = 16

Rows = list[tuple[int, bytes, int, str]]


def parsed(mailbox: bytes, pieces: list[bytes]) -> Index | None:
    """The index, or None if it is no mailbox."""
    parser = Parser(_MOST_MESSAGES)
    try:
        for piece in pieces:
            parser.feed(piece)
        return parser.finish()
    except NoMailbox as failure:
        assert 0 <= failure.offset <= len(mailbox) and failure.reason
        return None


def rows(mailbox: bytes, index: Index) -> Rows:
    """What the index says of each message: its start, content, size when sent and unique-id."""
    ids = [index.ids[i : i + 8].hex() for i in range(0, len(index.ids), 8)]
    contents = [mailbox[start:end] for start, end in zip(index.content, index.end, strict=True)]
    return list(zip(index.start, contents, index.octets, ids, strict=True))


def check_mbox(mailbox: bytes) -> None:
    """A mailbox is what its plain definition, which is C popa3d's, says: whole, split anywhere, from any message on, or grown."""
    messages = plain.messages(mailbox, b"\r\n" if _FIRST.match(mailbox) else b"\n")
    expected = None if messages is None else [message[:4] for message in messages]
    index = None
    octets = [mailbox[i : i + 1] for i in range(min(len(mailbox), _SINGLY))]
    for pieces in ([mailbox], divided(mailbox), [*octets, mailbox[_SINGLY:]]):
        index = parsed(mailbox, pieces)
        assert (None if index is None else rows(mailbox, index)) == expected
    if index is None or messages is None:
        return
    assert index.size == len(mailbox) and len(index) <= _MOST_MESSAGES
    for message in messages:
        sender = Sender()
        sent = b"".join(map(sender.encode, divided(message.content))) + sender.finish()
        assert sent == plain.sent(message.content) and len(sent) - _dots(sent) == message.octets
    if len(index):
        _check_grown(mailbox, index)


def _dots(sent: bytes) -> int:
    """How many were added: STAT and LIST count each message without them."""
    return (b"\r\n" + sent).count(b"\r\n..")


def _check_grown(mailbox: bytes, whole: Index) -> None:
    """Claim that it is the same if a part was known, and the rest came later; and if it is begun at a message (halves.py)."""
    chance = random.Random(mailbox)
    cut = chance.randrange(len(mailbox))
    known = parsed(mailbox[:cut], [mailbox[:cut]])
    # Whether the first message is hidden is known from its header's first 64 KiB; less than INDEX_OCTETS is never known.
    is_told = known is not None and known.hidden == whole.hidden
    if known is not None and len(known) and is_told:
        last = known.start[len(known) - 1]
        parser = Parser(_MOST_MESSAGES)
        parser.resume(known, 0)
        parser.feed(mailbox[last:])
        assert rows(mailbox, parser.finish()) == rows(mailbox, whole)
    if not whole.crlf:
        number = chance.randrange(len(whole))
        parser = Parser(_MOST_MESSAGES)
        parser.begin_at(whole.start[number])
        for piece in divided(mailbox[whole.start[number] :]):
            parser.feed(piece)
        # As the first message of a file it might be hidden, and is then not in the index; here it is not the first.
        assert rows(mailbox, parser.finish()) == rows(mailbox, whole)[number:]


def check_old_ids(text: bytes) -> None:
    """Unique-ids that other servers left are such as RFC 1939 allows, one a message or none, and numbers only grow."""
    messages = text.split(b"\0", _HEADERS)
    for crlf in (False, True):
        headers = [header_of(message, crlf) for message in messages]
        assert all(message.startswith(header) for message, header in zip(messages, headers, strict=True))
        for name, reader in servers.SERVERS.items():
            for hidden, others in ((b"", headers), (headers[0], headers[1:])):
                found = reader(hidden, iter(others))
                assert len(found.ids) == len(others)
                assert all(0 <= number < len(others) and reason for number, reason in found.faults)
                for old in filter(None, found.ids):
                    assert len(old) <= UNIQUE_ID_OCTETS and all(0x21 <= octet < 0x7F for octet in old)
                if name != "qpopper":
                    part = slice(0, 8) if name == "dovecot" else slice(8, 16)
                    numbers = [int(old[part], 16) for old in found.ids if old]
                    assert all(before < after for before, after in pairwise([0, *numbers]))
                    first = next((i for i, old in enumerate(found.ids) if not old and others), len(found.ids))
                    later = [old for old in found.ids[max(first, 1) :] if old]
                    assert not later or (name == "dovecot" and first == 0)


def check_list(text: bytes) -> None:
    """A list of unique-ids is taken as a server sends it or refused, and never leads to more messages than it has lines."""
    try:
        ids, octets = uidl_list.parse(text)
    except uidl_list.Malformed as malformed:
        assert malformed.reason
        return
    assert 0 < len(ids) <= text.count(b"\n") + 1 and len(octets) in (0, len(ids))
    for old in ids:
        assert 0 < len(old) <= UNIQUE_ID_OCTETS and all(0x21 <= octet < 0x7F for octet in old)
    written = b"".join(b"%d %s\r\n" % (i, word) for part in (ids, octets) for i, word in enumerate(_words(part), 1))
    assert uidl_list.parse(b"+OK\r\n" + written + b".\r\n") == (ids, octets)


def _words(part: list[bytes] | list[int]) -> list[bytes]:
    return [b"%d" % word if isinstance(word, int) else word for word in part]


_METADATA = (
    b"From MAILER-DAEMON\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1704067200 0000000003\n\ntext\n\n"
)
_MBOX = (
    b"From a@b\nDate: 1\nReceived: x\n\tfolded\n\nbody\n\nFrom c@d\nMessage-ID: <2>\nStatus: RO\n\n.dots\n\n\nFrom e\nX: y\n\n\n"
)
_OLD_IDS = b"X-IMAPbase: 1798692240 0000000009\nX-UID: 1\n\nx\0X-UID: 2\n\0X-UID: 5\n\0X-UIDL: aaaaaaaaaaaaaaa\n\0X: y\n"
_LIST = b"+OK\r\n1 aaaa\r\n2 bbbb\r\n.\r\n+OK\r\n1 120\r\n2 30\r\n.\r\n"
_FIELDS = b"Date:|Message-ID:|Received:|Delivered-To:|X-Delivery-ID:|x-delivery-id:|Status: RO|X-UID: 1|Subject: y|X-IMAP: 1 2"
_PIECES = b"From |\n\nFrom a\n|\r\n\r\nFrom b\r\n|\n|\r\n|\n\n|\r|\t|\n folded|F|From|."
TARGETS = (
    Target(
        "mbox",
        check_mbox,
        (_MBOX, _MBOX.replace(b"\n", b"\r\n"), _METADATA + _MBOX, b"\r\n\n" + _MBOX, *(Case(i).mailbox[:800] for i in range(8))),
        (*_FIELDS.split(b"|"), *_PIECES.split(b"|"), _METADATA),
        3000,
    ),
    Target(
        "old-ids",
        check_old_ids,
        (_OLD_IDS, _OLD_IDS.replace(b"\n", b"\r\n"), b"X-UIDL: aaaaaaaaaaaaaaa\n\0X-UIDL: bbbbbbbbbbbbbbbbb\nX-UIDL: c"),
        (b"X-IMAPbase: ", b"X-IMAP: ", b"X-UID: ", b"X-UIDL: ", b"\n", b"\0", b" ", b"\n\t", b"1", b"2", b"00000"),
    ),
    Target(
        "list", check_list, (_LIST, b"1 a\n2 b\n", b"1 1\n2 2\n1 3\n2 4\n"), (b"1 ", b"2 ", b"3 ", b"\n", b".\r\n", b"+OK", b"\t")
    ),
)
