"""What a client sends: lines, commands, numbers, SASL, and both states' machines."""

from __future__ import annotations

import atexit
import base64
import binascii
import ctypes
import functools
import random
import re
import tempfile
from itertools import pairwise
from pathlib import Path

from popa3d.owner.pop3 import transaction
from popa3d.owner.pop3.transaction import Transaction
from popa3d.preauth import authorization, sasl
from popa3d.preauth.authorization import Authorization
from popa3d.shared import commands, record
from popa3d.shared.capabilities import Offer
from popa3d.shared.limits import (
    ARGUMENT_OCTETS,
    AUTH_LINE_OCTETS,
    INVALID_COMMANDS,
    LINE_OCTETS,
    LOGIN_LINES,
    NAME_OCTETS,
    NUMBER_MAX,
    PASSWORD_OCTETS,
)
from popa3d.shared.lines import Lines
from tests.fuzz.engine import Target
from tests.unit.owner import plain
from tests.unit.owner.pop3.maildrops import Served
from tests.unit.splits import pieces, talk

_LIBC = ctypes.CDLL(None)
_LIBC.strtol.restype = ctypes.c_long
_REPLY_OCTETS = 512 + 2  # RFC 1939 section 3; the replies before a login are all of one line, or CAPA's
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def divided(data: bytes) -> list[bytes]:
    """The octets in some pieces, the same each time."""
    chance = random.Random(data)
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(6)))
    return [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


def check_lines(stream: bytes) -> None:
    """However a stream is split its lines are those of the whole, cut where they are too long; memory is bounded."""
    whole = stream.split(b"\n")
    for split in (divided(stream), [stream]):
        lines = Lines()
        taken = []
        for piece in split:
            lines.feed(piece)
            while (line := lines.take()) is not None:
                taken.append(line)
            assert len(lines.ahead()) <= AUTH_LINE_OCTETS + 2
        expected = [line.removesuffix(b"\r") for line in whole[:-1]]
        assert len(taken) == len(expected)
        for line, complete in zip(taken, expected, strict=True):
            assert line == complete if len(complete) <= AUTH_LINE_OCTETS else complete.startswith(line[:AUTH_LINE_OCTETS])
            assert (len(line) > AUTH_LINE_OCTETS) == (len(complete) > AUTH_LINE_OCTETS) and len(line) <= AUTH_LINE_OCTETS + 2
        assert lines.ahead() == whole[-1][: AUTH_LINE_OCTETS + 2]


def check_commands(line: bytes) -> None:
    """A command's words are those of its line, within their bounds; numbers are those of strtol(3), as in C popa3d."""
    command = commands.parse(line)
    if command is None:
        keyword = line.partition(b" ")[0].upper()
        longest = NAME_OCTETS if keyword == b"USER" else ARGUMENT_OCTETS
        words = line.removesuffix(b" ").split(b" ")
        may_be_long = keyword in (b"PASS", b"AUTH")
        is_bad = b"" in words or any(len(word) > longest for word in words[1:])
        assert not keyword or b"\0" in line or commands.is_too_long(line) or (is_bad and not may_be_long)
        return
    assert b"\0" not in line and len(line) <= (AUTH_LINE_OCTETS if command.keyword == b"AUTH" else LINE_OCTETS)
    assert command.keyword == command.keyword.upper() and b" " not in command.keyword
    again = b" ".join([command.keyword, *command.arguments])
    keyword, blank, rest = line.partition(b" ")
    assert again == keyword.upper() + blank + rest or again + b" " == keyword.upper() + blank + rest
    if command.keyword in (b"PASS", b"AUTH"):
        assert command.arguments == ([rest] if rest else [])
        return
    for word in command.arguments:
        assert b" " not in word and 0 < len(word) <= (NAME_OCTETS if command.keyword == b"USER" else ARGUMENT_OCTETS)
        end = ctypes.c_char_p()
        value = _LIBC.strtol(ctypes.c_char_p(word), ctypes.byref(end), 10)
        is_number = end.value == b"" and 0 <= value <= NUMBER_MAX
        assert b"\n" in word or commands.parse_number(word) == (value if is_number else None)


def check_sasl(text: bytes) -> None:
    """BASE64 is decoded if it is that of RFC 4648 to the bit, and PLAIN's three parts make its message again."""
    octets = sasl.decode(text)
    if octets is None:
        assert not _BASE64.fullmatch(text) or base64.b64encode(base64.b64decode(text)) != text
    else:
        assert _BASE64.fullmatch(text) and base64.b64encode(octets) == text
    for message in (text, octets or b""):
        assert sasl.decode(base64.b64encode(message)) == message
        parts = sasl.plain(message)
        if parts is None:
            assert message.count(b"\0") != 2 or b"" in message.split(b"\0")[1:]
        else:
            assert b"\0".join(parts) == message and parts[1] and parts[2]


def check_authorization(stream: bytes) -> None:
    """The machine says the same however a stream is split, ends in time, and gives root only what root's check takes."""
    offer = Offer(stls=len(stream) % 2 == 1, tls=len(stream) % 3 == 1, logins=len(stream) % 5 != 1)
    outcomes = []
    for split in (*pieces(stream), divided(stream)):
        machine = Authorization(offer)
        said = 0

        def receive(line: bytes, machine: Authorization = machine) -> tuple[bytes, str]:
            nonlocal said
            said += 1
            assert said <= LOGIN_LINES + 1
            reply, event = machine.receive(line)
            assert len(reply) <= _REPLY_OCTETS and reply[:1] in (b"+", b"-", b"")
            assert reply or event in (authorization.LOGIN, authorization.START_TLS)
            assert reply.endswith(b"\r\n") or not reply
            return reply, event

        replies, event, ahead = talk(receive, authorization.GO_ON, split)
        outcomes.append((replies, event, machine.user, machine.password))
        if event == authorization.LOGIN:
            assert offer.logins
            decoded = record.decode_login(record.Login(machine.user, machine.password, b"").encode())
            assert decoded is not None and (decoded.user, decoded.password) == (machine.user, machine.password)
            assert stream.endswith(ahead)
        assert event != authorization.START_TLS or (offer.stls and not offer.tls)
        assert replies.count(b"-ERR") <= INVALID_COMMANDS + 1
        assert len(machine.user) <= NAME_OCTETS and len(machine.password) <= PASSWORD_OCTETS
    assert all(outcome == outcomes[0] for outcome in outcomes)


@functools.cache
def _served() -> Served:
    """A mailbox with three messages."""
    place = tempfile.TemporaryDirectory(prefix="popa3d-fuzz-")
    atexit.register(place.cleanup)
    return Served(Path(place.name))


def check_transaction(stream: bytes) -> None:
    """Every command has one reply, which is the same however a stream is split, and announces exactly what it sends."""
    served = _served()
    outcomes = []
    for split in (*pieces(stream[:400]), divided(stream[:400])):
        machine = served.machine()
        lines = 0

        def receive(line: bytes, machine: Transaction = machine) -> tuple[bytes, str]:
            nonlocal lines
            lines += 1
            blocks, event = machine.receive(line)
            reply = b"".join(blocks)
            assert reply.startswith((b"+OK", b"-ERR")) == (event == transaction.GO_ON)
            assert reply.endswith(b"\r\n") or not reply
            command = commands.parse(line)
            if command is not None and command.keyword == b"RETR" and reply.startswith(b"+OK"):
                i = (commands.parse_number(command.arguments[0]) or 0) - 1
                assert reply.partition(b"\r\n")[2] == plain.sent(served.messages[i].content) + b".\r\n"
            return reply, event

        replies, event, ahead = talk(receive, transaction.GO_ON, split)
        assert len(machine.deleted) == 3 and machine.left == machine.deleted.count(0)
        left = [message.octets for message, gone in zip(served.messages, machine.deleted, strict=True) if not gone]
        assert machine.left_octets == sum(left)
        outcomes.append((replies, event, ahead, bytes(machine.deleted)))
    assert all(outcome == outcomes[0] for outcome in outcomes)


_PLAIN = binascii.b2a_base64(b"\0alice\0sesame", newline=False)
_COMMANDS = b"CAPA|STLS|QUIT|USER |PASS |AUTH|AUTH PLAIN|AUTH PLAIN =|*|alice|RETR 1|TOP 1 1|LIST|UIDL|DELE 1|RSET|LAST|STAT|NOOP"
_WORDS = (*_COMMANDS.split(b"|"), b"\r\n", b"\n", b"\r", b"\0", b" ", b"-0", b"+1", b"2147483648", b"\t1", _PLAIN)
TARGETS = (
    Target("lines", check_lines, (b"USER a\r\nPASS b\nx\r", b"x" * AUTH_LINE_OCTETS + b"\r\n", b"\r" * 1500), _WORDS, 4096),
    Target("commands", check_commands, (b"USER alice", b"PASS a b ", b"TOP 1 +2", b"LIST -0", b"AUTH PLAIN " + _PLAIN), _WORDS),
    Target("sasl", check_sasl, (_PLAIN, b"", b"AA==", b"a\0b\0c", b"\0b\0c"), (b"\0", b"=", b"==", b"A")),
    Target(
        "authorization",
        check_authorization,
        (b"USER alice\r\nPASS b\r\nSTAT\r\n", b"AUTH PLAIN\r\n" + _PLAIN + b"\r\n", b"AUTH\r\nSTLS\r\n", b"CAPA\n" * 30),
        _WORDS,
    ),
    Target(
        "transaction", check_transaction, (b"STAT\r\nRETR 1\r\nDELE 1\r\nLIST\r\nQUIT\r\n", b"TOP 3 1\nUIDL\nLAST\n"), _WORDS, 400
    ),
)
