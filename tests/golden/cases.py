"""Random mailboxes and command scripts, made from a seed: the same everywhere, for ever.

They keep clear of what docs/DIFFERENCES.md lists as different from C popa3d, and of nothing else.
"""

from __future__ import annotations

import random
import re

from tests.unit.owner import plain

NAMES = (
    b"Received received RECEIVED Date date DATE Message-ID message-id Message-Id Delivered-To delivered-to X-Delivery-ID "
    b"x-delivery-id X-DELIVERY-ID Subject To Dat X-Deliver X Received-SPF From"
).split()
C_BLOCK = 65536  # C popa3d reads this much at once and takes lines apart at its ends


class Case:
    """One mailbox and one script of commands for it, from a seed. Some lines of the mailbox end in CRLF: see `without_crlf`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.mailbox = self._mailbox()
        self.commands = self._commands()

    def _word(self) -> bytes:
        kind = self.random.random()
        if kind < 0.3:
            return b""
        if kind < 0.8:
            return bytes(self.random.choice(b"abc .\tFrom") for _ in range(self.random.randint(0, 50)))
        return self.random.randbytes(self.random.randint(0, 40)).replace(b"\n", b"")

    def _field(self) -> bytes:
        kind = self.random.random()
        if kind < 0.7:
            folded = b"".join(
                self.random.choice([b" ", b"\t"]) + self._word() + b"\n" for _ in range(self.random.choice([0, 0, 0, 1, 2]))
            )
            return self.random.choice(NAMES) + self.random.choice([b":", b":", b":", b" :", b""]) + self._word() + b"\n" + folded
        return self.random.choice([b"\r\n", b"From " + self._word() + b"\n", self._word() + b"\n"])

    def _body_line(self) -> bytes:
        start = self.random.choice([b"", b"", b"", b"From ", b".", b"\r", b"x" * self.random.choice([1, 30, 200])])
        return (start + self._word() if self.random.random() < 0.7 else b"") + b"\n"

    def message(self) -> bytes:
        """One message with its "From " line."""
        first = b"".join(self._field() for _ in range(self.random.randint(0, 6)))
        if first.startswith(b"From "):
            first = b"To: x\n" + first
        parts = [b"From ", self._word().rstrip(b"\r"), b"\n", first]
        if self.random.random() < 0.93 or not first:
            parts += [b"\n"] + [self._body_line() for _ in range(self.random.randint(0, 8))]
        return b"".join(parts) + self.random.choice([b"\n", b"\n", b"\n", b"", b"\n\n"])

    def _mailbox(self) -> bytes:
        messages = b"".join(self.message() for _ in range(self.random.randint(0, 7)))
        if self.random.random() < 0.3:  # put an end of C's blocks somewhere into them
            start = b"From filler\nSubject: filler\n\n"
            size = C_BLOCK * self.random.randint(1, 2) - self.random.randint(0, len(messages) + 40) - len(start) - 2
            messages = start + b"x" * size + b"\n\n" + messages
        return (
            self.random.choice([b"junk", b" From x", b"from x", b"From"]) + messages if self.random.random() < 0.02 else messages
        )

    def _number(self) -> bytes:
        return self.random.choice(
            [
                b"%d" % self.random.randint(-1, 8),
                b"%d" % self.random.randint(1, 4),
                b"+1",
                b"01",
                b"0x1",
                b"1x",
                b"\t2",
                b"2147483648",
            ]
            + [b"4294967297", b"1" * 39, b"1" * 41, b"0" * 38 + b"1", b"", b" ", b"\xff", b"1\0"]
        )

    def _command(self) -> bytes:
        keyword = self.random.choice(
            b"STAT LIST UIDL RETR TOP DELE RSET LAST NOOP LIST UIDL RETR TOP DELE XTND USER PASS".split()
        )
        if self.random.random() < 0.1:
            keyword = bytes(self.random.choice([c, c | 0x20]) for c in keyword)
        words = [keyword]
        if keyword.upper() in (b"RETR", b"TOP", b"DELE") or self.random.random() < 0.3:
            words.append(b"%d" % self.random.randint(1, 6) if self.random.random() < 0.7 else self._number())
        if keyword.upper() == b"TOP" or self.random.random() < 0.05:
            words.append(b"%d" % self.random.randint(0, 5) if self.random.random() < 0.8 else self._number())
        line = b" ".join(words) + self.random.choice([b"", b"", b"", b"", b"", b"", b" ", b"  ", b"\t", b"x" * 200])
        return line + self.random.choice([b"\r\n", b"\r\n", b"\n"])

    def _commands(self) -> bytes:
        lines = [self._command() for _ in range(self.random.randint(1, 25))]
        return b"".join(lines) + (b"QUIT\r\n" if self.random.random() < 0.8 else b"")


def comparable(replies: bytes, mailbox: bytes = b"") -> bytes:
    """A session's replies without the words for people: the status, the numbers and the messages stay.

    But not the unique-ids of messages of the mailbox for which C popa3d has none of their own.
    """
    seen = {plain.NOTHING}
    for number, message in enumerate(plain.messages(mailbox) or [], 1):
        if message.c_unique_id in seen:
            replies = re.sub(rb"(?m)^((?:\+OK )?%d )[0-9a-f]{16}\r$" % number, rb"\1\r", replies)
        seen.add(message.c_unique_id)
    lines = replies.splitlines(keepends=True)
    return b"".join(b"-ERR\r\n" if line.startswith(b"-ERR") else b"+OK\r\n" if i == 0 else line for i, line in enumerate(lines))


def without_crlf(mailbox: bytes) -> bytes:
    """The mailbox without CRs at the ends of lines, which C popa3d sends as they are."""
    return re.sub(rb"\r+\n", b"\n", mailbox)


def archive(count: int) -> bytes:
    """A mailbox as a mailing list's archive has it: relayed, threaded, quoted; one message in thirty is a random one."""
    seeded = random.Random(count)
    found = []
    for i in range(count):
        odd = without_crlf(Case(i).message())
        if i % 30 == 29 and odd.endswith(b"\n\n") and b"\n\nFrom " not in odd:
            found.append(odd)
            continue
        hops = b"".join(
            b"Received: from mx%d.example.net (mx%d.example.net [192.0.2.%d])\n"
            b"\tby lists.example.org (Postfix) with ESMTP id %X\n"
            b"\tfor <list@example.org>; Mon,  5 Jan 2026 10:%02d:00 +0000 (UTC)\n" % (n, n, n, seeded.getrandbits(40), i % 60)
            for n in range(seeded.randint(0, 4))
        )
        lines = [b"> quoted %d" % n if n % 3 else seeded.randbytes(30).hex().encode() for n in range(seeded.randint(0, 60))]
        found.append(
            b"From user%d@example.org Mon Jan  5 10:00:00 2026\nReturn-Path: <user%d@example.org>\n%s" % (i % 500, i % 500, hops)
            + seeded.choice([b"", b"Delivered-To: list@example.org\n", b"X-Delivery-ID: %d\n" % i])
            + b"Date: Mon, 5 Jan 2026 10:00:%02d +0000\nFrom: User <user%d@example.org>\n" % (i % 60, i % 500)
            + b"Subject: Re: number %d\nMessage-ID: <%d.%x@example.org>\n\n" % (i // 7, i, seeded.getrandbits(60))
            + b"\n".join(lines)
            + b"\n\n"
        )
    return b"".join(found)
