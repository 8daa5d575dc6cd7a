"""UPDATE against its plain definition: what is kept, one after the other, then what was delivered since."""

from __future__ import annotations

import tempfile
from array import array
from itertools import pairwise
from pathlib import Path
from unittest import mock

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from popa3d.owner.index import MESSAGE_OCTETS
from popa3d.owner.mailbox import Refused
from popa3d.owner.update.plan import Plan, decode_plan
from popa3d.shared.limits import JOURNAL_DATA_OCTETS, PARSE_OCTETS
from tests.faults.cases import Case
from tests.faults.disk import Recorder

LINES = st.lists(st.sampled_from([b"", b"From x", b">From y", b".", b"text", b"\xff\0", b"long " * 50]), max_size=12)
MESSAGES = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b""]), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(MESSAGES, st.sampled_from([b"", b"\n", b"\n\n\n"]), LINES, st.integers(64, 5000), st.integers(1, 3000))
def test_property(
    found: list[tuple[list[bytes], bytes, bool]], preamble: bytes, more: list[bytes], data: int, block: int
) -> None:
    """Any mailbox, any deletions, any appended mail, any size of the steps: the result is the concatenation."""
    messages = [b"From a@b\nX: y\n\n" + b"\n".join(lines) + end for lines, end, _ in found]
    mailbox = preamble + b"".join(message + b"\n" for message in messages)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        case = Case(0, Path(place))
        case.mailbox.write_bytes(mailbox)
        case.data, case.block = data, block
        try:
            with case.small_steps():
                loaded = case.load()  # which messages these really are is the parser's business, and tested there
        except Refused:
            reject()
        index = loaded.index
        loaded.file.close()
        gone = [found[i % len(found)][2] for i in range(len(index))]
        if not any(gone):
            gone[0] = True
        case.deleted = bytearray(gone)
        # What is no message by itself is not moved along.
        appended = (b"" if mailbox.endswith(b"\n\n") else b"\n") + b"From c@d\n" + b"\n".join(more) + b"\n" if more else b""
        with mock.patch.object(Case, "load", autospec=True, side_effect=lambda self: _load_and_deliver(self, appended)):
            case.update(Recorder())
        whole = [mailbox[start:end] for start, end in pairwise([*index.start, index.size])]
        kept = [octets for octets, is_gone in zip(whole, gone, strict=True) if not is_gone]
        assert case.mailbox.read_bytes() == mailbox[: index.start[0]] + b"".join(kept) + appended
        assert case.left() == []


_load = Case.load


def _load_and_deliver(case: Case, appended: bytes) -> object:
    loaded = _load(case)
    case.deliver(appended)
    return loaded


def test_journal_is_bounded(tmp_path: Path) -> None:
    """However much is moved by however little, the journal has 4 MiB of it, and some octets a message."""
    case = Case(0, tmp_path)
    message = b"From x\n\n" + b"y" * 9_000 + b"\n\n"
    case.messages = [b"From first\n\nx\n\n", *[message] * 1200]
    case.before, case.after = b"".join(case.messages), message * 1200
    case.deleted = bytearray([1] + [0] * 1200)
    case.data, case.block = JOURNAL_DATA_OCTETS, PARSE_OCTETS
    case.set()
    recorder = Recorder()
    case.update(recorder)
    assert case.mailbox.read_bytes() == case.after
    ends = [call.place + len(call.data) for call in recorder.calls if call.what == "write" and call.file > 0]
    assert JOURNAL_DATA_OCTETS < max(ends) < JOURNAL_DATA_OCTETS + 20_000


@given(st.lists(st.integers(MESSAGE_OCTETS, 2**40), min_size=1, max_size=50), st.integers(0, 2**40), st.data())
def test_plan_is_encoded(holes: list[int], start: int, data: st.DataObject) -> None:
    """A plan is read back as it was; no prefix of it is taken for one that has the same end."""
    lengths = array("q")
    for hole in holes:
        lengths.extend((hole, data.draw(st.integers(1, 2**40))))
    sent = Plan(start, lengths)
    got = decode_plan(sent.encode())
    assert got is not None
    assert (got.start, got.lengths, got.size, got.final_size) == (start, lengths, sent.size, sent.final_size)
    for cut in range(len(sent.encode())):
        shorter = decode_plan(sent.encode()[:cut])
        assert shorter is None or shorter.size < sent.size


@given(st.binary(max_size=200))
def test_no_plan(octets: bytes) -> None:
    """Any octets are a plan whose positions rise, or none."""
    got = decode_plan(octets)
    assert got is None or (min(got.lengths[::2]) >= MESSAGE_OCTETS and min(got.lengths) >= 0)
