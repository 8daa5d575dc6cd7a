"""Mailboxes made to cost time: what a sender of mail, or the owner, may put into one. Each kind is one idea, repeated.

python3 -B -m tests.bench.hostile [KIND ...]    CPU time of the parser for each, beside C popa3d; as root
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from popa3d.owner.index.index import Index
from popa3d.owner.index.parser import Parser
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.scan import build_index
from popa3d.shared.limits import HEADER_LINE_OCTETS, MAX_MESSAGES, PARSE_OCTETS

Make = Callable[[int], bytes]

FROM = b"From a@b.example Mon Jan  1 00:00:00 2024\n"


def repeated(what: bytes, before: bytes = b"", behind: bytes = b"") -> Make:
    """`what` again and again, between `before` and `behind`, in about so many octets."""
    return lambda octets: before + what * (octets // len(what)) + behind


def counted(what: bytes, before: bytes = b"") -> Make:
    """The same with a number at each %d, so that no two are the same."""
    return lambda octets: before + b"".join(what % i for i in range(octets // (len(what) + 4)))


def _header(line: bytes, before: bytes = b"") -> Make:
    return repeated(line, FROM + before, b"\n\nbody\n\n")


def _body(what: bytes) -> Make:
    return repeated(what, FROM + b"Subject: x\n\n", b"\n\n")


_LONG = HEADER_LINE_OCTETS

LF_KINDS: dict[str, Make] = {
    "shortest messages": repeated(b"From \nX\n\n"),
    "messages without a header": repeated(b"From \n\n"),
    "messages with an empty body": repeated(b"From \nX\n\n\n"),
    "messages of one line": repeated(b"From \nX\n\ny\n\n"),
    "messages with a false separator": repeated(b"From \nX\n\nF\n\n"),
    "messages with Date": counted(b"From \nDate:%d\n\n"),
    "messages with Date and body": counted(b"From \nDate:%d\n\ny\n\n"),
    "messages with Received": counted(b"From \nReceived:%d\n a\n\n"),
    "messages with all that counts": counted(b"From \nDelivered-To:%d\nX-Delivery-ID:\nDate:\nMessage-ID:\nReceived:\n\n"),
    "messages with eight dates": counted(b"From \n" + b"Date:\n" * 8 + b"Date:%d\n\n"),
    "messages with twenty dates": counted(b"From \n" + b"Date:\n" * 20 + b"Date:%d\n\n"),
    "messages with nine folded lines": counted(b"From \nDate:%d\n" + b" \n" * 9 + b"\n"),
    "messages with folded dates": counted(b"From \n" + b"Date:\n \n" * 4 + b"Date:%d\n\n"),
    "messages of a hundred octets": counted(b"From \nDate:%d\nSubject: " + b"y" * 70 + b"\n\nx\n\n"),
    "messages of a thousand octets": counted(b"From \nDate:%d\n\n" + b"y\n" * 480 + b"\n"),
    "messages with thirty lines": repeated(b"From \n" + b"X\n" * 30 + b"\n"),
    "messages with Status": counted(b"From \nStatus: RO\nX:%d\n\ny\n\n"),
    "messages with Status, eight times": counted(b"From \n" + b"Status:\n" * 8 + b"X:%d\n\ny\n\n"),
    "copies with Date": repeated(b"From \nDate:\n\n"),
    "copies of a kilobyte": repeated(b"From \nDate:\n\n" + b"y" * 1000 + b"\n\n"),
    "lines Date:": _header(b"Date:\n"),
    "lines Message-ID:": _header(b"Message-ID:\n"),
    "lines Received:": _header(b"Received:\n"),
    "lines Delivered-To:": _header(b"Delivered-To:\n"),
    "lines X-Delivery-ID:": _header(b"X-Delivery-ID:\n"),
    "lines x-delivery-id:": _header(b"x-delivery-id:\n"),
    "lines Date: behind Received:": _header(b"Date:\n", b"Received: x\n"),
    "lines of two fields": _header(b"Date:\nDelivered-To:\n"),
    "lines of a field, and others": _header(b"Date:\na\na\na\na\na\n"),
    "lines Date without a colon": _header(b"Date\n"),
    "lines Status:": _header(b"Status:\n"),
    "lines of two octets": _header(b"a\n"),
    "folded Date:": _header(b" \n", b"Date:\n"),
    "folded Date: with tabs": _header(b"\t\n", b"Date:\n"),
    "folded Subject:": _header(b" \n", b"Subject:\n"),
    "each Delivered-To: folded": _header(b"Delivered-To:\n \n"),
    "each Date: folded": _header(b"Date:\n \n"),
    "lines of just the held length": _header(b"Date:" + b"x" * (_LONG - 6) + b"\n"),
    "lines above the held length": _header(b"Date:" + b"x" * (_LONG - 4) + b"\n"),
    "uncounted lines above the held length": _header(b"Subj:" + b"x" * (_LONG - 4) + b"\n"),
    "lines above the size of a block": _header(b"Date:" + b"x" * (PARSE_OCTETS + 1) + b"\n"),
    "one long From line": repeated(b"x", b"From ", b"\nX\n"),
    "one long header line": _header(b"x"),
    "one long Received: line": _header(b"x", b"Received:"),
    "zeros in a header": _header(b"\0"),
    "blanks in a header": _header(b" "),
    "CRs in a header": _header(b"\r"),
    "zeros": _body(b"\0"),
    "blanks": _body(b" "),
    "CRs": _body(b"\r"),
    "empty lines": _body(b"\n"),
    "empty CRLF lines": _body(b"\r\n"),
    "LF CR": _body(b"\n\r"),
    "F": _body(b"F"),
    "From lines behind others": _body(b"x\nFrom y"),
    "From lines behind each other": repeated(b"\nFrom y", FROM + b"Subject: x\n\ny", b"\n\n"),
    "F behind empty lines": _body(b"\n\nF"),
    "From without a blank": _body(b"\n\nFrom"),
    "From behind CRLF": _body(b"\r\nFrom \r\nx"),
    "From behind LF CR": _body(b"\n\rFrom "),
    "dots": _body(b".\n"),
    "fields in a body": _body(b"Date:\n"),
    "no message: empty lines": repeated(b"\n", b"", FROM + b"X\n\n"),
    "no message: empty CRLF lines": repeated(b"\r\n", b"", FROM + b"X\n\n"),
}


def crlf(make: Make) -> Make:
    """What `make` makes, with each LF behind a CR."""
    return lambda octets: make(octets // 2).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def some_crlf(make: Make) -> Make:
    """The same, but for the first line: a mailbox with LF line ends that has CRs in it."""
    start, made = b"From \nX\n\n", crlf(make)
    return lambda octets: start + made(octets).replace(b"\r\n\r\nFrom ", b"\n\nFrom ")


KINDS = dict(LF_KINDS)
KINDS |= {f"CRLF: {name}": crlf(make) for name, make in LF_KINDS.items()}
KINDS |= {f"some CRLF: {name}": some_crlf(make) for name, make in LF_KINDS.items()}


def parse(mailbox: bytes) -> Index:
    """The index, made block by block, as sessions do."""
    parser = Parser(MAX_MESSAGES)
    for place in range(0, len(mailbox), PARSE_OCTETS):
        parser.feed(mailbox[place : place + PARSE_OCTETS])
    return parser.finish()


def seconds(mailbox: bytes, rounds: int = 3) -> float:
    """CPU time until the index is made, the least of some."""
    taken = []
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as made:
        made.write(mailbox)
        made.flush()
        file = MboxFile(os.fsencode(made.name), ("fcntl",))
        for _ in range(rounds):
            start = time.process_time()
            build_index(file, len(mailbox), MAX_MESSAGES)
            taken.append(time.process_time() - start)
        file.close()
    return min(taken)


def used(command: list[str], octets: bytes) -> float:
    """CPU time of a program that is told `octets` on a pipe, and of all that it waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, input=octets, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Print the table: kind, seconds of CPU a MiB, C popa3d's, how many times that."""
    from tests import host as private_host
    from tests.talk import c_popa3d, script

    size = 8 << 20
    host = private_host.enter()
    host.pam_stack(private_host.PAM_OPEN)
    host.deliver("alice", b"")
    commands = script(b"QUIT\r\n")
    nothing = min(used(c_popa3d(), commands) for _ in range(10))
    wanted = sys.argv[1:] or list(KINDS)
    for name in KINDS:
        if any(word in name for word in wanted):
            mailbox = KINDS[name](size)
            mib = len(mailbox) / (1 << 20)
            host.deliver("alice", mailbox)
            theirs = max(0.0, min(used(c_popa3d(), commands) for _ in range(3)) - nothing) / mib
            ours = seconds(mailbox) / mib
            ratio = f"{ours / theirs:6.1f}" if theirs > 0.0005 else "      "
            print(f"{name:55s} {ours:8.4f} {theirs:8.4f} {ratio}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
