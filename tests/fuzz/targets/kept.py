"""What is kept for the next login: the index of a large mailbox, and the map of old unique-ids."""

from __future__ import annotations

import functools
import os
import random
import struct
import zlib
from itertools import pairwise
from unittest import mock

from popa3d.owner import loading
from popa3d.owner.index.id_map import IdMap, ShownIds, doubles, is_unique_id, make_map
from popa3d.owner.index.packing import packed
from popa3d.owner.index.parser import Parser
from popa3d.owner.mailbox import kept_index, kept_map, maildrop
from popa3d.owner.mailbox.maildrop import Maildrop
from popa3d.owner.update import removal
from popa3d.shared import Failure
from popa3d.shared.limits import MAX_MESSAGES
from tests.fuzz.engine import Target
from tests.fuzz.targets.states import WRONG_CHECKS, checked, shut, the_place
from tests.unit.owner.stopped import MESSAGES

_TRUE_TIMES = 2  # a flag, besides WRONG_CHECKS


@functools.cache
def _packed() -> bytes:
    parser = Parser(100)
    parser.feed(b"".join(MESSAGES))
    return b"".join(bytes(block) for block in packed(parser.finish()))


def check_index(data: bytes) -> None:
    """Whatever an index says, what is read of the mailbox is within it; QUIT removes whole messages, or nothing."""
    flags, text = data[:1] or b"\0", data[1:]
    mailbox = b"".join(MESSAGES)
    place = the_place()
    file, state = place.open(mailbox)
    times = (file.status().st_mtime_ns, file.status().st_ctime_ns) if flags[0] & _TRUE_TIMES else (0, 0)
    text = b"popa3d index 05\n" + struct.pack("=QQQqq", *file.identity(), *times) + text
    fd = state.create(state.name(b".index"))
    os.write(fd, text + struct.pack("=I", zlib.crc32(text) ^ (flags[0] & WRONG_CHECKS)))
    os.close(fd)
    index = kept_index.load(state, file)
    shut(file, state)
    if index is None:
        return
    assert not flags[0] & WRONG_CHECKS and b"".join(bytes(block) for block in packed(index)) == data[1:]
    assert (
        0 < len(index) <= MAX_MESSAGES
        and index.size <= len(mailbox)
        and index.saved == bool(flags[0] & _TRUE_TIMES) * (index.size == len(mailbox))
    )
    assert kept_index.is_sound(index) in (True, False)
    starts = [*index.start, index.size]
    file, state = place.reopen()
    try:
        with mock.patch.object(maildrop, "INDEX_OCTETS", 0), place.case.small_steps():
            loaded = loading.load(file, state, 1000, 1 << 40)
            _read_all(loaded, mailbox)
            gone = bytearray(len(loaded.index))
            gone[random.Random(data).randrange(len(gone))] = 1
            removal.remove(loaded, gone)
    except (Failure, OSError):
        assert place.case.mailbox.read_bytes() == mailbox
        return
    finally:
        shut(file, state)
    content = place.case.mailbox.read_bytes()
    true = b"".join(message for message, is_gone in zip(MESSAGES, gone, strict=False) if not is_gone)
    pieces = [mailbox[start:end] for start, end in pairwise(starts)]
    as_believed = b"".join(piece for piece, is_gone in zip(pieces, gone, strict=False) if not is_gone)
    assert content in (true, mailbox[: starts[0]] + as_believed + mailbox[starts[-1] :])


def _read_all(loaded: Maildrop, mailbox: bytes) -> None:
    """Claim that messages are parts of the mailbox. Raises what `content` does."""
    ids = loaded.unique_ids(0, len(loaded.index))
    assert len(ids) == len(loaded.index) and all(is_unique_id(text.encode()) for text in ids)
    for i in range(len(loaded.index)):
        try:
            content = b""
            while block := loaded.content(i, len(content)):
                content += block
        except (Failure, OSError):
            continue
        assert content == mailbox[loaded.index.content[i] : loaded.index.end[i]]


def _map_seed(*old: bytes) -> bytes:
    ids = b"".join(bytes([i]) * 8 for i in range(1, len(old) + 1))
    made = make_map(ids, list(old))
    return b"\0" + struct.pack(">QQQI", len(made), len(made.text), 0, 0) + made.ids + made.lengths + made.text


def check_map(data: bytes) -> None:
    """A map is taken as it would be written, or put aside; what is shown by it is a unique-id for each message, all different."""
    flags, text = data[:1] or b"\0", data[1:]
    place = the_place()
    file, state = place.open(b"".join(MESSAGES))
    text = b"popa3d id map 1\n" + kept_map._binding(file) + text
    fd = os.memfd_create("map")
    try:
        os.write(fd, checked(text, flags[0]))
        os.lseek(fd, 0, os.SEEK_SET)
        stored = kept_map._read(fd, file)
    except kept_map._Unfit as unfit:
        assert str(unfit)
        return
    finally:
        os.close(fd)
        shut(file, state)
    found: IdMap = stored.id_map
    assert not flags[0] & WRONG_CHECKS and found.is_sound() and len(found) <= MAX_MESSAGES
    lengths = found.lengths
    whole = data[29 : 29 + 8 * len(found)], lengths, found.text
    assert whole == (found.ids, lengths, found.text) and data.endswith(found.text)
    ids = b"".join(bytes([i]) * 8 for i in (1, 3, 2, 9))
    shown = ShownIds(ids, found).texts(0, 4)
    assert len(shown) == 4 and all(is_unique_id(text.encode()) for text in shown)
    old = list(found.aligned(ids).old_ids(0, 4))
    if not doubles(ids, old):
        assert len(set(shown)) == 4
    deleted = bytearray([1, 0, 0, 1])
    left = found.aligned(ids).after(deleted, ids[8:24])
    assert left.is_sound() and [*left.old_ids(0, 2)] == [*old, b"", b"", b""][1:3][: len(left)]


TARGETS = (
    Target("index", check_index, (b"\2" + _packed(), b"\0" + _packed()), (b"\0" * 8, b"\xff" * 8), 1200),
    Target(
        "id-map",
        check_map,
        (_map_seed(b"old-1", b"", b"x" * 70), _map_seed(b"0303030303030303", b"a"), _map_seed(b"a", b"a"), _map_seed()),
        (b"\1" * 8, b"\2" * 8, b"\3" * 8, b"0909090909090909", b"old-1"),
        600,
    ),
)
