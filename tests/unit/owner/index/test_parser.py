"""The parser against the plain definition, on random mailboxes in random blocks."""

from __future__ import annotations

import random
import re
import tracemalloc
from itertools import pairwise

import pytest

from popa3d.owner.index import parser as parser_module
from popa3d.owner.index.parser import Parser, Truncated, Unreadable
from popa3d.owner.index.unique_id import MessageDigest
from popa3d.shared.limits import HEADER_LINE_OCTETS
from tests.golden.cases import Case
from tests.unit.owner import plain


def parsed(mailbox: bytes, cuts: list[int]) -> list[tuple[int, bytes, int, str]] | None:
    """What Parser makes of a mailbox, fed in blocks that end at `cuts`."""
    parser = Parser(100_000)
    try:
        for start, end in pairwise([0, *cuts, len(mailbox)]):
            parser.feed(mailbox[start:end])
        index = parser.finish()
    except (Truncated, Unreadable):
        return None
    assert index.size == len(mailbox)
    found = zip(index.start, index.content, index.end, index.octets, range(len(index)), strict=True)
    return [(s, mailbox[c:e], o, index.ids[8 * i : 8 * i + 8].hex()) for s, c, e, o, i in found]


def facts(messages: list[plain.Message] | None) -> list[tuple[int, bytes, int, str]] | None:
    """The same of the plain definition."""
    return None if messages is None else [message[:4] for message in messages]


FIRST = re.compile(rb"(?:\r?\n)*From [^\n]*\r\n")


def every_way(mailbox: bytes) -> None:
    """Compare for the whole at once, octet by octet, and a few random splits."""
    expected = facts(plain.messages(mailbox, b"\r\n" if FIRST.match(mailbox) else b"\n"))
    seeded = random.Random(len(mailbox))
    splits = [[], list(range(1, len(mailbox)))] if len(mailbox) < 5000 else [[]]
    for _ in range(4):
        splits.append(sorted(seeded.randrange(len(mailbox) + 1) for _ in range(seeded.randint(1, 6))))
    for cuts in splits:
        assert parsed(mailbox, cuts) == expected, (mailbox, cuts)


@pytest.mark.parametrize("part", range(4))
def test_random_mailboxes(part: int) -> None:
    """Messages, sizes and unique-ids are those of the plain definition, however the file is split into blocks."""
    for seed in range(part * 300, (part + 1) * 300):
        mailbox = random.Random(-seed).choice((b"", b"", b"\n", b"\r\n", b"\n\r\n", b"\r\n\n\n", b"\r")) + Case(seed).mailbox
        every_way(mailbox)
        every_way(mailbox[: random.Random(seed).randrange(len(mailbox) + 1)])


@pytest.mark.parametrize("part", range(2))
def test_crlf_mailboxes(part: int) -> None:
    """A mailbox whose first line ends in CRLF is read with CRLF line ends; some lines may still end in a bare LF."""
    for seed in range(2000 + part * 200, 2000 + (part + 1) * 200):
        seeded = random.Random(seed)
        lines = Case(seed).mailbox.replace(b"\r", b"").split(b"\n")
        ends = [b"\r\n" if i == 0 or seeded.random() < 0.9 else b"\n" for i in range(len(lines))]
        mailbox = b"".join(line + end for line, end in zip(lines[:-1], ends, strict=False)) + lines[-1]
        if not mailbox.startswith(b"From "):
            continue
        every_way(mailbox)


PIECES = (
    b"From |From |From a\n|From b\r\n|\n|\n|\r\n|\r|\n\n|\n\nFrom |\r\n\r\nFrom c\r\n|\n\r\nFrom |x|x\n|x\r\n| |\t| y\n|\ty\r\n"
    b"|F|From|Date:|Date:1\n|Date:\n|date:\r\n|Message-ID:2\n|Received:3\n|Received:\n x\n|Delivered-To:4\n|X-Delivery-ID:5\n"
    b"|x-delivery-id:6\n|MESSAGE-ID:\r\n|Status: RO\n|X-UID: 1\r\n|Subject: y\n| folded\n|y" + b"z" * 40
).split(b"|")


