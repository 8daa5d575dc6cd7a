"""The plain definition of a mailbox, line by line: what the fast parser must agree with. It was checked against C popa3d."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from popa3d.shared.limits import COPIES


class Message(NamedTuple):
    """start: of its "From " line. content: what is sent of the file. octets: as sent.

    unique_id: in hexadecimal; copies have equal ones, see `unique_ids`. c_unique_id: C popa3d's.
    """

    start: int
    content: bytes
    octets: int
    unique_id: str
    c_unique_id: str


NOTHING = "".join(["d98c1dd4", "04b2008f"])  # what C popa3d gives messages of which no field counts
REWRITTEN = (
    b"status: x-status: x-keywords: x-uid: x-uidl: x-imap: x-imapbase: content-length: lines: "
    b"x-mozilla-status: x-mozilla-status2: x-mozilla-keys:"
).split()


def messages(mailbox: bytes, line_end: bytes = b"\n") -> list[Message] | None:
    """The messages of a mailbox whose lines end in `line_end`, or None if it is refused. What is only metadata is none."""
    lines = [line + b"\n" for line in mailbox.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    empty = (b"\n", b"\r\n") if line_end == b"\r\n" else (b"\n",)
    found: list[tuple[int, list[bytes]]] = []
    place = 0
    after_empty = True
    for line in filter(None, lines):
        if line.startswith(b"From ") and after_empty:
            found.append((place, []))
        elif not found:
            if line not in (b"\n", b"\r\n"):
                return None
        else:
            found[-1][1].append(line)
        # Before the first message either kind of empty line is one: nothing has said yet which kind the mailbox has.
        after_empty = line in empty or not found or not found[-1][1]
        place += len(line)
    if not all(content for _, content in found):
        return None
    if found and _is_metadata(found[0][1], empty):
        del found[0]
    return [_message(start, content, empty) for start, content in found]


def _is_metadata(lines: list[bytes], empty: tuple[bytes, ...]) -> bool:
    """Whether that is the content of the message that IMAP servers keep for themselves; of its header 64 KiB count."""
    header = lines[: next((i for i, line in enumerate(lines) if line in empty), len(lines))]
    names = [line.lower() for line in b"".join(header)[:65536].split(b"\n")]
    subjects = [line for line in b"".join(header)[:65536].split(b"\n") if line.lower().startswith(b"subject:")]
    wanted = b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"
    return (
        subjects[:1] != []
        and subjects[0][8:].strip() == wanted
        and any(n.startswith((b"x-imap:", b"x-imapbase:")) for n in names)
    )


def _message(start: int, lines: list[bytes], empty: tuple[bytes, ...]) -> Message:
    header = next((i for i, line in enumerate(lines) if line in empty), len(lines))
    if header < len(lines) - 1 and lines[-1] in empty:
        lines = lines[:-1]
    digest = hashlib.md5()
    whole = hashlib.md5()
    received = counts = rewritten = counted = False
    for line in lines[:header]:
        name = line.lower()
        if line[:1] not in (b" ", b"\t"):
            counts = name.startswith(b"delivered-to:") or (name.startswith(b"x-delivery-id:") and line.startswith(b"X"))
            counts = counts or (not received and name.startswith((b"date:", b"message-id:", b"received:")))
            received = received or name.startswith(b"received:")
            rewritten = name.startswith(tuple(REWRITTEN))
        if counts:
            counted = True
            digest.update(line)
        if not rewritten:
            whole.update(line)
    whole.update(b"".join(lines[header:]))
    octets = 0
    for line in lines:
        octets += len(line.removesuffix(b"\r\n" if line.endswith(b"\r\n") else b"\n")) + 2
    return Message(start, b"".join(lines), octets, printed((digest if counted else whole).digest()), printed(digest.digest()))


def printed(digest: bytes) -> str:
    """A digest as unique-id."""
    return (digest[3::-1] + digest[7:3:-1]).hex()


def unique_ids(found: list[Message], crlf: bool = False) -> list[str]:
    """The unique-ids of all messages of a mailbox: the second and further ones with the same get others."""
    ids: list[str] = []
    copies: list[tuple[str, bytes]] = []
    for i, message in enumerate(found):
        if message.unique_id not in [other.unique_id for other in found[:i]]:
            ids.append(message.unique_id)
            continue
        if len(copies) < COPIES:
            content = _content(message.content, crlf)
            number = copies.count((message.unique_id, content))
            text = bytes.fromhex(message.unique_id) + content + number.to_bytes(8, "big")
            ids.append(printed(hashlib.md5(text).digest()))
        else:
            content = b""
            ids.append(f"{(int(message.unique_id, 16) + len(copies) * 0x9E3779B97F4A7C15) % 2**64:016x}")
        copies.append((message.unique_id, content))
    return ids


def _content(whole: bytes, crlf: bool) -> bytes:
    """What tells copies apart: the header without what is rewritten, the first 32 KiB behind it, and how much that is."""
    content = whole[:131072]
    header = []
    rewritten = False
    for line in content.splitlines(keepends=True) if b"\r" not in content else re.findall(rb"[^\n]*\n|[^\n]+", content):
        if line == b"\n" or (crlf and line == b"\r\n"):
            break
        header.append(line)
    body = content[len(b"".join(header)) :]
    digest = hashlib.md5()
    for line in header:
        if line[:1] not in (b" ", b"\t"):
            rewritten = line.lower().startswith(tuple(REWRITTEN))
        if not rewritten:
            digest.update(line)
    digest.update(body[:32768])
    digest.update((len(body) + len(whole) - len(content) if body else 0).to_bytes(8, "big"))
    return bytes.fromhex(printed(digest.digest()))


def sent(content: bytes) -> bytes:
    """A message's content as RETR sends it, dots doubled."""
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
        ended = True
    else:
        ended = False
    result = b""
    for i, line in enumerate(lines):
        if ended or i < len(lines) - 1:
            result += (b"." if line.startswith(b".") else b"") + line.removesuffix(b"\r") + b"\r\n"
        else:
            result += (b"." if line.startswith(b".") else b"") + line + b"\r\n"
    return result
