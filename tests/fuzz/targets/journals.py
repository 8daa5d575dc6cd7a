"""Journals of updates, in a file or in names, and the plans in them."""

from __future__ import annotations

import functools
import os
import random
import struct
import tempfile
import zlib
from itertools import accumulate, pairwise
from pathlib import Path

from popa3d.owner.mailbox import Refused
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.state_directory import State
from popa3d.owner.update import recovery
from popa3d.owner.update.file_journal import _data_offset
from popa3d.owner.update.journal import find_journal
from popa3d.owner.update.name_journal import NameJournal
from popa3d.owner.update.plan import decode_plan
from popa3d.owner.update.records import HEAD_OCTETS, RECORD_OCTETS, Head, Unfit, decode_head, decode_record
from popa3d.shared.limits import MAX_MESSAGES
from tests.faults.disk import Call
from tests.fuzz.engine import Target
from tests.fuzz.targets.conversation import divided
from tests.fuzz.targets.states import WRONG_CHECKS, Place, checked, shut, the_place
from tests.unit.owner.stopped import MESSAGES, Stopped

_RECORD = RECORD_OCTETS - 4  # without its checksum
_CHECK, _PLAN_LENGTH = 8, 2
_OWN_DATA_CHECK, _IN_NAMES = 2, 4  # flags, besides WRONG_CHECKS
_SMALL = 5000


@functools.cache
def _updates() -> list[tuple[bytes, Head, bytes, bytes]]:
    """An update that was stopped before each of its writes: the mailbox then, head and record of the journal, its data."""
    found = []
    for number in range(12):
        with tempfile.TemporaryDirectory(prefix="popa3d-fuzz-") as place:
            left = number

            def stop(call: Call) -> bool:
                nonlocal left
                left -= call.file == 0 and call.what in ("write", "cut")
                return left < 0

            stopped = Stopped(Path(place), stop, data=64)
            journal = find_journal(stopped.state)
            content = journal.load()
            journal.close()
            assert content is not None
            found.append((stopped.found, content[0], content[1].encode()[:_RECORD], content[2]))
            shut(stopped.file, stopped.state)
    return found


def _journal_seeds() -> tuple[bytes, ...]:
    seeds = []
    for number, (_, head, record, data) in enumerate(_updates()):
        plan = len(head.plan).to_bytes(_PLAN_LENGTH, "big") + head.plan
        rest = record + bytes(_RECORD) + head.check.to_bytes(_CHECK, "big") + plan + data
        seeds += (
            [bytes([number, 0]) + rest, bytes([number, _IN_NAMES]) + rest] if number % 3 == 0 else [bytes([number, 0]) + rest]
        )
    return tuple(seeds)


def check_journal(data: bytes) -> None:
    """Whatever a journal says, the mailbox is afterwards as it was found, or the update is complete; and which is reported."""
    data = data.ljust(2 + 2 * _RECORD + _CHECK + _PLAN_LENGTH, b"\0")
    found, _, _, _ = _updates()[data[0] % len(_updates())]
    flags = data[1]
    records = [data[2 : 2 + _RECORD], data[2 + _RECORD : 2 + 2 * _RECORD]]
    rest = data[2 + 2 * _RECORD :]
    length = int.from_bytes(rest[_CHECK : _CHECK + _PLAN_LENGTH], "big")
    plan, content = rest[_CHECK + _PLAN_LENGTH :][:length], rest[_CHECK + _PLAN_LENGTH :][length:]
    if not flags & _OWN_DATA_CHECK:
        octets = int.from_bytes(records[0][16:24], "big")
        records[0] = records[0][:24] + zlib.crc32(content[:octets]).to_bytes(8, "big") + records[0][32:]
    place = the_place()
    file, state = place.open(found)
    head = Head(file.identity(), int.from_bytes(rest[:_CHECK], "big"), plan)
    try:
        text = head.encode()
    except struct.error:
        shut(file, state)
        return
    if flags & WRONG_CHECKS:
        text = text[: HEAD_OCTETS - 1] + bytes([text[HEAD_OCTETS - 1] ^ 1]) + plan
    if flags & _IN_NAMES:
        _write_names(state, text, checked(records[0], flags))
    else:
        image = bytearray(_data_offset(len(text)))
        image[8192 : 8192 + len(text)] = text
        for offset, record in zip((0, 4096), records, strict=True):
            image[offset : offset + RECORD_OCTETS] = checked(record, flags)
        fd = state.create(state.name(b".journal"))
        os.write(fd, bytes(image) + content)
        os.close(fd)
    _recover(place, file, state, found, bool(flags & WRONG_CHECKS))


def _write_names(state: State, text: bytes, record: bytes) -> None:
    journal = NameJournal(state)
    names = [journal._encode_name(b"%03d" % i, text[offset : offset + 135]) for i, offset in enumerate(range(0, len(text), 135))]
    for name in [*names, journal._encode_name(b"at", record)]:
        os.close(state.create(name))


def _recover(place: Place, file: MboxFile, state: State, found: bytes, is_damaged: bool) -> None:
    after = MESSAGES[1] + MESSAGES[3] + MESSAGES[4]
    try:
        with place.case.small_steps():
            outcome = recovery.recover(file, state)
    except (Refused, OSError):
        assert place.case.mailbox.read_bytes() == found
        return
    finally:
        shut(file, state)
    content = place.case.mailbox.read_bytes()
    names = os.listdir(place.case.directory)
    if outcome.is_settled:
        assert not is_damaged
        assert content == (after if outcome.report else found) and names == []
    else:
        assert content == found and outcome.report and names and all(".rejected" in name for name in names)


def check_journal_parts(data: bytes) -> None:
    """Head, record and plan are what makes them again; a plan moves octets forwards only, and no two to one place."""
    for length in (0, HEAD_OCTETS):
        text = data[:length].ljust(length, b"\0") + data[length:]
        try:
            assert decode_head(text).encode() == text
        except Unfit as unfit:
            assert unfit.reason
    record = decode_record(checked(data[:_RECORD], 0))
    if record is not None:
        assert len(data) >= _RECORD and record.encode() == checked(data[:_RECORD], 0)
        assert max(record.number, record.done, record.data_length, record.size, record.rest_check) < 2**62
    plan = decode_plan(data)
    if plan is None:
        return
    assert plan.encode() == data
    assert 0 <= plan.start <= plan.final_size < plan.size < 2**62 and 3 <= 1 + len(plan.lengths) <= 2 * MAX_MESSAGES + 1
    if plan.size > _SMALL:
        return
    sources = [plan.source(target) for target in range(plan.start, plan.final_size)]
    assert all(before < after for before, after in pairwise(sources))
    assert all(source > target for target, source in enumerate(sources, plan.start))
    content = random.Random(data).randbytes(plan.size)
    offsets = accumulate(map(len, divided(content)), initial=0)
    parts = [plan.kept_parts(piece, offset) for piece, offset in zip(divided(content), offsets, strict=False)]
    kept = b"".join(bytes(part) for piece in parts for part in piece)
    assert kept.endswith(bytes(content[source] for source in sources))


_PLAN = b"\x40\x41\xbc\x05\x80\x01\x20"
TARGETS = (
    Target("journal", check_journal, _journal_seeds(), (b"\0" * 8, b"\x80", b"\0\0\0\0\0\0\0\x40"), 1200),
    Target(
        "journal-parts",
        check_journal_parts,
        (_PLAN, b"\0" * 68, b"popa3d journal 2" + bytes(60), _PLAN * 3),
        (b"\x80", b"\0"),
        600,
    ),
)