@pytest.mark.parametrize("part", range(4))
def test_pieces(part: int) -> None:
    """So it is with anything that is put together of the format's pieces, whether it makes sense or not."""
    for seed in range(part * 400, (part + 1) * 400):
        seeded = random.Random(seed)
        some = seeded.sample(PIECES, seeded.randint(2, len(PIECES)))
        start = seeded.choice((b"", b"\n", b"\r\n", b"\r\n\n")) + seeded.choice((b"From a\n", b"From a\r\n", b""))
        every_way(start + b"".join(seeded.choices(some, k=seeded.randint(1, 200))))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("part", range(3))
def test_many_short_messages(part: int, end: bytes) -> None:
    """So it is with hundreds of short messages, which are taken all at once, and what is odd between them."""
    for seed in range(part * 60, (part + 1) * 60):
        seeded = random.Random(seed)
        kinds = []
        for _ in range(seeded.randint(1, 12)):
            fields = b"".join(seeded.choices(PIECES, k=seeded.randint(0, 4))).replace(b"From", b"from").strip(b"\r\n")
            body = b"".join(seeded.choices(PIECES, k=seeded.randint(0, 4)))
            kinds.append(b"From " + seeded.choice((b"", b"a")) + end + fields + seeded.choice((end, b"\n", end + end)) + body)
        many = [seeded.choice(kinds) + seeded.choice((end * 2, end * 2, end * 2, end, b"\n\n")) for _ in range(400)]
        mailbox = b"From a" + end + b"X" + end * 2 + b"".join(many)
        every_way(mailbox)
        every_way(mailbox[: seeded.randrange(len(mailbox))])


@pytest.mark.parametrize(
    "mailbox",
    [
        b"",
        b"\n",
        b"\r\n\n",
        b"\nFrom x\nA: b\n",
        b"\r\n\nFrom x\nA: b\n\n\n\n",
        b"\r",
        b"\rFrom x\nA: b\n",
        b"F",
        b"From",
        b"From ",
    ]
    + [b"From x", b"From x\n", b"From x\nF", b"From x\nFrom", b"From x\nFrom ", b"From x\nFrom y\nA: b\n", b"From x\n\n"]
    + [b"From x\n\nFrom y\nA: b", b"From x\n\n\nFrom y\nA: b", b"From x\nA: b\n\nc\n\nFrom ", b"x\n\nFrom x\nA: b\n", b"\n x"]
    + [b"From x\nA: b\n\nc", b"From x\nA: b\n\nc\n", b"From x\nA: b\n\nc\n\n", b"From x\nA: b\n\nc\n\n\n", b"From x\nA: b\n\n\n"]
    + [b"\r\nFrom a\nx\n", b"\n\r\nFrom a\nx\n", b"\r\nFrom a\nFrom b\nx\n"]
    + [b"From x\n" + b"\0" * 40 + b"\n\n\0\n", b"From x\nA: b\n\n\r\nFrom y\nA: b\n\n"],
)
def test_odd_mailboxes(mailbox: bytes) -> None:
    """Borders of the format."""
    every_way(mailbox)


METADATA = (
    b"From MAILER-DAEMON Mon Jan  1 00:00:00 2024\nDate: 01 Jan 2024 00:00:00 +0000\nFrom: Mail System <MAILER-DAEMON@h>\n"
    b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1704067200 0000000003\nStatus: RO\n\n"
    b"This text is part of the internal format of your mail folder.\n\n"
)
MAIL = b"From a\nDate: 1\n\na\n\nFrom b\nDate: 2\n\nb\n\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_metadata(end: bytes) -> None:
    """What c-client and Dovecot keep as a mailbox's first message is no message: only there, and only what has all the signs."""
    signs: list[tuple[bytes, bytes]] = [(b"X-IMAP:", b"x-imapbase:"), (b"Subject: ", b"SUBJECT:"), (b"Status: RO\n", b"")]
    signs.append((b"Status:", b"X-A: " + b"y" * 70_000 + b"\nStatus:"))
    others = [
        (b"X-IMAP:", b"X-IMA:"),
        (b"DON'T", b"Don't"),
        (b"INTERNAL DATA", b"INTERNAL DATA."),
        (b"Subject:", b"Subject: Re:"),
    ]
    others += [(b"X-IMAP:", b" X-IMAP:"), (b"\nSubject", b"\nSubject: x\nSubject"), (b"\nX-IMAP", b"\n\nX-IMAP")]
    others.append((b"Subject", b"X-A: " + b"y" * 70_000 + b"\nSubject"))
    for before, after in [*signs, *others]:
        one = METADATA.replace(before, after)
        for mailbox in (one, one + MAIL, b"\n" + one + MAIL, MAIL + one, one * 2 + MAIL, one * 30 + MAIL):
            every_way(mailbox.replace(b"\n", end))
        expected = plain.messages(one + MAIL)
        assert expected is not None and len(expected) == 2 + ((before, after) in others)
        for place in range(20, len(one + MAIL)) if len(one) < 1000 else range(65_000, 71_000, 511):
            assert parsed(one + MAIL, [place]) == facts(expected)


def test_long_lines() -> None:
    """Lines too long to hold give the same index: in a header (folded, counted or not), a "From " line or a body."""
    long = b"y" * (3 * HEADER_LINE_OCTETS)
    for field in (b"Received: ", b"Subject: ", b" ", b"DATE:", b"X-Delivery-ID:", b"x-delivery-id:", b"Delivered-To:"):
        for before in (b"", b"Date: 1\n", b"Received: 1\n"):
            mailbox = (
                b"From " + long + b"\n" + before + field + long + b"\n folded\nDate: 2\n\n" + long + b"\n\nFrom z\nTo: y\n\n"
            )
            expected = facts(plain.messages(mailbox))
            for size in (1000, 65536, 100_000, 10**6):
                assert parsed(mailbox, list(range(size, len(mailbox), size))) == expected


def test_memory_is_bounded() -> None:
    """A header line, a body line and a "From " line of 50 MB each take no more memory than some blocks."""
    block = b"z" * 65536
    tracemalloc.start()
    parser = Parser(10)
    for start in (b"From ", b"\nReceived: ", b"\n\n"):
        parser.feed(start)
        for _ in range(800):
            parser.feed(block)
    index = parser.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(index) == 1
    assert peak < 10 * len(block)


def test_too_many_messages() -> None:
    """One message more than allowed refuses the mailbox; exactly as many do not."""
    mailbox = b"From x\nA: b\n\n" * 5
    parser = Parser(5)
    parser.feed(mailbox)
    assert len(parser.finish()) == 5
    with pytest.raises(Unreadable, match="has more than 4 messages"):
        Parser(4).feed(mailbox)


@pytest.mark.parametrize(
    ("mailbox", "reason"),
    [
        (b"x", 'does not start with "From "'),
        (b"\n x", 'does not start with "From "'),
        (b"From x\nFrom y\nA: b\n", "has a message without content"),
        (b"From x\nA: b\n\nFrom y\nFrom ", "has a message without content"),
    ],
)
def test_unreadable(mailbox: bytes, reason: str) -> None:
    """What no more octets can make a mailbox is refused as soon as it is seen."""
    with pytest.raises(Unreadable) as raised:
        Parser(10).feed(mailbox)
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("mailbox", "reason"),
    [
        (b"Fro", 'does not start with "From "'),
        (b"\nF", 'does not start with "From "'),
        (b"\r", 'does not start with "From "'),
        (b"From ", "has a message without content"),
        (b"From x\nA: b\n\nFrom y\n", "has a message without content"),
    ],
)
def test_truncated(mailbox: bytes, reason: str) -> None:
    """What more octets could make a mailbox is refused only where it ends, and as something else."""
    parser = Parser(10)
    parser.feed(mailbox)
    with pytest.raises(Truncated) as raised:
        parser.finish()
    assert raised.value.reason == reason


@pytest.mark.parametrize("octets", [3000, 5000])
def test_a_cut_message_waits(octets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that a block cuts is noted as a whole when the next block is here, unless it is as long as half a block.

    Only for the others, the file's first one, and what its last block has, a digest is made part by part.
    """
    made = 0

    def counted(kept_octets: int = 0) -> MessageDigest:
        nonlocal made
        made += 1
        return MessageDigest(kept_octets)

    monkeypatch.setattr(parser_module, "MessageDigest", counted)
    mailbox = b"".join(b"From a\nReceived: %d\n\n" % i + b"x" * octets + b"\n\n" for i in range(100))
    parser = Parser(1000)
    for offset in range(0, len(mailbox), 8000):
        parser.feed(mailbox[offset : offset + 8000])
    assert len(parser.finish()) == 100
    assert (made <= 3) == (octets < 4000)
